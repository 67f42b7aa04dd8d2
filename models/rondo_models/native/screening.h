// The likeliest columns by products of 8-bit integers, of which VNNI makes twice as many as of 16-bit ones.
//
// A weight is a byte, in steps of its column, and an input one, in steps of its row (packing.py, in_bytes). From their
// products come rough scores of all columns. With x and w as the 16-bit integers have them and x' and w' as the bytes do,
//
//   x·w - x'·w' = (x - x')·centre + x·(w - w') + (x - x')·(w' - centre).
//
// The first term is the same for all columns, and is added; what is left is at most |x| |w - w'| + |x - x'| |w' - centre|,
// of which all four norms are known. So a column that is further below the best ones than that is certainly not among
// them. The few others are multiplied as 16-bit integers, which gives the very scores that all columns would else have,
// and the very same columns are chosen. The sum of exponentials, where somebody wants it, has these scores of all columns
// that may be an eighth as likely as the likeliest, and rough ones of the rest, whose errors hardly add up.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "choosing.h"
#include "floats.h"
#include "integers.h"
#include "operands.h"
#include "products.h"
#include "quads.h"
#include "vectors.h"

namespace rondo {

// Weights as bytes, beside those that they stand for.
struct Screen {
  const std::uint8_t* quads;  // (column blocks, depth / 4, 64 columns, 4), each 128 more than it means
  const float* steps;         // (columns), padded to whole blocks: what a one is worth
  const float* losses;        // (column blocks, 16): the largest |w - w'| of four columns that are 16 apart
  const float* sizes;         // (column blocks, 16): likewise |w' - centre|
  const float* centre;        // (depth)
  const std::int16_t* columns;  // (columns, depth), the 16-bit integers
};

constexpr float kHeavy = 2.1f;  // how far below the likeliest columns the exact scores are wanted for the sum
constexpr float kSpan = 40.0f;  // how far above the reference a score may be, so that exponentials are float32 numbers
constexpr float kUnbounded = std::numeric_limits<float>::infinity();
constexpr std::size_t kMostKept = 1024;  // suspects of a row, for which room is kept
constexpr std::int64_t kScreenedAtOnce = 128;  // rows; of more, the room would be megabytes, and not stay in the second cache

// A row as bytes, and what it loses by that.
struct RoughRow {
  float step;
  float size;  // |x|
  float loss;  // |x - x'|
  float shift;  // (x - x')·centre
  std::int32_t offset;  // what a sum has to begin with, as each weight is 128 more than it means
};

// A column whose exact score may be wanted; numbers are without the row's shift.
struct Suspect {
  float score;
  float upper;  // the exact score is not above
  std::int32_t column;
  std::int32_t place;  // among those that are kept apart from the sum of the others; negative: it is not
};

// A little less, by more than what float32 operations round of the scores of either product.
inline float lowered(float x) { return x - 2e-6f * std::abs(x) - 1e-37f; }

// What is known of a row after some of its columns. Scores and bounds are without the row's shift.
struct Sifted {
  Floats sum = zeros();  // of exponentials of the scores less the reference
  float reference = kLowest;  // not above the likeliest column's exact score
  float highest_lower = kLowest;  // the largest of the scores' lower bounds
  float floor = -kUnbounded;  // scores that can't reach this are of no further interest
};

// Writes a row in bytes. Nothing is known of what is not a number: then norms are not numbers either.
inline RoughRow in_bytes(const Operand& x, std::int64_t row, const float* centre, std::int8_t* to) {
  const std::int64_t depth = x.stride();
  const std::int16_t* from = x.data + row * depth;
  const float* steps = x.steps + row * x.depth_blocks;
  const auto at = [&](std::int64_t k) { return floats_at(from + k) * all(steps[k / kDepth]); };
  Floats highest = zeros();
  for (std::int64_t k = 0; k < depth; k += 16) highest = max(max(at(k), zeros() - at(k)), highest);
  const float step = highest_of(highest) / 127.0f;
  const float inverse = step > 0 ? 1.0f / step : 0.0f;
  Floats size = zeros(), loss = zeros(), shift = zeros(), sum = zeros();
  for (std::int64_t k = 0; k < depth; k += 16) {
    const Floats value = at(k) * all(inverse), whole = nearest_whole(value), lost = value - whole;
    store_bytes(to + k, whole);
    size = plus_product(size, value, value);
    loss = plus_product(loss, lost, lost);
    shift = plus_product(shift, lost, load(centre + k));
    sum = sum + whole;
  }
  const float total = sum_of(sum);
  return {step, step * std::sqrt(sum_of(size)), step * std::sqrt(sum_of(loss)), step * sum_of(shift),
          std::isfinite(total) ? -128 * static_cast<std::int32_t>(total) : 0};
}

// Sums (kCount, 64) of kCount rows and 64 columns over the whole depth.
template <int kCount>
inline void multiply_bytes(const std::int8_t* x, std::int64_t depth, const RoughRow* rows, const std::uint8_t* weights,
                           std::int32_t* sums) {
  constexpr int kTiles = tiles_at_once(kCount);
  for (int tile = 0; tile < kColumns / 16; tile += kTiles) {
    Integers own[kCount][kTiles];
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
      for (int j = 0; j < kTiles; ++j) own[r][j] = all_integers(rows[r].offset);
    }
    const std::uint8_t* from = weights + tile * 64;
    for (std::int64_t k = 0; k < depth; k += 4, from += kColumns * 4) {
      Integers weight[kTiles];
#pragma GCC unroll 4
      for (int j = 0; j < kTiles; ++j) {
        weight[j] = load_quads(from + j * 64);
        _mm_prefetch(from + j * 64 + kColumns * depth, _MM_HINT_T0);  // the next block, which else is waited for
      }
#pragma GCC unroll 8
      for (int r = 0; r < kCount; ++r) {
        const Integers value = all_quads(x + r * depth + k);
#pragma GCC unroll 4
        for (int j = 0; j < kTiles; ++j) own[r][j] = plus_quads(own[r][j], weight[j], value);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
      for (int j = 0; j < kTiles; ++j) store_sums(sums + r * kColumns + 16 * (tile + j), own[r][j]);
    }
  }
}

inline void multiply_some_bytes(int count, const std::int8_t* x, std::int64_t depth, const RoughRow* rows,
                                const std::uint8_t* weights, std::int32_t* sums) {
  switch (count) {
    case 1: return multiply_bytes<1>(x, depth, rows, weights, sums);
    case 2: return multiply_bytes<2>(x, depth, rows, weights, sums);
    case 3: return multiply_bytes<3>(x, depth, rows, weights, sums);
    case 4: return multiply_bytes<4>(x, depth, rows, weights, sums);
    case 5: return multiply_bytes<5>(x, depth, rows, weights, sums);
    default: return multiply_bytes<6>(x, depth, rows, weights, sums);
  }
}

// The score of one column of a row, bit for bit as the product of all columns has it.
inline float exact_score(const Operand& x, std::int64_t row, const Weights& weights, const Screen& screen,
                         std::int64_t column) {
  const std::int16_t* from = screen.columns + column * x.stride();
  const std::int16_t* values = x.data + row * x.stride();
  const float* steps = x.steps + row * x.depth_blocks;
  float whole = 0.0f;
  for (std::int64_t block = 0; block < x.depth_blocks; ++block) {
    Integers sums = no_integers();
    for (std::int64_t k = block * kDepth; k < (block + 1) * kDepth; k += 32) {
      sums = plus_products(sums, load_pairs(from + k), load_some_pairs(values + k));
    }
    const float sum = static_cast<float>(sum_of(sums));
    whole = block ? std::fma(sum, steps[block], whole) : sum * steps[block];
  }
  return std::fma(whole, weights.steps[column], weights.bias[column]);
}

// The likeliest columns of each row, as rondo_likeliest explains it; unless kNormalises, `best` gets scores.
template <bool kNormalises>
class Screening {
 public:
  Screening(const Operand& x, const Weights& weights, const Screen& screen, const float* open, std::int64_t count,
            std::int64_t* ids, float* best)
      : x_(x), weights_(weights), screen_(screen), open_(open), count_(count), ids_(ids), best_(best) {
    bytes_ = room_.bytes.room_for(x.rows * x.stride());
    rows_ = room_.rows.room_for(x.rows);
    sifted_ = room_.sifted.room_for(x.rows);
    if (static_cast<std::int64_t>(room_.suspects.size()) < x.rows) room_.suspects.resize(x.rows);
  }

