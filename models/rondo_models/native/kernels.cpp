// Recurrent steps, attention and the output layer for processors with AVX2; compiled once for those with AMX (tiles.h),
// and for others once with products of float32 numbers (lanes.h) and once with those of 16-bit integers (integers.h) for
// each width of registers.
//
// Weights are packed by packing.py: blocks of 64 columns, in each for every block of depth four tiles of 16 columns.
//
// All functions run on the calling thread, allocate only thread-local scratch, and raise nothing: library.py checks.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "choosing.h"
#include "floats.h"
#include "pooling.h"
#include "products.h"
#include "vectors.h"
#if defined(RONDO_INT16) && (defined(__AVX512VNNI__) || defined(__AVXVNNI__))
#define RONDO_SCREENS
#include "screening.h"
#endif

using namespace rondo;

namespace {

constexpr std::int64_t kTablesAtOnce = 64;  // rows all of whose scores are there; a multiple of kRows
constexpr int kInputsAtOnce = 512;  // of the sequences of a small batch

// A head that also copies, as rondo_likeliest_copying explains it.
struct Copying {
  const float* gate;
  const std::int64_t* const* sources;
  const std::int64_t* lengths;
  const float* attention;
  std::int64_t attention_stride;
  float* extra;

  // Makes the scores of row r those of the whole head; returns what is to be subtracted from them.
  float add_to(float* row, std::int64_t r, float log_of_sum) const {
    const float writes = 1.0f / (1.0f + std::exp(-gate[r])), copies = 1.0f / (1.0f + std::exp(gate[r]));
    const float normaliser = log_of_sum - std::log(std::max(writes, 1e-30f));
    for (std::int64_t s = 0; s < lengths[r]; ++s) extra[sources[r][s]] += attention[r * attention_stride + s];
    for (std::int64_t s = 0; s < lengths[r]; ++s) {
      const std::int64_t id = sources[r][s];
      if (extra[id] == 0.0f) continue;  // an id that comes again
      row[id] = normaliser + std::log(std::exp(row[id] - normaliser) + copies * extra[id]);
      extra[id] = 0.0f;
    }
    return normaliser;
  }
};

// Calls use(row, scores, stride, normaliser) for each row with all its scores, padded to whole blocks with what counts for
// nothing. A score less the normaliser is a log-probability.
template <typename Use>
void for_each_table(const Operand& x, std::int64_t rows, const Weights& weights, const Copying* copying, Use&& use) {
  static thread_local Scratch<float> scratch;
  const Multiplier multiplier;
  const std::int64_t columns = weights.columns, stride = (columns + kColumns - 1) / kColumns * kColumns;
  float* scores = scratch.room_for(std::min(rows, kTablesAtOnce) * stride);
  for (std::int64_t begin = 0; begin < rows; begin += kTablesAtOnce) {
    const std::int64_t end = std::min(rows, begin + kTablesAtOnce);
    const Operand own = x.some(begin, end - begin);
    linear(own, end - begin, weights, false, scores, stride);
    for (std::int64_t r = begin; r < end; ++r) {
      float* row = scores + (r - begin) * stride;
      std::fill(row + columns, row + stride, kLowest);
      Softmax softmax = {all(kLowest), zeros()};
      for (std::int64_t k = 0; k < stride; k += kColumns) {
        const Floats four[4] = {load(row + k), load(row + k + 16), load(row + k + 32), load(row + k + 48)};
        softmax.add(four);
      }
      const float log_of_sum = softmax.log_of_sum();
      use(r, row, stride, copying ? copying->add_to(row, r, log_of_sum) : log_of_sum);
    }
  }
}

// Where a row of the LSTM's state lies, and the products of its input.
struct Row {
  const std::int16_t* known;  // of a table of products, if there is one
  const float* cell;  // null: zero
  float* new_hidden;
  float* new_cell;
  float* out;  // gets the new hidden state too; null: nothing does
};

// The columns of a block are the gates i, f, g, o of 16 units (packing.py puts them so). `known` may be null.
template <typename RowAt>
void lstm_rows(const Operand& x, std::int64_t rows, const Weights& weights, std::int64_t depth_begin, const Begun& begun,
               const ProductTable* known, std::int64_t units, RowAt&& row_at) {
  for_each_row(x, rows, weights, depth_begin, begun, [&](std::int64_t r, std::int64_t block, const float* sums) {
    const std::int64_t unit = block * 16;
    const Mask real = first(static_cast<int>(std::min<std::int64_t>(units - unit, 16)));
    const Row row = row_at(r);
    const auto gate = [&](int j) {
      const std::int64_t column = block * kColumns + j;
      const Floats sum = with_bias(sums + j, weights, column);
      return known ? plus_product(sum, floats_at(row.known + column), load(known->steps + column)) : sum;
    };
    if (known) prefetch_block(row.known + (block + kBlocksAtOnce) * kColumns);
    Floats c = gated_tangent(gate(0), gate(32));
    if (row.cell) c = plus_product(c, sigmoid(gate(16)), load(real, row.cell + unit));
    store(real, row.new_cell + unit, c);
    const Floats hidden = gated_tangent(gate(48), c);
    store(real, row.new_hidden + unit, hidden);
    if (row.out) store(real, row.out + unit, hidden);
  });
}

float* room_for_scores(std::int64_t count) {
  static thread_local Scratch<float> scratch;
  return scratch.room_for(count);
}

// As rondo_likeliest; unless kNormalises, `best` (rows, count) gets scores.
template <bool kNormalises>
void choose_likeliest(const Operand& x, std::int64_t rows, const Weights& weights, const float* open, std::int64_t count,
                      std::int64_t* ids, float* best) {
  static thread_local Scratch<Softmax> scratch;
  Softmax* softmax = scratch.room_for(rows);
  std::fill_n(softmax, rows, Softmax{all(kLowest), zeros()});
  std::fill_n(best, rows * count, -std::numeric_limits<float>::infinity());
  std::fill_n(ids, rows * count, 0);
  for_each_row(x, rows, weights, 0, {}, [&](std::int64_t r, std::int64_t block, const float* sums) {
    const std::int64_t column = block * kColumns;
    Floats scores[4];
    for (int j = 0; j < 4; ++j) {
      const std::int64_t id = column + 16 * j;
      scores[j] = with_bias(sums + 16 * j, weights, id);
      if (id + 16 > weights.columns) {
        const Mask real = first(static_cast<int>(std::max<std::int64_t>(weights.columns - id, 0)));
        scores[j] = chosen(real, scores[j], all(kLowest));
      }
    }
    const Floats highest = highest_of(scores);
    if (kNormalises) softmax[r].add(scores, highest);
    float* own = best + r * count;
    if (!is_greater(highest, all(own[count - 1]))) return;
    for (int j = 0; j < 4; ++j) {
      const std::int64_t id = column + 16 * j;
      const Floats choice = scores[j] + load(open + id);
      const Mask better = is_greater(choice, all(own[count - 1]));
      if (better) put_among_best(choice, better, id, count, own, ids + r * count);
    }
  });
  if (!kNormalises) return;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float normaliser = softmax[r].log_of_sum();
    for (std::int64_t i = 0; i < count; ++i) best[r * count + i] -= normaliser;
  }
}

