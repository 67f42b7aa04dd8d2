// Recurrent steps, attention and the output layer for processors with AMX (Intel Sapphire Rapids and later).
//
// Products take bfloat16 and sum in float32. A float32 number is written as a sum of bfloat16 parts (the rounded
// number, then what the rounding lost), so that two parts keep 16 bits of it and the plain PyTorch path, which is the
// reference, is met closely. Weights are packed by packing.py: blocks of 64 columns, in each for every 32 rows of
// depth four tiles of 16 columns.
//
// All functions run on the calling thread, allocate only thread-local scratch, and raise nothing: library.py checks.

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

namespace {

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

__m512 exponential(__m512 x) {
  x = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(-87.3f)), _mm512_set1_ps(88.3f));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.9875691500e-4f);  // the minimax polynomial of Cephes' expf
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
  p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
  return _mm512_scalef_ps(p, n);
}

__m512 sigmoid(__m512 x) {
  const __m512 one = _mm512_set1_ps(1.0f);
  return _mm512_div_ps(one, _mm512_add_ps(one, exponential(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

__m512 hyperbolic_tangent(__m512 x) {
  const __m512 one = _mm512_set1_ps(1.0f);
  const __m512 e = exponential(_mm512_add_ps(x, x));
  return _mm512_sub_ps(one, _mm512_div_ps(_mm512_set1_ps(2.0f), _mm512_add_ps(e, one)));
}

__mmask16 first(int count) { return static_cast<__mmask16>(count >= 16 ? 0xffff : (1u << count) - 1); }

}  // namespace

extern "C" {

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

}  // extern "C"

namespace {

// Inputs as tiles of bfloat16: for 16 rows, for every 32 numbers of depth, one tile a part.
struct Operand {
  const Half* data;
  int parts;
  std::int64_t row_blocks;
  std::int64_t depth_blocks;
  const Half* block(std::int64_t rows) const { return data + rows * depth_blocks * parts * kTile; }
};

void store_parts(Half* tile, int parts, __m512 begin, __m512 end) {
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

Operand operand(const Input* inputs, int num_inputs, std::int64_t rows, int parts) {
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

// One block of 16 rows and 64 columns: sums (16, 64) without the bias.
template <int kParts, int kWeightParts>
void multiply_block(const Half* x, const Half* high, const Half* low, std::int64_t depth_blocks, float* sums) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
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
  }
  _tile_stored(0, sums, 256);
  _tile_stored(1, sums + 16, 256);
  _tile_stored(2, sums + 32, 256);
  _tile_stored(3, sums + 48, 256);
}

void multiply(const Operand& x, std::int64_t row_block, const Weights& weights, std::int64_t column_block, float* sums) {
  const std::int64_t offset = column_block * x.depth_blocks * 4 * kTile;
  const Half* rows = x.block(row_block);
  const Half* high = weights.high + offset;
  const Half* low = weights.low ? weights.low + offset : high;
  if (x.parts == 1 && !weights.low) return multiply_block<1, 1>(rows, high, low, x.depth_blocks, sums);
  if (x.parts == 1) return multiply_block<1, 2>(rows, high, low, x.depth_blocks, sums);
  if (!weights.low) return multiply_block<2, 1>(rows, high, low, x.depth_blocks, sums);
  multiply_block<2, 2>(rows, high, low, x.depth_blocks, sums);
}

// Calls use(row_block, column_block, sums) for all blocks. A few column blocks at a time, so that the rows' tiles stay in
// the first cache and the weights in the second.
template <typename Use>
void for_each_block(const Operand& x, const Weights& weights, Use&& use) {
  alignas(64) float sums[kRows * kColumns];
  const std::int64_t column_blocks = (weights.columns + kColumns - 1) / kColumns;
  for (std::int64_t begin = 0; begin < column_blocks; begin += kBlocksAtOnce) {
    const std::int64_t end = std::min(column_blocks, begin + kBlocksAtOnce);
    for (std::int64_t row_block = 0; row_block < x.row_blocks; ++row_block) {
      for (std::int64_t column_block = begin; column_block < end; ++column_block) {
        multiply(x, row_block, weights, column_block, sums);
        use(row_block, column_block, sums);
      }
    }
  }
}

// Where a row of the LSTM's state lies.
struct Row {
  const float* cell;  // null: zero
  float* new_hidden;
  float* new_cell;
};

// The columns of a block are the gates i, f, g, o of 16 units (packing.py puts them so).
template <typename RowAt>
void lstm_rows(const Operand& x, std::int64_t rows, const Weights& weights, std::int64_t units, RowAt&& row_at) {
  for_each_block(x, weights, [&](std::int64_t row_block, std::int64_t block, const float* sums) {
    const float* bias = weights.bias + block * kColumns;
    const __m512 bias_i = _mm512_loadu_ps(bias), bias_f = _mm512_loadu_ps(bias + 16);
    const __m512 bias_g = _mm512_loadu_ps(bias + 32), bias_o = _mm512_loadu_ps(bias + 48);
    const std::int64_t unit = block * 16;
    const __mmask16 real = first(static_cast<int>(std::min<std::int64_t>(units - unit, 16)));
    const std::int64_t begin = row_block * kRows, end = std::min(rows, begin + kRows);
    for (std::int64_t r = begin; r < end; ++r, sums += kColumns) {
      const Row row = row_at(r);
      const __m512 i = sigmoid(_mm512_add_ps(_mm512_load_ps(sums), bias_i));
      const __m512 f = sigmoid(_mm512_add_ps(_mm512_load_ps(sums + 16), bias_f));
      const __m512 g = hyperbolic_tangent(_mm512_add_ps(_mm512_load_ps(sums + 32), bias_g));
      const __m512 o = sigmoid(_mm512_add_ps(_mm512_load_ps(sums + 48), bias_o));
      __m512 c = _mm512_mul_ps(i, g);
      if (row.cell) c = _mm512_fmadd_ps(f, _mm512_maskz_loadu_ps(real, row.cell + unit), c);
      _mm512_mask_storeu_ps(row.new_cell + unit, real, c);
      _mm512_mask_storeu_ps(row.new_hidden + unit, real, _mm512_mul_ps(o, hyperbolic_tangent(c)));
    }
  });
}

float sum_of_products(const float* a, const float* b, std::int64_t size) {
  __m512 sum = _mm512_setzero_ps();
  for (std::int64_t k = 0; k < size; k += 16) {
    const __mmask16 real = first(static_cast<int>(std::min<std::int64_t>(size - k, 16)));
    sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(real, a + k), _mm512_maskz_loadu_ps(real, b + k), sum);
  }
  return _mm512_reduce_add_ps(sum);
}

constexpr float kLowest = -1e30f;  // a score that counts for nothing, and may be subtracted from itself

// The sum of exponentials of a row's scores, each lane's beside the lane's highest score.
struct Softmax {
  __m512 highest;
  __m512 sum;

  void add(const __m512 (&scores)[4]) {
    const __m512 higher = _mm512_max_ps(_mm512_max_ps(scores[0], scores[1]), _mm512_max_ps(scores[2], scores[3]));
    const __m512 top = _mm512_max_ps(highest, higher);
    sum = _mm512_mul_ps(sum, exponential(_mm512_sub_ps(highest, top)));
    for (const __m512 score : scores) sum = _mm512_add_ps(sum, exponential(_mm512_sub_ps(score, top)));
    highest = top;
  }

  float log_of_sum() const {
    const float top = _mm512_reduce_max_ps(highest);
    const __m512 shares = _mm512_mul_ps(sum, exponential(_mm512_sub_ps(highest, _mm512_set1_ps(top))));
    return top + std::log(_mm512_reduce_add_ps(shares));
  }
};

// Put those of 16 scores that are better than the worst kept into their places, equal ones behind.
void keep_best(__m512 scores, std::int64_t first_id, std::int64_t count, float* best, std::int64_t* ids) {
  __mmask16 better = _mm512_cmp_ps_mask(scores, _mm512_set1_ps(best[count - 1]), _CMP_GT_OQ);
  if (!better) return;
  alignas(64) float values[16];
  _mm512_store_ps(values, scores);
  for (; better; better &= better - 1) {
    const int lane = __builtin_ctz(better);
    if (!(values[lane] > best[count - 1])) continue;
    std::int64_t place = count - 1;
    for (; place > 0 && best[place - 1] < values[lane]; --place) {
      best[place] = best[place - 1];
      ids[place] = ids[place - 1];
    }
    best[place] = values[lane];
    ids[place] = first_id + lane;
  }
}

}  // namespace

extern "C" {

// Ask the kernel for the tile registers; 0 if it grants them.
int rondo_enable_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return static_cast<int>(syscall(SYS_arch_prctl, kRequestPermission, kTileData));
}

// out (rows, columns) = inputs · weights + bias, through tanh if asked.
void rondo_linear(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                  const Weights* weights, std::int64_t with_tanh, float* out, std::int64_t out_stride) {
  const Tiles tiles;
  const Operand x = operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts));
  for_each_block(x, *weights, [&](std::int64_t row_block, std::int64_t block, const float* sums) {
    const std::int64_t column = block * kColumns, left = std::min<std::int64_t>(weights->columns - column, kColumns);
    const std::int64_t begin = row_block * kRows, end = std::min(rows, begin + kRows);
    for (std::int64_t r = begin; r < end; ++r, sums += kColumns) {
      for (int j = 0; j < left; j += 16) {
        __m512 value = _mm512_add_ps(_mm512_load_ps(sums + j), _mm512_loadu_ps(weights->bias + column + j));
        if (with_tanh) value = hyperbolic_tangent(value);
        _mm512_mask_storeu_ps(out + r * out_stride + column + j, first(static_cast<int>(left) - j), value);
      }
    }
  });
}