  [[gnu::noinline]] void run() {
    const std::int64_t depth = x_.stride();
    for (std::int64_t r = 0; r < x_.rows; ++r) {
      rows_[r] = in_bytes(x_, r, screen_.centre, bytes_ + r * depth);
      sifted_[r] = Sifted();
      room_.suspects[r].clear();
      forget_best(r);
    }
    alignas(64) std::int32_t sums[kRowsAtOnce * kColumns];
    for (std::int64_t block = 0; block < weights_.column_blocks(); ++block) {  // which stays in the first cache
      std::int64_t groups = (x_.rows + kRowsAtOnce - 1) / kRowsAtOnce;
      for (std::int64_t row = 0, size; row < x_.rows; row += size, --groups) {
        size = (x_.rows - row + groups - 1) / groups;
        multiply_some_bytes(static_cast<int>(size), bytes_ + row * depth, depth, rows_ + row,
                            screen_.quads + block * kColumns * depth, sums);
        for (std::int64_t r = 0; r < size; ++r) sift(row + r, block, sums + r * kColumns);
      }
    }
    for (std::int64_t r = 0; r < x_.rows; ++r) finish(r);
  }

 private:
  struct Room {
    Scratch<std::int8_t> bytes;
    Scratch<RoughRow> rows;
    Scratch<Sifted> sifted;
    std::vector<std::vector<Suspect>> suspects;
    std::vector<float> apart;
  };

