// Sixteen float32 numbers at once: in one register of AVX-512, or in two of AVX2.

#pragma once

#include <immintrin.h>

#include <cstdint>

namespace rondo {

using Mask = std::uint32_t;  // bit i: lane i

// Lets 64 16-bit integers come that will be wanted; nothing happens where there is no memory.
inline void prefetch_block(const std::int16_t* integers) {
  _mm_prefetch(integers, _MM_HINT_T0);
  _mm_prefetch(integers + 32, _MM_HINT_T0);
}

inline Mask first(int count) { return count >= 16 ? 0xffffu : (1u << count) - 1; }

#ifdef __AVX512F__

using Floats = __m512;

inline Floats zeros() { return _mm512_setzero_ps(); }
inline Floats all(float x) { return _mm512_set1_ps(x); }
inline Floats load(const float* from) { return _mm512_loadu_ps(from); }
inline Floats load(Mask lanes, const float* from) { return _mm512_maskz_loadu_ps(static_cast<__mmask16>(lanes), from); }
inline void store(float* to, Floats x) { _mm512_storeu_ps(to, x); }
inline void store(Mask lanes, float* to, Floats x) { _mm512_mask_storeu_ps(to, static_cast<__mmask16>(lanes), x); }
inline Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Floats plus_product(Floats sum, Floats a, Floats b) { return _mm512_fmadd_ps(a, b, sum); }
inline Floats less_product(Floats sum, Floats a, Floats b) { return _mm512_fnmadd_ps(a, b, sum); }
inline Floats nearest_whole(Floats x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT); }
inline Floats times_power_of_two(Floats x, Floats n) { return _mm512_scalef_ps(x, n); }
inline Mask is_greater(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
inline Mask is_not_less(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
inline Floats chosen(Mask lanes, Floats x, Floats others) {
  return _mm512_mask_blend_ps(static_cast<__mmask16>(lanes), others, x);
}
inline float sum_of(Floats x) { return _mm512_reduce_add_ps(x); }
inline float highest_of(Floats x) { return _mm512_reduce_max_ps(x); }

inline Floats floats_at(const std::int16_t* integers) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(integers))));
}

// 1 / x, to about the last bit: a table's value and one step of Newton's method.
inline Floats reciprocal(Floats x) {
  const Floats guess = _mm512_rcp14_ps(x);
  return guess * less_product(all(2.0f), x, guess);
}

// Of sixteen pairs of bfloat16 numbers, aligned, the first or the second ones.
inline Floats of_pairs(const std::uint16_t* pairs, bool second) {
  const __m512i bits = _mm512_load_si512(pairs);
  return _mm512_castsi512_ps(second ? _mm512_and_si512(bits, _mm512_set1_epi32(-65536)) : _mm512_slli_epi32(bits, 16));
}

#else

struct Floats {
  __m256 low, high;
};

inline __m256i lanes_of(Mask lanes, int begin) {
  const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(lanes >> begin)), bits), bits);
}

inline Floats operator+(Floats a, Floats b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
inline Floats operator-(Floats a, Floats b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
inline Floats operator*(Floats a, Floats b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
inline Floats operator/(Floats a, Floats b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
inline Floats zeros() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Floats all(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Floats load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
inline Floats load(Mask lanes, const float* from) {
  return {_mm256_maskload_ps(from, lanes_of(lanes, 0)), _mm256_maskload_ps(from + 8, lanes_of(lanes, 8))};
}
inline void store(float* to, Floats x) {
  _mm256_storeu_ps(to, x.low);
  _mm256_storeu_ps(to + 8, x.high);
}
inline void store(Mask lanes, float* to, Floats x) {
  _mm256_maskstore_ps(to, lanes_of(lanes, 0), x.low);
  _mm256_maskstore_ps(to + 8, lanes_of(lanes, 8), x.high);
}
inline Floats max(Floats a, Floats b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
inline Floats min(Floats a, Floats b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
inline Floats plus_product(Floats sum, Floats a, Floats b) {
  return {_mm256_fmadd_ps(a.low, b.low, sum.low), _mm256_fmadd_ps(a.high, b.high, sum.high)};
}
inline Floats less_product(Floats sum, Floats a, Floats b) {
  return {_mm256_fnmadd_ps(a.low, b.low, sum.low), _mm256_fnmadd_ps(a.high, b.high, sum.high)};
}
inline Floats nearest_whole(Floats x) {
  constexpr int kHow = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.low, kHow), _mm256_round_ps(x.high, kHow)};
}
inline __m256 power_of_two(__m256 n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
// Of whole n from -126 to 127.
inline Floats times_power_of_two(Floats x, Floats n) { return x * Floats{power_of_two(n.low), power_of_two(n.high)}; }
inline Mask bits_of(__m256 low, __m256 high) {
  return static_cast<Mask>(_mm256_movemask_ps(low)) | static_cast<Mask>(_mm256_movemask_ps(high)) << 8;
}
inline Mask is_greater(Floats a, Floats b) {
  return bits_of(_mm256_cmp_ps(a.low, b.low, _CMP_GT_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_GT_OQ));
}
inline Mask is_not_less(Floats a, Floats b) {
  return bits_of(_mm256_cmp_ps(a.low, b.low, _CMP_GE_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_GE_OQ));
}
inline Floats chosen(Mask lanes, Floats x, Floats others) {
  return {_mm256_blendv_ps(others.low, x.low, _mm256_castsi256_ps(lanes_of(lanes, 0))),
          _mm256_blendv_ps(others.high, x.high, _mm256_castsi256_ps(lanes_of(lanes, 8)))};
}
inline float sum_of(Floats x) {
  const __m256 eight = _mm256_add_ps(x.low, x.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline float highest_of(Floats x) {
  const __m256 eight = _mm256_max_ps(x.low, x.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline Floats reciprocal(Floats x) { return all(1.0f) / x; }
inline __m256 eight_floats_at(const std::int16_t* integers) {
  const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(integers));
  return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(eight));
}
inline Floats floats_at(const std::int16_t* integers) {
  return {eight_floats_at(integers), eight_floats_at(integers + 8)};
}

inline __m256 of_eight_pairs(const std::uint16_t* pairs, bool second) {
  const __m256i bits = _mm256_load_si256(reinterpret_cast<const __m256i*>(pairs));
  return _mm256_castsi256_ps(second ? _mm256_and_si256(bits, _mm256_set1_epi32(-65536)) : _mm256_slli_epi32(bits, 16));
}
inline Floats of_pairs(const std::uint16_t* pairs, bool second) {
  return {of_eight_pairs(pairs, second), of_eight_pairs(pairs + 16, second)};
}

#endif

}  // namespace rondo