// One LSTM step. The hidden state is the caller's last input. cell (·, units) is read at index[r] and may be null for
// zero; hidden_out and cell_out (rows, units) must not be the arrays that are read.
void rondo_lstm_step(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                     const Weights* weights, std::int64_t units, const float* cell, const std::int64_t* index,
                     float* hidden_out, float* cell_out) {
  const Tiles tiles;
  const Operand x = operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts));
  lstm_rows(x, rows, *weights, units, [&](std::int64_t r) {
    const float* before = cell ? cell + (index ? index[r] : r) * units : nullptr;
    return Row{before, hidden_out + r * units, cell_out + r * units};
  });
}

// A whole LSTM layer over sequences of unlike length.
//
// table (·, width) holds input vectors, and input[b * time + t] says which is read at position t of sequence b.
// hidden and cell (batch, units) hold the state before and, on return, the state after each sequence's own last step.
// out gets the hidden states: position t of sequence b at (b * time + t) * out_stride; padding is set to zero.
// Read from the end to the begin if backward.
void rondo_lstm_sequence(const float* table, std::int64_t width, float scale, const std::int64_t* input,
                         const std::int64_t* lengths, std::int64_t batch, std::int64_t time, std::int64_t parts,
                         const Weights* weights, std::int64_t units, std::int64_t backward, float* hidden, float* cell,
                         float* out, std::int64_t out_stride) {
  const Tiles tiles;
  std::vector<std::int64_t> order(batch), vectors(batch), before(batch);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return lengths[a] > lengths[b]; });
  std::int64_t active = batch;
  for (std::int64_t step = 0; step < time; ++step) {
    while (active > 0 && lengths[order[active - 1]] <= step) --active;
    if (!active) break;
    const auto position = [&](std::int64_t b) { return backward ? lengths[b] - 1 - step : step; };
    for (std::int64_t r = 0; r < active; ++r) {
      vectors[r] = input[order[r] * time + position(order[r])];
    }
    const Input inputs[2] = {{table, vectors.data(), width, width, scale}, {hidden, order.data(), units, units, 1.0f}};
    const Operand x = operand(inputs, 2, active, static_cast<int>(parts));
    lstm_rows(x, active, *weights, units, [&](std::int64_t r) {
      const std::int64_t b = order[r];
      return Row{cell + b * units, hidden + b * units, cell + b * units};
    });
    for (std::int64_t r = 0; r < active; ++r) {
      const std::int64_t b = order[r];
      std::copy_n(hidden + b * units, units, out + (b * time + position(b)) * out_stride);
    }
  }
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t t = lengths[b]; t < time; ++t) std::fill_n(out + (b * time + t) * out_stride, units, 0.0f);
  }
}

