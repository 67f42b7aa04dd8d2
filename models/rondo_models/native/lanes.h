// Matrix products by the vector units of processors without AMX: float32 numbers times weights that are bfloat16 numbers
// in memory and float32 in the registers.

#pragma once

#include <algorithm>
#include <cstdint>

#include "floats.h"
#include "operands.h"

namespace rondo {

// So many rows have their sums of so many tiles of 16 columns in the registers.
constexpr int kRowsAtOnce = 6;
#ifdef __AVX512F__
constexpr int tiles_at_once(int) { return 4; }
#else
constexpr int tiles_at_once(int rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }
#endif

inline bool can_multiply() { return true; }

class Multiplier {  // Nothing has to be made ready.
 public:
  Multiplier() {}
};

// Inputs side by side (rows, depth_blocks * 32), each padded with zeros to whole blocks of depth.
struct Operand {
  const float* data;
  std::int64_t rows;
  std::int64_t row_blocks;
  std::int64_t depth_blocks;
  std::int64_t stride() const { return depth_blocks * kDepth; }
  // Rows of their own; `begin` is the first of a block.
  Operand some(std::int64_t begin, std::int64_t count) const {
    return {data + begin * stride(), count, (count + kRows - 1) / kRows, depth_blocks};
  }
};

// `parts` makes no difference: all bits of the inputs are kept.
inline Operand operand(const Input* inputs, int num_inputs, std::int64_t rows, int) {
  static thread_local Scratch<float> scratch;
  std::int64_t depth_blocks = 0;
  for (int i = 0; i < num_inputs; ++i) depth_blocks += (inputs[i].width + kDepth - 1) / kDepth;
  float* data = scratch.room_for(rows * depth_blocks * kDepth);
  float* to = data;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (int i = 0; i < num_inputs; ++i) {
      const Input& input = inputs[i];
      const Floats scale = all(input.scale);
      const float* from = input.data + (input.index ? input.index[row] : row) * input.stride;
      const std::int64_t end = (input.width + kDepth - 1) / kDepth * kDepth;
      for (std::int64_t k = 0; k < end; k += 16, to += 16) {
        const Mask real = first(static_cast<int>(std::clamp<std::int64_t>(input.width - k, 0, 16)));
        store(to, load(real, from + k) * scale);
      }
    }
  }
  return {data, rows, (rows + kRows - 1) / kRows, depth_blocks};
}

// Sums (kCount, 64) without the bias of kCount rows and 64 columns, going on with those at `begun` unless it is null. A
// row's products are added one by one in the order of its depth, so that its sums are the same whatever is beside it.
template <int kCount, bool kHasLow>
inline void multiply_rows(const float* x, std::int64_t stride, const Half* high, const Half* low,
                          std::int64_t depth_blocks, const float* begun, std::int64_t begun_stride, float* sums) {
  constexpr int kTiles = tiles_at_once(kCount);
  for (int tile = 0; tile < kColumns / 16; tile += kTiles) {
    Floats own[kCount][kTiles];
#pragma GCC unroll 6
    for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
      for (int j = 0; j < kTiles; ++j) {
        own[r][j] = begun ? load(begun + r * begun_stride + 16 * (tile + j)) : zeros();
      }
    }
    for (std::int64_t block = 0; block < depth_blocks; ++block) {
      for (int pair = 0; pair < kDepth / 2; ++pair) {
        const float* from = x + block * kDepth + 2 * pair;
        const std::int64_t at = (4 * block + tile) * kTile + pair * kDepth;
#pragma GCC unroll 2
        for (int second = 0; second < 2; ++second) {
          Floats weight[kTiles];
#pragma GCC unroll 4
          for (int j = 0; j < kTiles; ++j) {
            weight[j] = of_pairs(high + at + j * kTile, second);
            if (!second) _mm_prefetch(high + at + (j + 4) * kTile, _MM_HINT_T0);
            if (kHasLow) weight[j] = weight[j] + of_pairs(low + at + j * kTile, second);
          }
#pragma GCC unroll 6
          for (int r = 0; r < kCount; ++r) {
            const Floats value = all(from[r * stride + second]);
#pragma GCC unroll 4
            for (int j = 0; j < kTiles; ++j) own[r][j] = plus_product(own[r][j], value, weight[j]);
          }
        }
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
      for (int j = 0; j < kTiles; ++j) store(sums + r * kColumns + 16 * (tile + j), own[r][j]);
    }
  }
}

template <bool kHasLow>
inline void multiply_some(int count, const float* x, std::int64_t stride, const Half* high, const Half* low,
                          std::int64_t depth_blocks, const float* begun, std::int64_t begun_stride, float* sums) {
  switch (count) {
    case 1: return multiply_rows<1, kHasLow>(x, stride, high, low, depth_blocks, begun, begun_stride, sums);
    case 2: return multiply_rows<2, kHasLow>(x, stride, high, low, depth_blocks, begun, begun_stride, sums);
    case 3: return multiply_rows<3, kHasLow>(x, stride, high, low, depth_blocks, begun, begun_stride, sums);
    case 4: return multiply_rows<4, kHasLow>(x, stride, high, low, depth_blocks, begun, begun_stride, sums);
    case 5: return multiply_rows<5, kHasLow>(x, stride, high, low, depth_blocks, begun, begun_stride, sums);
    default: return multiply_rows<6, kHasLow>(x, stride, high, low, depth_blocks, begun, begun_stride, sums);
  }
}

// One block of x times the weights from depth_begin (in blocks) on. beside(k) is called once, for the last step of depth:
// what it does would not go faster between the products.
template <typename Beside>
inline void multiply(const Operand& x, std::int64_t row_block, const Weights& weights, std::int64_t depth_begin,
                     std::int64_t column_block, const Begun& begun, float* sums, Beside&& beside) {
  const std::int64_t offset = (column_block * weights.depth_blocks() + depth_begin) * 4 * kTile;
  const Half* high = weights.high + offset;
  const Half* low = weights.low ? weights.low + offset : high;
  const float* before = begun.block(row_block, column_block);
  const float* rows = x.data + row_block * kRows * x.stride();
  const int count = static_cast<int>(std::min<std::int64_t>(kRows, x.rows - row_block * kRows));
  int groups = (count + kRowsAtOnce - 1) / kRowsAtOnce;
  for (int row = 0, size; row < count; row += size, --groups) {
    size = (count - row + groups - 1) / groups;
    const float* own = before ? before + row * begun.stride : nullptr;
    const auto some = weights.low ? multiply_some<true> : multiply_some<false>;
    some(size, rows + row * x.stride(), x.stride(), high, low, x.depth_blocks, own, begun.stride, sums + row * kColumns);
  }
  beside(x.depth_blocks - 1);
}

}  // namespace rondo