  static Room& own_room() {
    static thread_local Room own;
    return own;
  }

  void forget_best(std::int64_t r) {
    std::fill_n(best_ + r * count_, count_, -kUnbounded);
    std::fill_n(ids_ + r * count_, count_, 0);
  }

  // Which of 16 columns there are.
  Mask real(std::int64_t column) const {
    return first(static_cast<int>(std::clamp<std::int64_t>(weights_.columns - column, 0, 16)));
  }

  // Which are not below, as what is not a number never is.
  static Mask reaching(Floats upper, float floor) { return ~is_greater(all(floor), upper) & 0xffff; }

  // Adds 64 columns of a row to its sum, and looks whether one of them may be among the likeliest.
  void sift(std::int64_t r, std::int64_t block, const std::int32_t* sums) {
    const RoughRow& row = rows_[r];
    Sifted& sifted = sifted_[r];
    const std::int64_t column = block * kColumns;
    Floats scores[4];
    for (int j = 0; j < 4; ++j) {
      const std::int64_t id = column + 16 * j;
      const Floats sum = floats_of(load_sums(sums + 16 * j)) * all(row.step);
      scores[j] = plus_product(load(weights_.bias + id), sum, load(screen_.steps + id));
      if (column + kColumns > weights_.columns) scores[j] = chosen(real(id), scores[j], all(kLowest));
    }
    const Floats error = plus_product(all(row.size) * load(screen_.losses + 16 * block), all(row.loss),
                                      load(screen_.sizes + 16 * block));
    if (reaching(highest_of(scores) + error, sifted.floor)) note(r, block, scores, error);
    if (!kNormalises) return;
    const Floats reference = all(-sifted.reference * kLog2OfE);
    Floats sum = sifted.sum;
    for (const Floats score : scores) {
      sum = sum + rough_power_of_two(plus_product(reference, score, all(kLog2OfE)));
    }
    sifted.sum = sum;
  }

  // Remembers which of 64 columns may be wanted exactly; the scores of those that are kept apart become nothing.
  [[gnu::noinline]] void note(std::int64_t r, std::int64_t block, Floats (&scores)[4], Floats error) {
    Sifted& sifted = sifted_[r];
    float* best = best_ + r * count_;
    const std::int64_t column = block * kColumns;
    Floats highest = all(kLowest), choice = all(-kUnbounded);  // of four columns that are 16 apart
    for (int j = 0; j < 4; ++j) {
      highest = max(scores[j], highest);
      choice = max(scores[j] + load(open_ + column + 16 * j), choice);
    }
    if (kNormalises) raise_reference(sifted, highest - error);
    const Floats open_lower = choice - error;
    const Mask better = is_greater(open_lower, all(best[count_ - 1]));
    if (better) put_among_best(open_lower, better, column, count_, best, ids_ + r * count_);
    const float heavy = heavy_of(sifted);
    sifted.floor = std::min(heavy, lowered(best[count_ - 1]));
    std::vector<Suspect>& suspects = room_.suspects[r];
    for (int j = 0; j < 4; ++j) {
      const std::int64_t id = column + 16 * j;
      const Floats upper = scores[j] + error;
      const Mask apart = reaching(upper, heavy) & real(id);
      Mask suspicious = (reaching(upper + load(open_ + id), sifted.floor) | apart) & real(id);
      if (!suspicious) continue;
      alignas(64) float values[16], uppers[16];
      store(values, scores[j]);
      store(uppers, upper);
      for (; suspicious; suspicious &= suspicious - 1) {
        const int lane = __builtin_ctz(suspicious);
        const bool is_apart = apart >> lane & 1;
        suspects.push_back({values[lane], uppers[lane], static_cast<std::int32_t>(id + lane), is_apart ? 0 : -1});
      }
      scores[j] = chosen(apart, all(kLowest), scores[j]);
    }
  }