// Scaled dot-product attention of each row over its own source.
//
// query (rows, size); sources[r] points to (lengths[r], size). context (rows, size); weights (rows, weight_stride),
// zero beyond a row's length.
void rondo_attend(const float* query, std::int64_t rows, std::int64_t size, const float* const* sources,
                  const std::int64_t* lengths, float scale, float* context, float* weights,
                  std::int64_t weight_stride) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* source = sources[r];
    float* own = weights + r * weight_stride;
    float highest = -std::numeric_limits<float>::infinity();
    for (std::int64_t s = 0; s < lengths[r]; ++s) {
      own[s] = sum_of_products(query + r * size, source + s * size, size) * scale;
      highest = std::max(highest, own[s]);
    }
    float total = 0.0f;
    for (std::int64_t s = 0; s < lengths[r]; s += 16) {
      const __mmask16 real = first(static_cast<int>(std::min<std::int64_t>(lengths[r] - s, 16)));
      const __m512 e = exponential(_mm512_sub_ps(_mm512_maskz_loadu_ps(real, own + s), _mm512_set1_ps(highest)));
      _mm512_mask_storeu_ps(own + s, real, e);
      total += _mm512_mask_reduce_add_ps(real, e);
    }
    const float share = 1.0f / total;
    for (std::int64_t s = 0; s < lengths[r]; ++s) own[s] *= share;
    std::fill(own + lengths[r], own + weight_stride, 0.0f);
    for (std::int64_t k = 0; k < size; k += 16) {
      const __mmask16 real = first(static_cast<int>(std::min<std::int64_t>(size - k, 16)));
      __m512 sum = _mm512_setzero_ps();
      for (std::int64_t s = 0; s < lengths[r]; ++s) {
        sum = _mm512_fmadd_ps(_mm512_set1_ps(own[s]), _mm512_maskz_loadu_ps(real, source + s * size + k), sum);
      }
      _mm512_mask_storeu_ps(context + r * size + k, real, sum);
    }
  }
}