// A token of one row of scores, and its log-probability among all; open may be null for all.
std::int64_t draw_one(const float* row, std::int64_t columns, const float* open, const Draw& draw,
                      float* log_probability) {
  static thread_local Scratch<float> scratch;
  static thread_local std::vector<Option> options;
  float* shares = scratch.room_for((columns + 15) / 16 * 16);
  const auto score_at = [&](std::int64_t k) {
    const Mask real = first(static_cast<int>(std::min<std::int64_t>(columns - k, 16)));
    return chosen(real, load(real, row + k), all(kLowest));
  };
  const auto open_at = [&](std::int64_t k) { return open ? load(open + k) : zeros(); };
  Floats highest = all(kLowest), highest_open = highest;
  for (std::int64_t k = 0; k < columns; k += 16) {
    const Floats score = score_at(k);
    highest = max(highest, score);
    highest_open = max(highest_open, score + open_at(k));
  }
  const float top = highest_of(highest), top_open = highest_of(highest_open);
  const Floats inverse = all(1.0f / draw.temperature);
  Floats sum = zeros(), open_sum = sum;
  for (std::int64_t k = 0; k < columns; k += 16) {
    const Floats score = score_at(k);
    sum = sum + exponential(score - all(top));
    const Floats choice = score + open_at(k) - all(top_open);
    const Mask possible = is_greater(choice, all(kLowest / 2));
    const Floats share = chosen(possible, exponential(choice * inverse), zeros());
    store(shares + k, share);
    open_sum = open_sum + share;
  }
  const float total = sum_of(open_sum);
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
  *log_probability =
      id < 0 ? -std::numeric_limits<float>::infinity() : row[id] - top - std::log(sum_of(sum));
  return std::max<std::int64_t>(id, 0);
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

// What these functions and the order of packed weights are; to be raised with any change, here and in interface.py.
int rondo_interface() { return 6; }

// Whether this system lets the kernels multiply; to be asked once by each process.
int rondo_can_multiply() { return can_multiply(); }

// out (rows, columns) = inputs · weights + bias, through tanh if asked.
void rondo_linear(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                  const Weights* weights, std::int64_t with_tanh, float* out, std::int64_t out_stride) {
  const Multiplier multiplier;
  linear(operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts)), rows, *weights, with_tanh, out,
         out_stride);
}

