// What matrix products are of, and where their sums go.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace rondo {

constexpr int kRows = 16;      // of a block
constexpr int kColumns = 64;   // of a block: four tiles
#ifdef RONDO_INT16
constexpr int kDepth = 64;     // of a block
#else
constexpr int kDepth = 32;     // of a block: bfloat16 numbers in a row of a tile
#endif
constexpr int kTile = kRows * kDepth;

using Half = std::uint16_t;  // a bfloat16, or the bits of a 16-bit integer

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
  const float* steps;  // (columns), padded likewise: what a one of an integer is worth; null of bfloat16 numbers
  std::int64_t columns;
  std::int64_t depth;  // with every input padded to whole tiles
  std::int64_t depth_blocks() const { return depth / kDepth; }
  std::int64_t column_blocks() const { return (columns + kColumns - 1) / kColumns; }
};

// Products of each of some vectors with weights, without the bias, as whole numbers of steps (·, stride); the columns are
// padded to whole blocks.
struct ProductTable {
  const std::int16_t* values;
  const float* steps;  // (columns): what a one is worth
  std::int64_t stride;
  const std::int16_t* row(std::int64_t number) const { return values + number * stride; }
};

// Sums that a product goes on with, as if what they are of had come before in the same product: rows of columns without
// the bias, which may be read up to a whole block of rows. Null: zero.
struct Begun {
  const float* sums;
  std::int64_t stride;
  const float* block(std::int64_t rows, std::int64_t columns) const {
    return sums ? sums + rows * kRows * stride + columns * kColumns : nullptr;
  }
};

}  // namespace rondo