// The likeliest next tokens of each row, best first, with their log-probabilities among all columns.
//
// open (columns) is 0 for a token that may be chosen, minus infinity for one that may not; it is padded with minus
// infinity. ids and log_probabilities (rows, count).
void rondo_likeliest(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                     const Weights* weights, const float* open, std::int64_t count, std::int64_t* ids,
                     float* log_probabilities) {
  static thread_local Scratch<Softmax> scratch;
  const Tiles tiles;
  const Operand x = operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts));
  Softmax* softmax = scratch.room_for(rows);
  std::fill_n(softmax, rows, Softmax{_mm512_set1_ps(kLowest), _mm512_setzero_ps()});
  std::fill_n(log_probabilities, rows * count, -std::numeric_limits<float>::infinity());
  std::fill_n(ids, rows * count, 0);
  for_each_block(x, *weights, [&](std::int64_t row_block, std::int64_t block, const float* sums) {
    const std::int64_t column = block * kColumns;
    const std::int64_t begin = row_block * kRows, end = std::min(rows, begin + kRows);
    for (std::int64_t r = begin; r < end; ++r, sums += kColumns) {
      __m512 scores[4];
      for (int j = 0; j < 4; ++j) {
        const __mmask16 real = first(static_cast<int>(std::max<std::int64_t>(weights->columns - column - 16 * j, 0)));
        const __m512 score = _mm512_add_ps(_mm512_load_ps(sums + 16 * j), _mm512_loadu_ps(weights->bias + column + 16 * j));
        scores[j] = _mm512_mask_blend_ps(real, _mm512_set1_ps(kLowest), score);
        keep_best(_mm512_add_ps(scores[j], _mm512_loadu_ps(open + column + 16 * j)), column + 16 * j, count,
                  log_probabilities + r * count, ids + r * count);
      }
      softmax[r].add(scores);
    }
  });
  for (std::int64_t r = 0; r < rows; ++r) {
    const float normaliser = softmax[r].log_of_sum();
    for (std::int64_t i = 0; i < count; ++i) log_probabilities[r * count + i] -= normaliser;
  }
}

}  // extern "C"
