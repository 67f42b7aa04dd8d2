// Weighted sums, means and maxima over the vectors of one text, and sums over its n-grams. All of it in an order that
// depends on the text alone, so that nothing else in a batch changes a bit.

#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "vectors.h"

namespace rondo {

inline float sum_of_products(const float* a, const float* b, std::int64_t size) {
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
    const __mmask16 real = first(static_cast<int>(std::min<std::int64_t>(source.length - s, 16)));
    const __m512 e = exponential(_mm512_sub_ps(_mm512_maskz_loadu_ps(real, weights + s), _mm512_set1_ps(highest)));
    _mm512_mask_storeu_ps(weights + s, real, e);
    total += _mm512_mask_reduce_add_ps(real, e);
  }
  const float share = 1.0f / total;
  for (std::int64_t s = 0; s < source.length; ++s) weights[s] *= share;
}

// The sum of the vectors by their weights, their maximum and their mean, each at its place in out unless that is negative.
inline void pool(const Source& source, const float* weights, std::int64_t sum_at, std::int64_t max_at,
                 std::int64_t mean_at, float* out) {
  const __m512 length = _mm512_set1_ps(static_cast<float>(source.length));
  for (std::int64_t k = 0; k < source.size; k += 64) {
    __mmask16 real[4];
    __m512 sum[4], highest[4], total[4];
    for (int j = 0; j < 4; ++j) {
      real[j] = first(static_cast<int>(std::clamp<std::int64_t>(source.size - k - 16 * j, 0, 16)));
      sum[j] = total[j] = _mm512_setzero_ps();
      highest[j] = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    }
    for (std::int64_t s = 0; s < source.length; ++s) {
      const __m512 weight = _mm512_set1_ps(weights[s]);
      for (int j = 0; j < 4; ++j) {
        const __m512 value = _mm512_maskz_loadu_ps(real[j], source.at(s) + k + 16 * j);
        sum[j] = _mm512_fmadd_ps(weight, value, sum[j]);
        highest[j] = _mm512_max_ps(highest[j], value);
        total[j] = _mm512_add_ps(total[j], value);
      }
    }
    for (int j = 0; j < 4; ++j) {
      float* here = out + k + 16 * j;
      if (sum_at >= 0) _mm512_mask_storeu_ps(here + sum_at, real[j], sum[j]);
      if (max_at >= 0) _mm512_mask_storeu_ps(here + max_at, real[j], highest[j]);
      if (mean_at >= 0) _mm512_mask_storeu_ps(here + mean_at, real[j], _mm512_div_ps(total[j], length));
    }
  }
}

// Adds the weights of all n-grams of 1 to `longest` ids, rows of table (buckets, labels), to sums; returns their number.
inline std::int64_t add_ngrams(const std::int64_t* ids, std::int64_t length, const float* table, std::int64_t buckets,
                               std::int64_t longest, std::int64_t labels, double* sums) {
  static thread_local std::vector<const float*> rows;
  static thread_local std::vector<std::int64_t> rolling;
  rows.clear();
  rolling.assign(length, 0);
  for (std::int64_t n = 1; n <= std::min(longest, length); ++n) {
    for (std::int64_t t = 0; t + n <= length; ++t) {
      rolling[t] = (rolling[t] * 1'000'003 + ids[t + n - 1] + 1) % 2'147'483'647;
      rows.push_back(table + (rolling[t] * 31 + n) % buckets * labels);
      _mm_prefetch(rows.back(), _MM_HINT_T0);  // they lie anywhere in a table of megabytes
    }
  }
  for (const float* row : rows) {
    for (std::int64_t j = 0; j < labels; ++j) sums[j] += row[j];
  }
  return static_cast<std::int64_t>(rows.size());
}

}  // namespace rondo