// One LSTM step. The hidden state is the caller's last input; the products of those before it are added that row r has at
// known_index[r] of `known`, unless that is null. cell (·, units) is read at index[r] and may be null for zero; hidden_out
// and cell_out (rows, units) must not be the arrays that are read.
void rondo_lstm_step(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                     const Weights* weights, const ProductTable* known, const std::int64_t* known_index,
                     std::int64_t units, const float* cell, const std::int64_t* index, float* hidden_out,
                     float* cell_out) {
  const Multiplier multiplier;
  const Operand x = operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts));
  lstm_rows(x, rows, *weights, 0, {}, known, units, [&](std::int64_t r) {
    const float* before = cell ? cell + (index ? index[r] : r) * units : nullptr;
    return Row{known ? known->row(known_index[r]) : nullptr, before, hidden_out + r * units, cell_out + r * units, nullptr};
  });
}

// A whole LSTM layer over sequences of unlike length.
//
// table (·, width) holds input vectors, and input[b * time + t] says which is read at position t of sequence b; or `known`,
// if it is not null, holds their products, and the weights are those of the hidden state alone.
// hidden and cell (batch, units) hold the state before and, on return, the state after each sequence's own last step.
// out gets the hidden states: position t of sequence b at (b * time + t) * out_stride; padding is set to zero.
// Read from the end to the begin if backward.
void rondo_lstm_sequence(const float* table, std::int64_t width, float scale, const std::int64_t* input,
                         const std::int64_t* lengths, std::int64_t batch, std::int64_t time, std::int64_t parts,
                         const Weights* weights, const ProductTable* known, std::int64_t units, std::int64_t backward,
                         float* hidden, float* cell, float* out, std::int64_t out_stride) {
  static thread_local Scratch<float> scratch;
  const Multiplier multiplier;
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
  // multiplied for many steps at once, and only the hidden state step by step, whose product goes on with the sums of
  // theirs: so the order of summation is the same as in one product of both, and the batch changes no bit.
  const std::int64_t steps_at_once =
      !known && batch <= 2 * kRows ? std::max<std::int64_t>(1, kInputsAtOnce / std::max<std::int64_t>(1, batch)) : 1;
  const std::int64_t input_depth = (width + kDepth - 1) / kDepth, columns = weights->columns;
  Begun begun = {nullptr, columns};
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
      float* room = scratch.room_for((rows + kRows) * columns);
      std::fill_n(room + rows * columns, kRows * columns, 0.0f);
      const Operand x = operand(&inputs, 1, rows, static_cast<int>(parts));
      for_each_row(x, rows, *weights, 0, {}, [&](std::int64_t r, std::int64_t block, const float* sums) {
        std::copy_n(sums, kColumns, room + r * columns + block * kColumns);
      });
      begun.sums = room;
    }
    const auto row = [&](std::int64_t r) {
      const std::int64_t b = order[r], at = b * time + position(b, step);
      const std::int16_t* products = known ? known->row(input[at]) : nullptr;
      return Row{products, cell + b * units, hidden + b * units, cell + b * units, out + at * out_stride};
    };
    if (known) {
      lstm_rows(operand(&state, 1, active, static_cast<int>(parts)), active, *weights, 0, {}, known, units, row);
    } else if (begun.sums) {
      const Operand x = operand(&state, 1, active, static_cast<int>(parts));
      lstm_rows(x, active, *weights, input_depth, begun, nullptr, units, row);
      begun.sums += active * columns;
    } else {
      vectors.clear();
      read(step, active);
      const Input inputs[2] = {{table, vectors.data(), width, width, scale}, state};
      lstm_rows(operand(inputs, 2, active, static_cast<int>(parts)), active, *weights, 0, begun, nullptr, units, row);
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
    const Source source = {sources[r], size, lengths[r], size};
    float* own = weights + r * weight_stride;
    attention_weights(query + r * size, source, scale, own);
    std::fill(own + lengths[r], own + weight_stride, 0.0f);
    for (std::int64_t k = 0; k < size; k += 16) {
      const Mask real = first(static_cast<int>(std::min<std::int64_t>(size - k, 16)));
      Floats sum = zeros();
      for (std::int64_t s = 0; s < lengths[r]; ++s) {
        sum = plus_product(sum, all(own[s]), load(real, source.at(s) + k));
      }
      store(real, context + r * size + k, sum);
    }
  }
}

