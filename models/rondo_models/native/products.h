// Matrix products, and what is done with their sums. How a block is multiplied depends on the processor.

#pragma once

#include <algorithm>
#include <cstdint>

#include "operands.h"
#ifdef RONDO_INT16
#include "integers.h"
#elif defined(__AMX_BF16__)
#include "tiles.h"
#else
#include "lanes.h"
#endif
#include "floats.h"
#include "vectors.h"

namespace rondo {

constexpr int kBlocksAtOnce = 4;

// Calls use(row, column_block, sums) for each of `rows` rows and each block of columns; the sums of a block are used while
// the tiles multiply the next. A few column blocks at a time, so that the rows' tiles stay in the first cache and the
// weights in the second. The sums of a row depend on nothing but that row, whatever else is multiplied with it.
template <typename Use>
inline void for_each_row(const Operand& x, std::int64_t rows, const Weights& weights, std::int64_t depth_begin,
                         const Begun& begun, Use&& use) {
  alignas(64) float buffers[2][kRows * kColumns];
  const std::int64_t column_blocks = weights.column_blocks();
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

// The values of sixteen columns from their sums.
inline Floats with_bias(const float* sums, const Weights& weights, std::int64_t column) {
#ifdef RONDO_INT16
  return plus_product(load(weights.bias + column), load(sums), load(weights.steps + column));
#else
  return load(sums) + load(weights.bias + column);
#endif
}

// out (rows, columns) = x · weights + bias; of the weights, as much of the depth as x has.
inline void linear(const Operand& x, std::int64_t rows, const Weights& weights, bool with_tanh, float* out,
            std::int64_t out_stride) {
  for_each_row(x, rows, weights, 0, {}, [&](std::int64_t r, std::int64_t block, const float* sums) {
    const std::int64_t column = block * kColumns, left = std::min<std::int64_t>(weights.columns - column, kColumns);
    for (int j = 0; j < left; j += 16) {
      Floats value = with_bias(sums + j, weights, column + j);
      if (with_tanh) value = hyperbolic_tangent(value);
      store(first(static_cast<int>(left) - j), out + r * out_stride + column + j, value);
    }
  });
}

}  // namespace rondo
