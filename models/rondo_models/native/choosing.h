// The next token of a row from its scores: the likeliest ones, or one that is drawn.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "floats.h"
#include "vectors.h"

namespace rondo {

constexpr float kLowest = -1e30f;  // a score that counts for nothing, and may be subtracted from itself

inline Floats highest_of(const Floats (&scores)[4]) {
  return max(max(scores[0], scores[1]), max(scores[2], scores[3]));
}

// The sum of exponentials of a row's scores, each lane's beside the lane's highest score.
struct Softmax {
  Floats highest;
  Floats sum;

  void add(const Floats (&scores)[4]) { add(scores, highest_of(scores)); }

  void add(const Floats (&scores)[4], Floats highest_score) {
    const Floats top = max(highest, highest_score);
    sum = sum * rough_exponential(highest - top);
    for (const Floats score : scores) sum = sum + rough_exponential(score - top);
    highest = top;
  }

  float log_of_sum() const {
    const float top = highest_of(highest);
    const Floats shares = sum * exponential(highest - all(top));
    return top + std::log(sum_of(shares));
  }
};

// Put a score into its place among the best, if it has one; behind equal ones.
inline void put_among_best(float score, std::int64_t id, std::int64_t count, float* best, std::int64_t* ids) {
  if (!(score > best[count - 1])) return;
  std::int64_t place = count - 1;
  for (; place > 0 && best[place - 1] < score; --place) {
    best[place] = best[place - 1];
    ids[place] = ids[place - 1];
  }
  best[place] = score;
  ids[place] = id;
}

// The same with those of 16 scores that `better` marks.
[[gnu::noinline]] inline void put_among_best(Floats scores, Mask better, std::int64_t first_id, std::int64_t count,
                                      float* best, std::int64_t* ids) {
  alignas(64) float values[16];
  store(values, scores);
  for (; better; better &= better - 1) {
    const int lane = __builtin_ctz(better);
    put_among_best(values[lane], first_id + lane, count, best, ids);
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

inline bool is_heavier(const Option& a, const Option& b) { return a.weight > b.weight || (a.weight == b.weight && a.id < b.id); }

inline float weight_of(const std::vector<Option>& options) {
  float sum = 0.0f;
  for (const Option& option : options) sum += option.weight;
  return sum;
}

// Those of `weights` (columns, padded with zeros) that are above `floor`, in the order of their ids.
inline void options_above(const float* weights, std::int64_t columns, float floor, std::vector<Option>& options) {
  options.clear();
  for (std::int64_t k = 0; k < columns; k += 16) {
    Mask above = is_greater(load(weights + k), all(floor));
    for (; above; above &= above - 1) {
      const std::int64_t id = k + __builtin_ctz(above);
      options.push_back({weights[id], id});
    }
  }
}

// The lightest option among the fewest heaviest ones that have at least `weight` together; the lightest of all if they
// have not. Changes the order.
inline Option lightest_of_nucleus(std::vector<Option>& options, float weight) {
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
inline std::int64_t drawn(const std::vector<Option>& options, const Draw& draw, float total, bool all_there) {
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
inline std::int64_t drawn_from_all(const float* weights, std::int64_t columns, const Draw& draw) {
  Floats highest = zeros(), sum = highest;
  for (std::int64_t k = 0; k < columns; k += 16) highest = max(highest, load(weights + k));
  const float least = std::max(draw.min_p * highest_of(highest), std::numeric_limits<float>::min());
  const auto heavy_at = [&](std::int64_t k) {
    const Floats weight = load(weights + k);
    return chosen(is_not_less(weight, all(least)), weight, zeros());
  };
  for (std::int64_t k = 0; k < columns; k += 16) sum = sum + heavy_at(k);
  const float point = draw.point * sum_of(sum);
  float before = 0.0f, total = 0.0f;
  std::int64_t last = columns;  // where the sum reaches the point, or still grows if rounding has put that behind it
  for (std::int64_t k = 0; k < columns; k += 16) {
    const float after = total + sum_of(heavy_at(k));
    if (!(after > total)) continue;
    last = k;
    before = total;
    total = after;
    if (total > point) break;
  }
  if (last == columns) return -1;
  const std::int64_t end = std::min(last + 16, columns);
  for (std::int64_t id = last; id < end; ++id) {
    if (!(weights[id] < least) && (before += weights[id]) > point) return id;
  }
  return std::max_element(weights + last, weights + end) - weights;
}

}  // namespace rondo
