// Sixteen pairs of 16-bit integers at once, and sixteen 32-bit sums of their products: in one register of AVX-512, or in
// two of AVX2.

#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "floats.h"

namespace rondo {

inline std::int32_t bits_of_pair(const std::int16_t* pair) {
  std::int32_t bits;
  std::memcpy(&bits, pair, sizeof bits);
  return bits;
}

#ifdef __AVX512F__

using Integers = __m512i;

inline Integers no_integers() { return _mm512_setzero_si512(); }
inline Integers load_pairs(const std::int16_t* aligned) { return _mm512_load_si512(aligned); }
inline Integers all_pairs(const std::int16_t* pair) { return _mm512_set1_epi32(bits_of_pair(pair)); }
inline Integers plus_products(Integers sums, Integers a, Integers b) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
  return sums;
}
inline Floats floats_of(Integers x) { return _mm512_cvtepi32_ps(x); }

// The nearest integers, each within 16 bits.
inline void store_integers(std::int16_t* to, Floats x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(x)));
}

#else

struct Integers {
  __m256i low, high;
};

inline Integers no_integers() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline Integers load_pairs(const std::int16_t* aligned) {
  const __m256i* from = reinterpret_cast<const __m256i*>(aligned);
  return {_mm256_load_si256(from), _mm256_load_si256(from + 1)};
}
inline Integers all_pairs(const std::int16_t* pair) {
  const __m256i eight = _mm256_set1_epi32(bits_of_pair(pair));
  return {eight, eight};
}
inline __m256i plus_eight_products(__m256i sums, __m256i a, __m256i b) {
#ifdef __AVXVNNI__
  asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sums) : "x"(a), "x"(b));
  return sums;
#else
  return _mm256_add_epi32(sums, _mm256_madd_epi16(a, b));
#endif
}
inline Integers plus_products(Integers sums, Integers a, Integers b) {
  return {plus_eight_products(sums.low, a.low, b.low), plus_eight_products(sums.high, a.high, b.high)};
}
inline Floats floats_of(Integers x) { return {_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)}; }
inline void store_integers(std::int16_t* to, Floats x) {
  const __m256i mixed = _mm256_packs_epi32(_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(mixed, 0b11'01'10'00));
}

#endif

}  // namespace rondo
