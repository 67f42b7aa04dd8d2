// Matrix products in tiles: their operands, and what is done with their sums.

#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "vectors.h"

namespace rondo {

constexpr int kRows = 16;      // of a tile
constexpr int kColumns = 64;   // of a block: four tiles
constexpr int kDepth = 32;     // bfloat16 numbers in a row of a tile
constexpr int kTile = kRows * kDepth;
constexpr int kBlocksAtOnce = 4;

using Half = std::uint16_t;  // a bfloat16

template <typename T>
class Scratch {
 public:
  T* room_for(std::size_t count) {
    if (count > size_) {
      data_.reset(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64)));
      size_ = count;
    }
    return data_.get();
  }

 private:
  struct Free {
    void operator()(T* data) const { std::free(data); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t size_ = 0;
};

struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

class Tiles {  // The tile registers, for as long as it lives.
 public:
  Tiles() {
    static const TileConfig config;
    _tile_loadconfig(&config);
  }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

// A matrix (rows, width) that is part of a product's input: row r begins at data + index[r] * stride, or, without an
// index, at data + r * stride. Its numbers are multiplied with scale.
struct Input {
  const float* data;
  const std::int64_t* index;
  std::int64_t stride;
  std::int64_t width;
  float scale;
};

// Packed weights (columns, depth), of one part or two.
struct Weights {
  const Half* high;
  const Half* low;  // null if the weights are bfloat16 numbers
  const float* bias;  // (columns), padded to whole blocks
  std::int64_t columns;
  std::int64_t depth;  // with every input padded to whole tiles
};

// Inputs as tiles of bfloat16: for 16 rows, for every 32 numbers of depth, one tile a part.
struct Operand {
  const Half* data;
  int parts;
  std::int64_t row_blocks;
  std::int64_t depth_blocks;
  const Half* block(std::int64_t rows) const { return data + rows * depth_blocks * parts * kTile; }
};

inline void store_parts(Half* tile, int parts, __m512 begin, __m512 end) {
  const __m512bh high = _mm512_cvtne2ps_pbh(end, begin);
  _mm512_store_si512(tile, (__m512i)high);
  if (parts == 2) {
    const __m512i bits = (__m512i)high;
    const auto widen = [](__m256i half) {
      return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
    };
    begin = _mm512_sub_ps(begin, widen(_mm512_castsi512_si256(bits)));
    end = _mm512_sub_ps(end, widen(_mm512_extracti64x4_epi64(bits, 1)));
    _mm512_store_si512(tile + kTile, (__m512i)_mm512_cvtne2ps_pbh(end, begin));
  }
}

inline Operand operand(const Input* inputs, int num_inputs, std::int64_t rows, int parts) {
  static thread_local Scratch<Half> scratch;
  std::int64_t depth_blocks = 0;
  for (int i = 0; i < num_inputs; ++i) depth_blocks += (inputs[i].width + kDepth - 1) / kDepth;
  const std::int64_t row_blocks = (rows + kRows - 1) / kRows;
  Half* data = scratch.room_for(row_blocks * depth_blocks * parts * kTile);
  for (std::int64_t row = 0; row < row_blocks * kRows; ++row) {
    Half* tile = data + (row / kRows) * depth_blocks * parts * kTile + (row % kRows) * kDepth;
    for (int i = 0; i < num_inputs; ++i) {
      const Input& input = inputs[i];
      const __m512 scale = _mm512_set1_ps(input.scale);
      const float* from = nullptr;
      if (row < rows) from = input.data + (input.index ? input.index[row] : row) * input.stride;
      for (std::int64_t k = 0; k < input.width; k += kDepth, tile += parts * kTile) {
        const int left = from ? static_cast<int>(std::min<std::int64_t>(input.width - k, kDepth)) : 0;
        const __m512 begin = _mm512_maskz_loadu_ps(first(left), from + k);
        const __m512 end = _mm512_maskz_loadu_ps(first(std::max(left - 16, 0)), from + k + 16);
        store_parts(tile, parts, _mm512_mul_ps(begin, scale), _mm512_mul_ps(end, scale));
      }
    }
  }
  return {data, parts, row_blocks, depth_blocks};
}

// Sums that a product goes on with, as if what they are of had come before in the same product: rows of columns without
// the bias, which may be read up to a whole block of rows. Null: zero.
struct Begun {
  const float* sums;
  std::int64_t stride;
  const float* block(std::int64_t rows, std::int64_t columns) const {
    return sums ? sums + rows * kRows * stride + columns * kColumns : nullptr;
  }
};

// One block of 16 rows and 64 columns: sums (16, 64) without the bias, going on with those at `begun` unless it is null.
// beside(k) is called after each step of depth, for work that the processor does while its tiles multiply.
template <int kParts, int kWeightParts, typename Beside>
inline void multiply_block(const Half* x, const Half* high, const Half* low, std::int64_t depth_blocks,
                           const float* begun, std::int64_t begun_stride, float* sums, Beside&& beside) {
  if (begun) {
    _tile_loadd(0, begun, begun_stride * sizeof(float));
    _tile_loadd(1, begun + 16, begun_stride * sizeof(float));
    _tile_loadd(2, begun + 32, begun_stride * sizeof(float));
    _tile_loadd(3, begun + 48, begun_stride * sizeof(float));
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (std::int64_t k = 0; k < depth_blocks; ++k, x += kParts * kTile, high += 4 * kTile, low += 4 * kTile) {
    _tile_loadd(4, x, 64);
    if (kParts == 2) _tile_loadd(5, x + kTile, 64);
#define RONDO_TWO_COLUMNS(a, b)                                  \
  _tile_loadd(6, high + (a)*kTile, 64);                          \
  _tile_loadd(7, high + (b)*kTile, 64);                          \
  _tile_dpbf16ps(a, 4, 6);                                       \
  _tile_dpbf16ps(b, 4, 7);                                       \
  if (kParts == 2) _tile_dpbf16ps(a, 5, 6);                      \
  if (kParts == 2) _tile_dpbf16ps(b, 5, 7);                      \
  if (kWeightParts == 2) _tile_loadd(6, low + (a)*kTile, 64);    \
  if (kWeightParts == 2) _tile_loadd(7, low + (b)*kTile, 64);    \
  if (kWeightParts == 2) _tile_dpbf16ps(a, 4, 6);                \
  if (kWeightParts == 2) _tile_dpbf16ps(b, 4, 7);
    RONDO_TWO_COLUMNS(0, 1)
    RONDO_TWO_COLUMNS(2, 3)
#undef RONDO_TWO_COLUMNS
    beside(k);
  }
  _tile_stored(0, sums, 256);
  _tile_stored(1, sums + 16, 256);
  _tile_stored(2, sums + 32, 256);
  _tile_stored(3, sums + 48, 256);
}

// One block of x times the weights from depth_begin (in blocks) on.
template <typename Beside>
inline void multiply(const Operand& x, std::int64_t row_block, const Weights& weights, std::int64_t depth_begin,
              std::int64_t column_block, const Begun& begun, float* sums, Beside&& beside) {
  const std::int64_t offset = (column_block * (weights.depth / kDepth) + depth_begin) * 4 * kTile;
  const Half* rows = x.block(row_block);
  const Half* high = weights.high + offset;
  const Half* low = weights.low ? weights.low + offset : high;
  const float* before = begun.block(row_block, column_block);
  const std::int64_t stride = begun.stride, depth = x.depth_blocks;
  if (x.parts == 1 && !weights.low) return multiply_block<1, 1>(rows, high, low, depth, before, stride, sums, beside);
  if (x.parts == 1) return multiply_block<1, 2>(rows, high, low, depth, before, stride, sums, beside);
  if (!weights.low) return multiply_block<2, 1>(rows, high, low, depth, before, stride, sums, beside);
  multiply_block<2, 2>(rows, high, low, depth, before, stride, sums, beside);
}

// Calls use(row, column_block, sums) for each of `rows` rows and each block of columns; the sums of a block are used while
// the tiles multiply the next. A few column blocks at a time, so that the rows' tiles stay in the first cache and the
// weights in the second. The sums of a row depend on nothing but that row, whatever else is multiplied with it.
template <typename Use>
inline void for_each_row(const Operand& x, std::int64_t rows, const Weights& weights, std::int64_t depth_begin,
                         const Begun& begun, Use&& use) {
  alignas(64) float buffers[2][kRows * kColumns];
  const std::int64_t column_blocks = (weights.columns + kColumns - 1) / kColumns;
  std::int64_t row = 0, end = 0, column = 0, count = 0;  // of the block whose sums wait
  const float* sums = nullptr;
  const auto use_until = [&](std::int64_t until) {
    for (; row < until; ++row, sums += kColumns) use(row, column, sums);
  };
  for (std::int64_t begin = 0; begin < column_blocks; begin += kBlocksAtOnce) {
    const std::int64_t last = std::min(column_blocks, begin + kBlocksAtOnce);
    for (std::int64_t row_block = 0; row_block < x.row_blocks; ++row_block) {
      for (std::int64_t column_block = begin; column_block < last; ++column_block) {
        float* next = buffers[count++ % 2];
        const std::int64_t waiting = end - row, first_row = row;
        multiply(x, row_block, weights, depth_begin, column_block, begun, next,
                 [&](std::int64_t k) { use_until(first_row + waiting * (k + 1) / x.depth_blocks); });
        row = row_block * kRows;
        end = std::min(rows, row + kRows);
        column = column_block;
        sums = next;
      }
    }
  }
  use_until(end);
}

// out (rows, columns) = x · weights + bias; of the weights, as much of the depth as x has.
inline void linear(const Operand& x, std::int64_t rows, const Weights& weights, bool with_tanh, float* out,
            std::int64_t out_stride) {
  for_each_row(x, rows, weights, 0, {}, [&](std::int64_t r, std::int64_t block, const float* sums) {
    const std::int64_t column = block * kColumns, left = std::min<std::int64_t>(weights.columns - column, kColumns);
    for (int j = 0; j < left; j += 16) {
      __m512 value = _mm512_add_ps(_mm512_load_ps(sums + j), _mm512_loadu_ps(weights.bias + column + j));
      if (with_tanh) value = hyperbolic_tangent(value);
      _mm512_mask_storeu_ps(out + r * out_stride + column + j, first(static_cast<int>(left) - j), value);
    }
  });
}

}  // namespace rondo
