// Weighted sums, means and maxima over the vectors of one text, and sums over its n-grams. All of it in an order that
// depends on the text alone, so that nothing else in a batch changes a bit.

#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "floats.h"
#include "vectors.h"

namespace rondo {

inline float sum_of_products(const float* a, const float* b, std::int64_t size) {
  Floats sums[4] = {zeros(), zeros(), zeros(), zeros()};
  std::int64_t k = 0;
  for (; k + 64 <= size; k += 64) {
    for (int j = 0; j < 4; ++j) {
      sums[j] = plus_product(sums[j], load(a + k + 16 * j), load(b + k + 16 * j));
    }
  }
  for (; k < size; k += 16) {
    const Mask real = first(static_cast<int>(std::min<std::int64_t>(size - k, 16)));
    sums[0] = plus_product(sums[0], load(real, a + k), load(real, b + k));
  }
  return sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// Vectors of one text.
struct Source {
  const float* data;
  std::int64_t stride;
  std::int64_t length;
  std::int64_t size;
  const float* at(std::int64_t position) const { return data + position * stride; }
};

// weights (length): the softmax of scale * query · vector.
inline void attention_weights(const float* query, const Source& source, float scale, float* weights) {
  float highest = -std::numeric_limits<float>::infinity();
  for (std::int64_t s = 0; s < source.length; ++s) {
    weights[s] = sum_of_products(query, source.at(s), source.size) * scale;
    highest = std::max(highest, weights[s]);
  }
  float total = 0.0f;
  for (std::int64_t s = 0; s < source.length; s += 16) {
    const Mask real = first(static_cast<int>(std::min<std::int64_t>(source.length - s, 16)));
    const Floats e = exponential(load(real, weights + s) - all(highest));
    store(real, weights + s, e);
    total += sum_of(chosen(real, e, zeros()));
  }
  const float share = 1.0f / total;
  for (std::int64_t s = 0; s < source.length; ++s) weights[s] *= share;
}

// The sum of the vectors by their weights, their maximum and their mean, each at its place in out unless that is negative.
inline void pool(const Source& source, const float* weights, std::int64_t sum_at, std::int64_t max_at,
                 std::int64_t mean_at, float* out) {
  const Floats length = all(static_cast<float>(source.length));
  for (std::int64_t k = 0; k < source.size; k += 64) {
    Mask real[4];
    Floats sum[4], highest[4], total[4];
    for (int j = 0; j < 4; ++j) {
      real[j] = first(static_cast<int>(std::clamp<std::int64_t>(source.size - k - 16 * j, 0, 16)));
      sum[j] = total[j] = zeros();
      highest[j] = all(-std::numeric_limits<float>::infinity());
    }
    for (std::int64_t s = 0; s < source.length; ++s) {
      const Floats weight = all(weights[s]);
      for (int j = 0; j < 4; ++j) {
        const Floats value = load(real[j], source.at(s) + k + 16 * j);
        sum[j] = plus_product(sum[j], weight, value);
        highest[j] = max(highest[j], value);
        total[j] = total[j] + value;
      }
    }
    for (int j = 0; j < 4; ++j) {
      float* here = out + k + 16 * j;
      if (sum_at >= 0) store(real[j], here + sum_at, sum[j]);
      if (max_at >= 0) store(real[j], here + max_at, highest[j]);
      if (mean_at >= 0) store(real[j], here + mean_at, total[j] / length);
    }
  }
}

// Buckets of one text.
class Buckets {
 public:
  explicit Buckets(std::int64_t most) {
    std::size_t size = 16;
    while (size < 2 * static_cast<std::size_t>(most)) size *= 2;
    places().assign(size, -1);
  }
  // Whether it is the first time; whatever falls on a place that is taken goes to the next free one.
  bool add(std::int64_t bucket) {
    std::vector<std::int64_t>& known = places();
    const std::size_t last = known.size() - 1;
    std::size_t place = static_cast<std::size_t>(bucket) & last;
    while (known[place] >= 0 && known[place] != bucket) place = (place + 1) & last;
    return std::exchange(known[place], bucket) != bucket;
  }

 private:
  static std::vector<std::int64_t>& places() {
    static thread_local std::vector<std::int64_t> kept;
    return kept;
  }
};

// Adds the weights of all n-grams of 1 to `longest` ids, rows of table (buckets, labels), to sums, each row once or as often
// as there are n-grams of it; returns the number of n-grams.
inline std::int64_t add_ngrams(const std::int64_t* ids, std::int64_t length, const float* table, std::int64_t buckets,
                               std::int64_t longest, bool once, std::int64_t labels, double* sums) {
  static thread_local std::vector<const float*> rows;
  static thread_local std::vector<std::int64_t> rolling;
  rows.clear();
  rolling.assign(length, 0);
  std::int64_t count = 0;
  Buckets seen(once ? longest * length : 0);
  for (std::int64_t n = 1; n <= std::min(longest, length); ++n) {
    for (std::int64_t t = 0; t + n <= length; ++t) {
      rolling[t] = (rolling[t] * 1'000'003 + ids[t + n - 1] + 1) % 2'147'483'647;
      const std::int64_t bucket = (rolling[t] * 31 + n) % buckets;
      ++count;
      if (once && !seen.add(bucket)) continue;
      rows.push_back(table + bucket * labels);
      _mm_prefetch(rows.back(), _MM_HINT_T0);  // they lie anywhere in a table of megabytes
    }
  }
  for (const float* row : rows) {
    for (std::int64_t j = 0; j < labels; ++j) sums[j] += row[j];
  }
  return count;
}

}  // namespace rondo