  // What is not below it is to be in the sum with its exact score.
  static float heavy_of(const Sifted& sifted) {
    return kNormalises ? lowered(sifted.highest_lower) - kHeavy : kUnbounded;
  }

  static void raise_reference(Sifted& sifted, Floats lower) {
    sifted.highest_lower = std::max(sifted.highest_lower, highest_of(max(lower, all(kLowest))));
    if (sifted.highest_lower > sifted.reference + kSpan) {
      sifted.sum = sifted.sum * exponential(all(sifted.reference - sifted.highest_lower));
      sifted.reference = sifted.highest_lower;
    }
  }

  // Chooses among a row's suspects, in the order of their columns.
  [[gnu::noinline]] void finish(std::int64_t r) {
    const Sifted& sifted = sifted_[r];
    const float shift = rows_[r].shift, heavy = heavy_of(sifted), least = lowered(best_[(r + 1) * count_ - 1]);
    std::vector<Suspect>& suspects = room_.suspects[r];
    std::vector<float>& apart = room_.apart;
    apart.clear();
    std::size_t num_wanted = 0;
    for (Suspect suspect : suspects) {
      const bool is_heavy = suspect.place >= 0 && !(suspect.upper < heavy);
      if (suspect.place >= 0) {
        suspect.place = is_heavy ? static_cast<std::int32_t>(apart.size()) : -1;
        apart.push_back(suspect.score + shift);
      }
      if (!is_heavy && suspect.upper < least) continue;
      suspects[num_wanted++] = suspect;
      const std::int16_t* weights = screen_.columns + suspect.column * x_.stride();
      for (std::int64_t k = 0; k < x_.stride(); k += 32) _mm_prefetch(weights + k, _MM_HINT_T0);
    }
    forget_best(r);
    float* best = best_ + r * count_;
    for (std::size_t i = 0; i < num_wanted; ++i) {
      const Suspect& suspect = suspects[i];
      const float score = exact_score(x_, r, weights_, screen_, suspect.column);
      put_among_best(score + open_[suspect.column], suspect.column, count_, best, ids_ + r * count_);
      if (suspect.place >= 0) apart[suspect.place] = score;
    }
    if (suspects.capacity() > kMostKept) std::vector<Suspect>().swap(suspects);
    if (!kNormalises) return;
    const float normaliser = log_of_sum(sifted.sum, sifted.reference + shift, apart);
    for (std::int64_t i = 0; i < count_; ++i) best[i] -= normaliser;
  }

  // Of exponentials: `sum` are those of scores less `reference`, and `apart` are scores.
  static float log_of_sum(Floats sum, float reference, std::vector<float>& apart) {
    apart.resize((apart.size() + 15) / 16 * 16, kLowest);
    Floats highest = all(reference);
    for (std::size_t k = 0; k < apart.size(); k += 16) highest = max(load(&apart[k]), highest);
    const float top = highest_of(highest);
    sum = sum * exponential(all(reference - top));
    for (std::size_t k = 0; k < apart.size(); k += 16) sum = sum + rough_exponential(load(&apart[k]) - all(top));
    return top + std::log(sum_of(sum));
  }

  const Operand& x_;
  const Weights& weights_;
  const Screen& screen_;
  const float* const open_;
  const std::int64_t count_;
  std::int64_t* const ids_;
  float* const best_;  // (rows, count): at first lower bounds of the best scores, at last log-probabilities
  Room& room_ = own_room();
  std::int8_t* bytes_;
  RoughRow* rows_;
  Sifted* sifted_;
};

}  // namespace rondo
