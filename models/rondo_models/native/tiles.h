// Matrix products by AMX (Intel Sapphire Rapids and later).
//
// A float32 number is written as a sum of bfloat16 parts (the rounded number, then what the rounding lost), so that two
// parts keep 16 bits of it and the plain PyTorch path, which is the reference, is met closely.

#pragma once

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "operands.h"
#include "vectors.h"

namespace rondo {

// Ask the operating system for the tile registers; whether it grants them.
inline bool can_multiply() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

class Multiplier {  // The tile registers, for as long as it lives.
 public:
  Multiplier() {
    static const TileConfig config;
    _tile_loadconfig(&config);
  }
  ~Multiplier() { _tile_release(); }
  Multiplier(const Multiplier&) = delete;
  Multiplier& operator=(const Multiplier&) = delete;
};

// Inputs as tiles of bfloat16: for 16 rows, for every 32 numbers of depth, one tile a part.
struct Operand {
  const Half* data;
  int parts;
  std::int64_t row_blocks;
  std::int64_t depth_blocks;
  const Half* block(std::int64_t rows) const { return data + rows * depth_blocks * parts * kTile; }
  // Rows of their own; `begin` is the first of a block.
  Operand some(std::int64_t begin, std::int64_t count) const {
    return {block(begin / kRows), parts, (count + kRows - 1) / kRows, depth_blocks};
  }
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
  const std::int64_t offset = (column_block * weights.depth_blocks() + depth_begin) * 4 * kTile;
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

}  // namespace rondo
