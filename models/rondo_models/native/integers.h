// Matrix products of 16-bit integers, two at once into each 32-bit sum, by processors without AMX: where there are
// instructions for that they make twice the products of float32 ones.
//
// A weight is a whole number of steps, one step for each column, a power of two (packing.py chooses it); an input is one of
// steps of its own row and block of depth, the largest number of which becomes kLargestInput. The sums of a block of depth
// are exact, and are added to float32 ones.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "floats.h"
#include "operands.h"
#include "pairs.h"
#include "vectors.h"

namespace rondo {

// So many rows have their sums of so many tiles of 16 columns in the registers.
#if defined(__AVX512F__) || defined(__AVXVNNI__)
constexpr int kRowsAtOnce = 6;
#else
constexpr int kRowsAtOnce = 4;
#endif
#ifdef __AVX512F__
constexpr int tiles_at_once(int) { return 4; }
#else
constexpr int tiles_at_once(int rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }
#endif

// No sum of a block of depth can leave 32 bits: its weights are at most kMostWeight steps, all their magnitudes together.
constexpr std::int64_t kLargestInput = 8192;
constexpr std::int64_t kMostWeight = 262143;
static_assert(kLargestInput * kMostWeight <= std::numeric_limits<std::int32_t>::max());

inline bool can_multiply() { return true; }

class Multiplier {  // Nothing has to be made ready.
 public:
  Multiplier() {}
};

// Inputs side by side (rows, depth_blocks * 64), each padded with zeros to whole blocks of depth, in steps (rows,
// depth_blocks).
struct Operand {
  const std::int16_t* data;
  const float* steps;
  std::int64_t rows;
  std::int64_t row_blocks;
  std::int64_t depth_blocks;
  std::int64_t stride() const { return depth_blocks * kDepth; }
  // Rows of their own; `begin` is the first of a block.
  Operand some(std::int64_t begin, std::int64_t count) const {
    return {data + begin * stride(), steps + begin * depth_blocks, count, (count + kRows - 1) / kRows, depth_blocks};
  }
};

// Writes a block of depth as whole numbers of steps, and returns the step: not a number if something in the block is none.
inline float in_steps(const Floats (&block)[4], std::int16_t* to) {
  constexpr float kNothing = 1e-30f;  // what is smaller adds nothing
  Floats highest = zeros();
  Mask finite = ~Mask{0};
  for (const Floats values : block) {
    const Floats magnitude = max(values, zeros() - values);
    highest = max(highest, magnitude);
    finite &= is_not_less(all(std::numeric_limits<float>::max()), magnitude);
  }
  const float top = highest_of(highest);
  const float inverse = top > kNothing ? static_cast<float>(kLargestInput) / top : 0.0f;
  for (const Floats values : block) {
    store_integers(to, values * all(inverse));
    to += 16;
  }
  if ((finite & 0xffff) != 0xffff) return std::numeric_limits<float>::quiet_NaN();
  return top > kNothing ? top / static_cast<float>(kLargestInput) : 0.0f;
}

// `parts` makes no difference.
inline Operand operand(const Input* inputs, int num_inputs, std::int64_t rows, int) {
  static thread_local Scratch<std::int16_t> scratch;
  static thread_local Scratch<float> scratch_of_steps;
  std::int64_t depth_blocks = 0;
  for (int i = 0; i < num_inputs; ++i) depth_blocks += (inputs[i].width + kDepth - 1) / kDepth;
  std::int16_t* const data = scratch.room_for(rows * depth_blocks * kDepth);
  float* const steps = scratch_of_steps.room_for(rows * depth_blocks);
  std::int16_t* to = data;
  float* step = steps;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (int i = 0; i < num_inputs; ++i) {
      const Input& input = inputs[i];
      const Floats scale = all(input.scale);
      const float* from = input.data + (input.index ? input.index[row] : row) * input.stride;
      for (std::int64_t k = 0; k < input.width; k += kDepth, to += kDepth) {
        Floats block[4];
        for (int j = 0; j < 4; ++j) {
          const Mask real = first(static_cast<int>(std::clamp<std::int64_t>(input.width - k - 16 * j, 0, 16)));
          block[j] = load(real, from + k + 16 * j) * scale;
        }
        *step++ = in_steps(block, to);
      }
    }
  }
  return {data, steps, rows, (rows + kRows - 1) / kRows, depth_blocks};
}

