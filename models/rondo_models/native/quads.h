// Sixteen times four products of 8-bit integers at once, summed by fours into 32-bit integers: what VNNI adds to pairs.h.

#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "floats.h"
#include "pairs.h"

namespace rondo {

// Products are assembly, as GCC 12 spills registers around the intrinsics.
#ifdef __AVX512F__

inline Integers all_integers(std::int32_t x) { return _mm512_set1_epi32(x); }
inline Integers load_quads(const std::uint8_t* aligned) { return _mm512_load_si512(aligned); }
inline Integers load_some_pairs(const std::int16_t* pairs) { return _mm512_loadu_si512(pairs); }
inline std::int32_t sum_of(Integers x) { return _mm512_reduce_add_epi32(x); }
inline Integers load_sums(const std::int32_t* aligned) { return _mm512_load_si512(aligned); }
inline void store_sums(std::int32_t* aligned, Integers x) { _mm512_store_si512(aligned, x); }
inline Integers plus_quads(Integers sums, Integers weights, Integers x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(weights), "v"(x));
  return sums;
}
// The nearest integers, each within 8 bits.
inline void store_bytes(std::int8_t* to, Floats x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x)));
}

#else

inline Integers all_integers(std::int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline Integers load_quads(const std::uint8_t* aligned) {
  const __m256i* from = reinterpret_cast<const __m256i*>(aligned);
  return {_mm256_load_si256(from), _mm256_load_si256(from + 1)};
}
inline Integers load_some_pairs(const std::int16_t* pairs) {
  const __m256i* from = reinterpret_cast<const __m256i*>(pairs);
  return {_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)};
}
inline std::int32_t sum_of(Integers x) {
  const __m256i eight = _mm256_add_epi32(x.low, x.high);
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(two) + _mm_extract_epi32(two, 1);
}
inline Integers load_sums(const std::int32_t* aligned) {
  const __m256i* from = reinterpret_cast<const __m256i*>(aligned);
  return {_mm256_load_si256(from), _mm256_load_si256(from + 1)};
}
inline void store_sums(std::int32_t* aligned, Integers x) {
  __m256i* to = reinterpret_cast<__m256i*>(aligned);
  _mm256_store_si256(to, x.low);
  _mm256_store_si256(to + 1, x.high);
}
inline Integers plus_quads(Integers sums, Integers weights, Integers x) {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums.low) : "x"(weights.low), "x"(x.low));
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums.high) : "x"(weights.high), "x"(x.high));
  return sums;
}
inline void store_bytes(std::int8_t* to, Floats x) {
  const __m256i mixed = _mm256_packs_epi32(_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high));
  const __m256i words = _mm256_permute4x64_epi64(mixed, 0b11'01'10'00);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
}

#endif

inline Integers all_quads(const std::int8_t* quad) {
  std::int32_t bits;
  std::memcpy(&bits, quad, sizeof bits);
  return all_integers(bits);
}

}  // namespace rondo
