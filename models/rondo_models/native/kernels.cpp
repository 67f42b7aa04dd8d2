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
#include <limits>
#include <numeric>
#include <vector>

#include "choosing.h"
#include "products.h"
#include "vectors.h"

using namespace rondo;

namespace {

constexpr std::int64_t kTablesAtOnce = 64;  // rows all of whose scores are there; a multiple of kRows
constexpr int kInputsAtOnce = 512;  // of the sequences of a small batch

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