// Adds the products of a block of depth of kCount rows and 64 columns to the sums (kCount, 64) at `before`, or to zero;
// lets the next block of weights come if kFetches.
template <int kCount, bool kFetches>
inline void multiply_rows(const std::int16_t* x, std::int64_t stride, const float* steps, std::int64_t steps_stride,
                          const std::int16_t* weights, const float* before, std::int64_t before_stride, float* sums) {
  constexpr int kTiles = tiles_at_once(kCount);
  for (int tile = 0; tile < kColumns / 16; tile += kTiles) {
    Integers own[kCount][kTiles];
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
      for (int j = 0; j < kTiles; ++j) own[r][j] = no_integers();
    }
    for (int pair = 0; pair < kDepth / 2; ++pair) {
      Integers weight[kTiles];
#pragma GCC unroll 4
      for (int j = 0; j < kTiles; ++j) {
        const std::int16_t* from = weights + (tile + j) * 16 * kDepth + pair * 32;
        weight[j] = load_pairs(from);
        if (kFetches) _mm_prefetch(from + kColumns * kDepth, _MM_HINT_T0);
      }
#pragma GCC unroll 8
      for (int r = 0; r < kCount; ++r) {
        const Integers value = all_pairs(x + r * stride + 2 * pair);
#pragma GCC unroll 4
        for (int j = 0; j < kTiles; ++j) own[r][j] = plus_products(own[r][j], value, weight[j]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
      const Floats step = all(steps[r * steps_stride]);
#pragma GCC unroll 4
      for (int j = 0; j < kTiles; ++j) {
        const Floats sum = floats_of(own[r][j]);
        const Floats whole = before ? plus_product(load(before + r * before_stride + 16 * (tile + j)), sum, step) : sum * step;
        store(sums + r * kColumns + 16 * (tile + j), whole);
      }
    }
  }
}

template <bool kFetches>
inline void multiply_some(int count, const std::int16_t* x, std::int64_t stride, const float* steps,
                          std::int64_t steps_stride, const std::int16_t* weights, const float* before,
                          std::int64_t before_stride, float* sums) {
  switch (count) {
    case 1: return multiply_rows<1, kFetches>(x, stride, steps, steps_stride, weights, before, before_stride, sums);
    case 2: return multiply_rows<2, kFetches>(x, stride, steps, steps_stride, weights, before, before_stride, sums);
    case 3: return multiply_rows<3, kFetches>(x, stride, steps, steps_stride, weights, before, before_stride, sums);
    case 4: return multiply_rows<4, kFetches>(x, stride, steps, steps_stride, weights, before, before_stride, sums);
    case 5: return multiply_rows<5, kFetches>(x, stride, steps, steps_stride, weights, before, before_stride, sums);
    default: return multiply_rows<6, kFetches>(x, stride, steps, steps_stride, weights, before, before_stride, sums);
  }
}

// One block of x times the weights from depth_begin (in blocks) on, in steps of the weights. beside(k) is called once, for
// the last step of depth: what it does would not go faster between the products.
template <typename Beside>
inline void multiply(const Operand& x, std::int64_t row_block, const Weights& weights, std::int64_t depth_begin,
                     std::int64_t column_block, const Begun& begun, float* sums, Beside&& beside) {
  const std::int16_t* own = reinterpret_cast<const std::int16_t*>(weights.high) +
                            (column_block * weights.depth_blocks() + depth_begin) * kColumns * kDepth;
  const float* before = begun.block(row_block, column_block);
  std::int64_t before_stride = begun.stride;
  const std::int16_t* rows = x.data + row_block * kRows * x.stride();
  const float* steps = x.steps + row_block * kRows * x.depth_blocks;
  const int count = static_cast<int>(std::min<std::int64_t>(kRows, x.rows - row_block * kRows));
  for (std::int64_t block = 0; block < x.depth_blocks; ++block, own += kColumns * kDepth) {
    int groups = (count + kRowsAtOnce - 1) / kRowsAtOnce;
    for (int row = 0, size; row < count; row += size, --groups) {
      size = (count - row + groups - 1) / groups;
      const auto some = row == 0 ? multiply_some<true> : multiply_some<false>;
      some(size, rows + row * x.stride() + block * kDepth, x.stride(), steps + row * x.depth_blocks + block, x.depth_blocks,
           own, before ? before + row * before_stride : nullptr, before_stride, sums + row * kColumns);
    }
    before = sums;
    before_stride = kColumns;
  }
  beside(x.depth_blocks - 1);
}

}  // namespace rondo