// What a classifier knows of each text: the vectors of its positions, pooled.
//
// states (batch, time) has vectors of `size` at every `stride`, of which the first lengths[b] are text b's. With
// attention they are weighted by the softmax of their products with query. Where in a row of out (batch, out_stride) each
// pooling goes is said by attention_at, max_at and mean_at; negative: it is not wanted.
void rondo_pool(const float* states, std::int64_t batch, std::int64_t time, std::int64_t stride,
                const std::int64_t* lengths, std::int64_t size, const float* query, std::int64_t attention_at,
                std::int64_t max_at, std::int64_t mean_at, float* out, std::int64_t out_stride) {
  static thread_local Scratch<float> scratch;
  float* weights = scratch.room_for(time);
  for (std::int64_t b = 0; b < batch; ++b) {
    const Source source = {states + b * time * stride, stride, lengths[b], size};
    if (attention_at >= 0) {
      attention_weights(query, source, 1.0f, weights);
    } else {
      std::fill_n(weights, lengths[b], 0.0f);
    }
    pool(source, weights, attention_at, max_at, mean_at, out + b * out_stride);
  }
}

// Logits (batch, labels) to probabilities, after the summed weights of each text's n-grams of 1 to `longest` ids, divided by
// the root of their number, were added; table (buckets, labels) holds the weights, and may be null for none. With `once` each
// of its rows counts once in a text. ids (batch, time), of which the first lengths[b] are text b's; their hash is that of the
// reference.
void rondo_label_probabilities(float* logits, std::int64_t batch, std::int64_t labels, const std::int64_t* ids,
                               std::int64_t time, const std::int64_t* lengths, const float* table,
                               std::int64_t buckets, std::int64_t longest, std::int64_t once) {
  static thread_local std::vector<double> sums;
  for (std::int64_t b = 0; b < batch; ++b) {
    float* own = logits + b * labels;
    if (table) {
      sums.assign(labels, 0.0);
      const std::int64_t count =
          add_ngrams(ids + b * time, lengths[b], table, buckets, longest, once != 0, labels, sums.data());
      for (std::int64_t j = 0; j < labels; ++j) own[j] += static_cast<float>(sums[j] / std::sqrt(static_cast<double>(count)));
    }
    const float highest = *std::max_element(own, own + labels);
    float total = 0.0f;
    for (std::int64_t j = 0; j < labels; ++j) total += own[j] = std::exp(own[j] - highest);
    for (std::int64_t j = 0; j < labels; ++j) own[j] /= total;
  }
}

// The likeliest next tokens of each row, best first, with their log-probabilities among all columns.
//
// open (columns) is 0 for a token that may be chosen, minus infinity for one that may not; it is padded with minus
// infinity. ids and log_probabilities (rows, count); the latter may be null, which spares the sum of exponentials.
void rondo_likeliest(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                     const Weights* weights, const float* open, std::int64_t count, std::int64_t* ids,
                     float* log_probabilities) {
  const Multiplier multiplier;
  const Operand x = operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts));
  if (log_probabilities) {
    choose_likeliest<true>(x, rows, *weights, open, count, ids, log_probabilities);
  } else {
    choose_likeliest<false>(x, rows, *weights, open, count, ids, room_for_scores(rows * count));
  }
}

#ifdef RONDO_SCREENS

// As rondo_likeliest, and the same columns, of weights that are there as bytes too; of the log-probabilities only what is
// the same for all columns of a row differs, by a few thousandths.
void rondo_likeliest_screened(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                              const Weights* weights, const Screen* screen, const float* open, std::int64_t count,
                              std::int64_t* ids, float* log_probabilities) {
  const Operand x = operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts));
  for (std::int64_t begin = 0; begin < rows; begin += kScreenedAtOnce) {
    const std::int64_t num_own = std::min(rows - begin, kScreenedAtOnce);
    const Operand own = x.some(begin, num_own);
    std::int64_t* const own_ids = ids + begin * count;
    if (log_probabilities) {
      Screening<true>(own, *weights, *screen, open, count, own_ids, log_probabilities + begin * count).run();
    } else {
      Screening<false>(own, *weights, *screen, open, count, own_ids, room_for_scores(num_own * count)).run();
    }
  }
}

