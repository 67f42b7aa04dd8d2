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
constexpr std::int64_t kTablesAtOnce = 64;  // rows all of whose scores are there; a multiple of kRows
constexpr int kInputsAtOnce = 512;  // of the sequences of a small batch

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

// exp(x) of x <= 0 to a part in 400,000, which is enough where many are summed: 2^n times a polynomial that was fitted to
// 2^f for f in [-0.5, 0.5] by least squares, reweighted until the largest relative error was smallest.
__m512 rough_exponential(__m512 x) {
  const __m512 t = _mm512_max_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _mm512_set1_ps(-126.0f));
  const __m512 n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT);
  const __m512 f = _mm512_sub_ps(t, n);
  __m512 p = _mm512_set1_ps(9.5701013e-3f);
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.5917859e-2f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.4024744e-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.9312179e-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.9999928e-1f));
  return _mm512_scalef_ps(p, n);
}

// 1 / x, to about the last bit: a table's value and one step of Newton's method.
__m512 reciprocal(__m512 x) {
  const __m512 guess = _mm512_rcp14_ps(x);
  return _mm512_mul_ps(guess, _mm512_fnmadd_ps(x, guess, _mm512_set1_ps(2.0f)));
}

__m512 sigmoid(__m512 x) {
  return reciprocal(_mm512_add_ps(_mm512_set1_ps(1.0f), exponential(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

// sigmoid(gate) * tanh(x) with one reciprocal; beyond 20, tanh is 1.
__m512 gated_tangent(__m512 gate, __m512 x) {
  const __m512 one = _mm512_set1_ps(1.0f), limit = _mm512_set1_ps(20.0f);
  const __m512 closing = exponential(_mm512_min_ps(_mm512_sub_ps(_mm512_setzero_ps(), gate), _mm512_set1_ps(40.0f)));
  const __m512 bounded = _mm512_max_ps(_mm512_min_ps(x, limit), _mm512_sub_ps(_mm512_setzero_ps(), limit));
  const __m512 e = exponential(_mm512_add_ps(bounded, bounded));
  const __m512 below = _mm512_mul_ps(_mm512_add_ps(one, closing), _mm512_add_ps(e, one));
  return _mm512_mul_ps(_mm512_sub_ps(e, one), reciprocal(below));
}

__m512 hyperbolic_tangent(__m512 x) {
  const __m512 e = exponential(_mm512_add_ps(x, x));
  return _mm512_fnmadd_ps(_mm512_set1_ps(2.0f), reciprocal(_mm512_add_ps(e, _mm512_set1_ps(1.0f))), _mm512_set1_ps(1.0f));
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

// One block of 16 rows and 64 columns: sums (16, 64) without the bias. beside(k) is called after each step of depth, for
// work that the processor does while its tiles multiply.
template <int kParts, int kWeightParts, typename Beside>
void multiply_block(const Half* x, const Half* high, const Half* low, std::int64_t depth_blocks, float* sums,
                    Beside&& beside) {
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
    beside(k);
  }
  _tile_stored(0, sums, 256);
  _tile_stored(1, sums + 16, 256);
  _tile_stored(2, sums + 32, 256);
  _tile_stored(3, sums + 48, 256);
}

// One block of x times the weights from depth_begin (in blocks) on.
template <typename Beside>
void multiply(const Operand& x, std::int64_t row_block, const Weights& weights, std::int64_t depth_begin,
              std::int64_t column_block, float* sums, Beside&& beside) {
  const std::int64_t offset = (column_block * (weights.depth / kDepth) + depth_begin) * 4 * kTile;
  const Half* rows = x.block(row_block);
  const Half* high = weights.high + offset;
  const Half* low = weights.low ? weights.low + offset : high;
  if (x.parts == 1 && !weights.low) return multiply_block<1, 1>(rows, high, low, x.depth_blocks, sums, beside);
  if (x.parts == 1) return multiply_block<1, 2>(rows, high, low, x.depth_blocks, sums, beside);
  if (!weights.low) return multiply_block<2, 1>(rows, high, low, x.depth_blocks, sums, beside);
  multiply_block<2, 2>(rows, high, low, x.depth_blocks, sums, beside);
}

// Calls use(row, column_block, sums) for each of `rows` rows and each block of columns; the sums of a block are used while
// the tiles multiply the next. A few column blocks at a time, so that the rows' tiles stay in the first cache and the
// weights in the second.
template <typename Use>
void for_each_row(const Operand& x, std::int64_t rows, const Weights& weights, std::int64_t depth_begin, Use&& use) {
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
        multiply(x, row_block, weights, depth_begin, column_block, next,
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
void linear(const Operand& x, std::int64_t rows, const Weights& weights, bool with_tanh, float* out,
            std::int64_t out_stride) {
  for_each_row(x, rows, weights, 0, [&](std::int64_t r, std::int64_t block, const float* sums) {
    const std::int64_t column = block * kColumns, left = std::min<std::int64_t>(weights.columns - column, kColumns);
    for (int j = 0; j < left; j += 16) {
      __m512 value = _mm512_add_ps(_mm512_load_ps(sums + j), _mm512_loadu_ps(weights.bias + column + j));
      if (with_tanh) value = hyperbolic_tangent(value);
      _mm512_mask_storeu_ps(out + r * out_stride + column + j, first(static_cast<int>(left) - j), value);
    }
  });
}

// Where a row of the LSTM's state lies.
struct Row {
  const float* gates;  // in the order of the columns, bias included, added to the product; null: only the bias is
  const float* cell;   // null: zero
  float* new_hidden;
  float* new_cell;
};

// The columns of a block are the gates i, f, g, o of 16 units (packing.py puts them so).
template <typename RowAt>
void lstm_rows(const Operand& x, std::int64_t rows, const Weights& weights, std::int64_t depth_begin,
               std::int64_t units, RowAt&& row_at) {
  for_each_row(x, rows, weights, depth_begin, [&](std::int64_t r, std::int64_t block, const float* sums) {
    const std::int64_t unit = block * 16;
    const __mmask16 real = first(static_cast<int>(std::min<std::int64_t>(units - unit, 16)));
    const Row row = row_at(r);
    const float* added = (row.gates ? row.gates : weights.bias) + block * kColumns;
    const auto gate = [&](int j) { return _mm512_add_ps(_mm512_load_ps(sums + j), _mm512_loadu_ps(added + j)); };
    __m512 c = gated_tangent(gate(0), gate(32));
    if (row.cell) c = _mm512_fmadd_ps(sigmoid(gate(16)), _mm512_maskz_loadu_ps(real, row.cell + unit), c);
    _mm512_mask_storeu_ps(row.new_cell + unit, real, c);
    _mm512_mask_storeu_ps(row.new_hidden + unit, real, gated_tangent(gate(48), c));
  });
}

float sum_of_products(const float* a, const float* b, std::int64_t size) {
  __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  std::int64_t k = 0;
  for (; k + 64 <= size; k += 64) {
    for (int j = 0; j < 4; ++j) {
      sums[j] = _mm512_fmadd_ps(_mm512_loadu_ps(a + k + 16 * j), _mm512_loadu_ps(b + k + 16 * j), sums[j]);
    }
  }
  for (; k < size; k += 16) {
    const __mmask16 real = first(static_cast<int>(std::min<std::int64_t>(size - k, 16)));
    sums[0] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(real, a + k), _mm512_maskz_loadu_ps(real, b + k), sums[0]);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

constexpr float kLowest = -1e30f;  // a score that counts for nothing, and may be subtracted from itself

__m512 highest_of(const __m512 (&scores)[4]) {
  return _mm512_max_ps(_mm512_max_ps(scores[0], scores[1]), _mm512_max_ps(scores[2], scores[3]));
}

// The sum of exponentials of a row's scores, each lane's beside the lane's highest score.
struct Softmax {
  __m512 highest;
  __m512 sum;

  void add(const __m512 (&scores)[4]) { add(scores, highest_of(scores)); }

  void add(const __m512 (&scores)[4], __m512 highest_score) {
    const __m512 top = _mm512_max_ps(highest, highest_score);
    sum = _mm512_mul_ps(sum, rough_exponential(_mm512_sub_ps(highest, top)));
    for (const __m512 score : scores) sum = _mm512_add_ps(sum, rough_exponential(_mm512_sub_ps(score, top)));
    highest = top;
  }

  float log_of_sum() const {
    const float top = _mm512_reduce_max_ps(highest);
    const __m512 shares = _mm512_mul_ps(sum, exponential(_mm512_sub_ps(highest, _mm512_set1_ps(top))));
    return top + std::log(_mm512_reduce_add_ps(shares));
  }
};

// Put those of 16 scores that `better` marks into their places among the best, equal ones behind.
[[gnu::noinline]] void put_among_best(__m512 scores, __mmask16 better, std::int64_t first_id, std::int64_t count,
                                      float* best, std::int64_t* ids) {
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

struct Option {
  float weight;
  std::int64_t id;
};

// How a row chooses: as SamplingParameters say, with point in [0, 1) for chance.
struct Draw {
  float temperature;
  float top_p;
  float min_p;
  float point;
  std::int64_t top_k;
};

bool is_heavier(const Option& a, const Option& b) { return a.weight > b.weight || (a.weight == b.weight && a.id < b.id); }

float weight_of(const std::vector<Option>& options) {
  float sum = 0.0f;
  for (const Option& option : options) sum += option.weight;
  return sum;
}

// Those of `weights` (columns, padded with zeros) that are above `floor`, in the order of their ids.
void options_above(const float* weights, std::int64_t columns, float floor, std::vector<Option>& options) {
  options.clear();
  for (std::int64_t k = 0; k < columns; k += 16) {
    __mmask16 above = _mm512_cmp_ps_mask(_mm512_loadu_ps(weights + k), _mm512_set1_ps(floor), _CMP_GT_OQ);
    for (; above; above &= above - 1) {
      const std::int64_t id = k + __builtin_ctz(above);
      options.push_back({weights[id], id});
    }
  }
}

// The lightest option among the fewest heaviest ones that have at least `weight` together; the lightest of all if they
// have not. Changes the order.
Option lightest_of_nucleus(std::vector<Option>& options, float weight) {
  auto begin = options.begin(), end = options.end();
  float before = 0.0f;
  while (end - begin > 1) {  // quickselect by weight instead of by number
    const Option pivot = begin[(end - begin) / 2];
    const auto split = std::partition(begin, end, [&](const Option& option) { return is_heavier(option, pivot); });
    float left = before;
    for (auto option = begin; option != split; ++option) left += option->weight;
    if (left >= weight) {
      end = split;
    } else {  // the pivot itself comes next
      std::iter_swap(split, std::find_if(split, end, [&](const Option& option) { return option.id == pivot.id; }));
      if (left + pivot.weight >= weight) return pivot;
      before = left + pivot.weight;
      if (split + 1 == end) return pivot;
      begin = split + 1;
    }
  }
  return *begin;
}

// An id drawn by top_k and top_p from `options`, in the order of their ids; -1 if that depends on lighter ones that were
// left out. `total` is the weight of all there are.
std::int64_t drawn(const std::vector<Option>& options, const Draw& draw, float total, bool all_there) {
  static thread_local std::vector<Option> kept;
  kept = options;
  float base = total;
  if (draw.top_k > 0 && draw.top_k < static_cast<std::int64_t>(kept.size())) {
    std::nth_element(kept.begin(), kept.begin() + draw.top_k - 1, kept.end(), is_heavier);
    kept.resize(draw.top_k);
    base = weight_of(kept);
  } else if (draw.top_k > 0 && !all_there) {
    return -1;
  }
  const bool has_nucleus = draw.top_p < 1 && weight_of(kept) >= draw.top_p * base;
  if (kept.empty() || (draw.top_p < 1 && !has_nucleus && !all_there)) return -1;
  const Option heaviest = *std::min_element(kept.begin(), kept.end(), is_heavier);
  const Option lightest = has_nucleus ? lightest_of_nucleus(kept, draw.top_p * base)
                                      : *std::max_element(kept.begin(), kept.end(), is_heavier);
  const auto is_kept = [&](const Option& option) {
    return !is_heavier(lightest, option) && option.weight >= draw.min_p * heaviest.weight;
  };
  float weight = 0.0f, before = 0.0f;
  for (const Option& option : options) weight += is_kept(option) ? option.weight : 0.0f;
  std::int64_t last = -1;
  for (const Option& option : options) {
    if (!is_kept(option)) continue;
    before += option.weight;
    last = option.id;
    if (before > draw.point * weight) break;
  }
  return last;
}

// An id drawn from all of `weights` (columns, padded with zeros) that have at least min_p of the heaviest.
std::int64_t drawn_from_all(const float* weights, std::int64_t columns, const Draw& draw) {
  __m512 highest = _mm512_setzero_ps(), sum = highest;
  for (std::int64_t k = 0; k < columns; k += 16) highest = _mm512_max_ps(highest, _mm512_loadu_ps(weights + k));
  const float least = std::max(draw.min_p * _mm512_reduce_max_ps(highest), std::numeric_limits<float>::min());
  const auto heavy_at = [&](std::int64_t k) {
    const __m512 weight = _mm512_loadu_ps(weights + k);
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(weight, _mm512_set1_ps(least), _CMP_GE_OQ), weight);
  };
  for (std::int64_t k = 0; k < columns; k += 16) sum = _mm512_add_ps(sum, heavy_at(k));
  const float point = draw.point * _mm512_reduce_add_ps(sum);
  float before = 0.0f;
  std::int64_t last = -1;
  for (std::int64_t k = 0; k < columns; k += 16) {
    const float here = _mm512_reduce_add_ps(heavy_at(k));
    if (here == 0.0f) continue;
    const bool is_last = before + here > point;
    for (std::int64_t id = k; id < std::min(k + 16, columns); ++id) {
      if (weights[id] < least) continue;
      last = id;
      if (is_last && (before += weights[id]) > point) return id;
    }
    if (!is_last) before += here;
  }
  return last;
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
  linear(operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts)), rows, *weights, with_tanh, out,
         out_stride);
}

// One LSTM step. The hidden state is the caller's last input. cell (·, units) is read at index[r] and may be null for
// zero; hidden_out and cell_out (rows, units) must not be the arrays that are read.
void rondo_lstm_step(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                     const Weights* weights, std::int64_t units, const float* cell, const std::int64_t* index,
                     float* hidden_out, float* cell_out) {
  const Tiles tiles;
  const Operand x = operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts));
  lstm_rows(x, rows, *weights, 0, units, [&](std::int64_t r) {
    const float* before = cell ? cell + (index ? index[r] : r) * units : nullptr;
    return Row{nullptr, before, hidden_out + r * units, cell_out + r * units};
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
  static thread_local Scratch<float> scratch;
  const Tiles tiles;
  std::vector<std::int64_t> order(batch), vectors;
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return lengths[a] > lengths[b]; });
  const auto num_active = [&](std::int64_t step) {
    return std::partition_point(order.begin(), order.end(), [&](auto b) { return lengths[b] > step; }) - order.begin();
  };
  const auto position = [&](std::int64_t b, std::int64_t step) { return backward ? lengths[b] - 1 - step : step; };
  const auto read = [&](std::int64_t step, std::int64_t active) {
    for (std::int64_t r = 0; r < active; ++r) {
      vectors.push_back(input[order[r] * time + position(order[r], step)]);
    }
  };
  // Few sequences fill few tiles, and the weights take longer to come than to be multiplied. So their inputs are
  // multiplied for many steps at once, and only the hidden state step by step.
  const std::int64_t steps_at_once = batch <= 2 * kRows ? std::max<std::int64_t>(1, kInputsAtOnce / batch) : 1;
  const std::int64_t input_depth = (width + kDepth - 1) / kDepth, columns = weights->columns;
  const float* gates = nullptr;
  for (std::int64_t step = 0, slab_end = 0; step < time; ++step) {
    const std::int64_t active = num_active(step);
    if (!active) break;
    const Input state = {hidden, order.data(), units, units, 1.0f};
    if (steps_at_once > 1 && step == slab_end) {
      slab_end = step + steps_at_once;
      vectors.clear();
      for (std::int64_t later = step; later < std::min(slab_end, time); ++later) read(later, num_active(later));
      const Input inputs = {table, vectors.data(), width, width, scale};
      const std::int64_t rows = vectors.size();
      float* room = scratch.room_for(rows * columns);
      linear(operand(&inputs, 1, rows, static_cast<int>(parts)), rows, *weights, false, room, columns);
      gates = room;
    }
    const auto row = [&](std::int64_t r) {
      const std::int64_t b = order[r];
      return Row{gates ? gates + r * columns : nullptr, cell + b * units, hidden + b * units, cell + b * units};
    };
    if (gates) {
      const Operand x = operand(&state, 1, active, static_cast<int>(parts));
      lstm_rows(x, active, *weights, input_depth, units, row);
      gates += active * columns;
    } else {
      vectors.clear();
      read(step, active);
      const Input inputs[2] = {{table, vectors.data(), width, width, scale}, state};
      lstm_rows(operand(inputs, 2, active, static_cast<int>(parts)), active, *weights, 0, units, row);
    }
    for (std::int64_t r = 0; r < active; ++r) {
      const std::int64_t b = order[r];
      std::copy_n(hidden + b * units, units, out + (b * time + position(b, step)) * out_stride);
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
  for_each_row(x, rows, *weights, 0, [&](std::int64_t r, std::int64_t block, const float* sums) {
    const std::int64_t column = block * kColumns;
    __m512 scores[4];
    for (int j = 0; j < 4; ++j) {
      const std::int64_t id = column + 16 * j;
      scores[j] = _mm512_add_ps(_mm512_load_ps(sums + 16 * j), _mm512_loadu_ps(weights->bias + id));
      if (id + 16 > weights->columns) {
        const __mmask16 real = first(static_cast<int>(std::max<std::int64_t>(weights->columns - id, 0)));
        scores[j] = _mm512_mask_blend_ps(real, _mm512_set1_ps(kLowest), scores[j]);
      }
    }
    const __m512 highest = highest_of(scores);
    softmax[r].add(scores, highest);
    float* best = log_probabilities + r * count;
    if (!_mm512_cmp_ps_mask(highest, _mm512_set1_ps(best[count - 1]), _CMP_GT_OQ)) return;
    for (int j = 0; j < 4; ++j) {
      const std::int64_t id = column + 16 * j;
      const __m512 choice = _mm512_add_ps(scores[j], _mm512_loadu_ps(open + id));
      const __mmask16 better = _mm512_cmp_ps_mask(choice, _mm512_set1_ps(best[count - 1]), _CMP_GT_OQ);
      if (better) put_among_best(choice, better, id, count, best, ids + r * count);
    }
  });
  for (std::int64_t r = 0; r < rows; ++r) {
    const float normaliser = softmax[r].log_of_sum();
    for (std::int64_t i = 0; i < count; ++i) log_probabilities[r * count + i] -= normaliser;
  }
}

// As rondo_likeliest, of a head that with probability share[r] writes by itself and else copies: a token that the source
// holds is also as likely as the attention on it. sources[r] points to the lengths[r] ids of a row's source, attention is
// (rows, attention_stride), and extra (columns) is room that must be zero before and is zero again after.
void rondo_likeliest_copying(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                             const Weights* weights, const float* open, std::int64_t count, const float* share,
                             const std::int64_t* const* sources, const std::int64_t* lengths, const float* attention,
                             std::int64_t attention_stride, float* extra, std::int64_t* ids,
                             float* log_probabilities) {
  static thread_local Scratch<float> scratch;
  const Tiles tiles;
  const std::int64_t columns = weights->columns, stride = (columns + kColumns - 1) / kColumns * kColumns;
  float* scores = scratch.room_for(std::min(rows, kTablesAtOnce) * stride);
  std::fill_n(log_probabilities, rows * count, -std::numeric_limits<float>::infinity());
  std::fill_n(ids, rows * count, 0);
  const Operand x = operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts));
  for (std::int64_t begin = 0; begin < rows; begin += kTablesAtOnce) {
    const std::int64_t end = std::min(rows, begin + kTablesAtOnce);
    const Operand own = {x.block(begin / kRows), x.parts, (end - begin + kRows - 1) / kRows, x.depth_blocks};
    linear(own, end - begin, *weights, false, scores, stride);
    for (std::int64_t r = begin; r < end; ++r) {
      float* row = scores + (r - begin) * stride;
      std::fill(row + columns, row + stride, kLowest);
      Softmax softmax = {_mm512_set1_ps(kLowest), _mm512_setzero_ps()};
      for (std::int64_t k = 0; k < stride; k += kColumns) {
        const __m512 four[4] = {_mm512_loadu_ps(row + k), _mm512_loadu_ps(row + k + 16), _mm512_loadu_ps(row + k + 32),
                                _mm512_loadu_ps(row + k + 48)};
        softmax.add(four);
      }
      const float writes = std::max(share[r], 1e-30f), normaliser = softmax.log_of_sum() - std::log(writes);
      for (std::int64_t s = 0; s < lengths[r]; ++s) extra[sources[r][s]] += attention[r * attention_stride + s];
      for (std::int64_t s = 0; s < lengths[r]; ++s) {
        const std::int64_t id = sources[r][s];
        if (extra[id] == 0.0f) continue;  // an id that comes again
        row[id] = normaliser + std::log(std::exp(row[id] - normaliser) + (1 - share[r]) * extra[id]);
        extra[id] = 0.0f;
      }
      float* best = log_probabilities + r * count;
      for (std::int64_t k = 0; k < stride; k += 16) {
        const __m512 choice = _mm512_add_ps(_mm512_loadu_ps(row + k), _mm512_loadu_ps(open + k));
        const __mmask16 better = _mm512_cmp_ps_mask(choice, _mm512_set1_ps(best[count - 1]), _CMP_GT_OQ);
        if (better) put_among_best(choice, better, k, count, best, ids + r * count);
      }
      for (std::int64_t i = 0; i < count; ++i) best[i] -= normaliser;
    }
  }
}

// A token of each row, drawn as its `draws` say, with its log-probability before temperature and filters.
//
// open (columns) as for rondo_likeliest.
void rondo_draw(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                const Weights* weights, const float* open, const Draw* draws, std::int64_t* ids,
                float* log_probabilities) {
  static thread_local Scratch<float> score_room, weight_room;
  static thread_local std::vector<Option> options;
  const Tiles tiles;
  const std::int64_t columns = weights->columns, stride = (columns + 15) / 16 * 16;
  float* scores = score_room.room_for(std::min(rows, kTablesAtOnce) * stride);
  float* shares = weight_room.room_for(stride);
  const Operand x = operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts));
  for (std::int64_t begin = 0; begin < rows; begin += kTablesAtOnce) {
    const std::int64_t count = std::min(rows - begin, kTablesAtOnce);
    const Operand own = {x.block(begin / kRows), x.parts, (count + kRows - 1) / kRows, x.depth_blocks};
    linear(own, count, *weights, false, scores, stride);
    for (std::int64_t r = 0; r < count; ++r) {
      const float* row = scores + r * stride;
      const Draw& draw = draws[begin + r];
      const auto score_at = [&](std::int64_t k) {
        return _mm512_mask_loadu_ps(_mm512_set1_ps(kLowest), first(static_cast<int>(std::min<std::int64_t>(columns - k, 16))), row + k);
      };
      __m512 highest = _mm512_set1_ps(kLowest), highest_open = highest;
      for (std::int64_t k = 0; k < columns; k += 16) {
        const __m512 score = score_at(k);
        highest = _mm512_max_ps(highest, score);
        highest_open = _mm512_max_ps(highest_open, _mm512_add_ps(score, _mm512_loadu_ps(open + k)));
      }
      const float top = _mm512_reduce_max_ps(highest), top_open = _mm512_reduce_max_ps(highest_open);
      const __m512 inverse = _mm512_set1_ps(1.0f / draw.temperature);
      __m512 sum = _mm512_setzero_ps(), open_sum = sum;
      for (std::int64_t k = 0; k < columns; k += 16) {
        const __m512 score = score_at(k);
        sum = _mm512_add_ps(sum, exponential(_mm512_sub_ps(score, _mm512_set1_ps(top))));
        const __m512 choice = _mm512_sub_ps(_mm512_add_ps(score, _mm512_loadu_ps(open + k)), _mm512_set1_ps(top_open));
        const __mmask16 possible = _mm512_cmp_ps_mask(choice, _mm512_set1_ps(kLowest / 2), _CMP_GT_OQ);
        const __m512 share = _mm512_maskz_mov_ps(possible, exponential(_mm512_mul_ps(choice, inverse)));
        _mm512_storeu_ps(shares + k, share);
        open_sum = _mm512_add_ps(open_sum, share);
      }
      const float total = _mm512_reduce_add_ps(open_sum);
      std::int64_t id;
      if (draw.top_p < 1 || draw.top_k > 0) {
        // What is lighter than this is outside of top_p, all of it together; of top_k, most likely.
        options_above(shares, columns, total * std::max(1 - draw.top_p, 0.01f) / static_cast<float>(columns), options);
        id = drawn(options, draw, total, false);
        if (id < 0) {
          options_above(shares, columns, 0.0f, options);
          id = drawn(options, draw, total, true);
        }
      } else {
        id = drawn_from_all(shares, columns, draw);
      }
      ids[begin + r] = std::max<std::int64_t>(id, 0);
      log_probabilities[begin + r] =
          id < 0 ? -std::numeric_limits<float>::infinity() : row[id] - top - std::log(_mm512_reduce_add_ps(sum));
    }
  }
}

}  // extern "C"
