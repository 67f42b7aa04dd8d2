// Functions of sixteen float32 numbers at once.

#pragma once

#include <immintrin.h>

namespace rondo {

inline __m512 exponential(__m512 x) {
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
inline __m512 rough_exponential(__m512 x) {
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
inline __m512 reciprocal(__m512 x) {
  const __m512 guess = _mm512_rcp14_ps(x);
  return _mm512_mul_ps(guess, _mm512_fnmadd_ps(x, guess, _mm512_set1_ps(2.0f)));
}

inline __m512 sigmoid(__m512 x) {
  return reciprocal(_mm512_add_ps(_mm512_set1_ps(1.0f), exponential(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

// sigmoid(gate) * tanh(x) with one reciprocal; beyond 20, tanh is 1.
inline __m512 gated_tangent(__m512 gate, __m512 x) {
  const __m512 one = _mm512_set1_ps(1.0f), limit = _mm512_set1_ps(20.0f);
  const __m512 closing = exponential(_mm512_min_ps(_mm512_sub_ps(_mm512_setzero_ps(), gate), _mm512_set1_ps(40.0f)));
  const __m512 bounded = _mm512_max_ps(_mm512_min_ps(x, limit), _mm512_sub_ps(_mm512_setzero_ps(), limit));
  const __m512 e = exponential(_mm512_add_ps(bounded, bounded));
  const __m512 below = _mm512_mul_ps(_mm512_add_ps(one, closing), _mm512_add_ps(e, one));
  return _mm512_mul_ps(_mm512_sub_ps(e, one), reciprocal(below));
}

inline __m512 hyperbolic_tangent(__m512 x) {
  const __m512 e = exponential(_mm512_add_ps(x, x));
  return _mm512_fnmadd_ps(_mm512_set1_ps(2.0f), reciprocal(_mm512_add_ps(e, _mm512_set1_ps(1.0f))), _mm512_set1_ps(1.0f));
}

inline __mmask16 first(int count) { return static_cast<__mmask16>(count >= 16 ? 0xffff : (1u << count) - 1); }

}  // namespace rondo