#endif

// As rondo_likeliest, of a head that with the probability of which gate[r] is the logit writes by itself and else copies: a
// token that the source holds is also as likely as the attention on it. sources[r] points to the lengths[r] ids of a row's
// source, attention is (rows, attention_stride), and extra (columns) is room that must be zero before and is zero again
// after.
void rondo_likeliest_copying(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                             const Weights* weights, const float* open, std::int64_t count, const float* gate,
                             const std::int64_t* const* sources, const std::int64_t* lengths, const float* attention,
                             std::int64_t attention_stride, float* extra, std::int64_t* ids,
                             float* log_probabilities) {
  std::fill_n(log_probabilities, rows * count, -std::numeric_limits<float>::infinity());
  std::fill_n(ids, rows * count, 0);
  const Copying copying = {gate, sources, lengths, attention, attention_stride, extra};
  const Operand x = operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts));
  for_each_table(x, rows, *weights, &copying, [&](std::int64_t r, const float* row, std::int64_t stride, float normaliser) {
    float* best = log_probabilities + r * count;
    for (std::int64_t k = 0; k < stride; k += 16) {
      const Floats choice = load(row + k) + load(open + k);
      const Mask better = is_greater(choice, all(best[count - 1]));
      if (better) put_among_best(choice, better, k, count, best, ids + r * count);
    }
    for (std::int64_t i = 0; i < count; ++i) best[i] -= normaliser;
  });
}

// The log-probabilities (rows, columns) of all next tokens of each row: those that rondo_likeliest says, or, with a gate,
// rondo_likeliest_copying; gate may be null, and so may then all that says what is copied.
void rondo_table(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                 const Weights* weights, const float* open, const float* gate, const std::int64_t* const* sources,
                 const std::int64_t* lengths, const float* attention, std::int64_t attention_stride, float* extra,
                 float* out) {
  const Copying copying = {gate, sources, lengths, attention, attention_stride, extra};
  const Operand x = operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts));
  const std::int64_t columns = weights->columns;
  for_each_table(x, rows, *weights, gate ? &copying : nullptr,
                 [&](std::int64_t r, const float* row, std::int64_t, float normaliser) {
                   for (std::int64_t k = 0; k < columns; ++k) out[r * columns + k] = row[k] + open[k] - normaliser;
                 });
}

// A token of each row, drawn as its `draws` say, with its log-probability before temperature and filters.
//
// open (columns) as for rondo_likeliest.
void rondo_draw(const Input* inputs, std::int64_t num_inputs, std::int64_t rows, std::int64_t parts,
                const Weights* weights, const float* open, const Draw* draws, std::int64_t* ids,
                float* log_probabilities) {
  static thread_local Scratch<float> scratch;
  const Multiplier multiplier;
  const std::int64_t columns = weights->columns, stride = (columns + 15) / 16 * 16;
  float* scores = scratch.room_for(std::min(rows, kTablesAtOnce) * stride);
  const Operand x = operand(inputs, static_cast<int>(num_inputs), rows, static_cast<int>(parts));
  for (std::int64_t begin = 0; begin < rows; begin += kTablesAtOnce) {
    const std::int64_t count = std::min(rows - begin, kTablesAtOnce);
    const Operand own = x.some(begin, count);
    linear(own, count, *weights, false, scores, stride);
    for (std::int64_t r = 0; r < count; ++r) {
      ids[begin + r] = draw_one(scores + r * stride, columns, open, draws[begin + r], log_probabilities + begin + r);
    }
  }
}

// As rondo_draw, from scores (rows, columns) that are there, minus infinity where a token may not be chosen.
void rondo_draw_from(const float* scores, std::int64_t rows, std::int64_t columns, const Draw* draws, std::int64_t* ids,
                     float* log_probabilities) {
  for (std::int64_t r = 0; r < rows; ++r) {
    ids[r] = draw_one(scores + r * columns, columns, nullptr, draws[r], log_probabilities + r);
  }
}

}  // extern "C"
#pragma GCC visibility pop
