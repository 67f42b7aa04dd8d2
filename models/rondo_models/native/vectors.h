// Functions of sixteen float32 numbers at once.

#pragma once

#include "floats.h"

namespace rondo {

constexpr float kLog2OfE = 1.44269504f;

inline Floats exponential(Floats x) {
  x = min(max(x, all(-87.3f)), all(88.3f));
  const Floats n = nearest_whole(x * all(kLog2OfE));
  Floats r = less_product(x, n, all(0.693359375f));
  r = less_product(r, n, all(-2.12194440e-4f));
  Floats p = all(1.9875691500e-4f);  // the minimax polynomial of Cephes' expf
  p = plus_product(all(1.3981999507e-3f), p, r);
  p = plus_product(all(8.3334519073e-3f), p, r);
  p = plus_product(all(4.1665795894e-2f), p, r);
  p = plus_product(all(1.6666665459e-1f), p, r);
  p = plus_product(all(5.0000001201e-1f), p, r);
  p = plus_product(r + all(1.0f), p, r * r);
  return times_power_of_two(p, n);
}

// 2^t of t <= 127 to a part in 400,000, which is enough where many are summed: 2^n times a polynomial that was fitted to
// 2^f for f in [-0.5, 0.5] by least squares, reweighted until the largest relative error was smallest.
inline Floats rough_power_of_two(Floats t) {
  t = max(t, all(-126.0f));
  const Floats n = nearest_whole(t);
  const Floats f = t - n;
  Floats p = all(9.5701013e-3f);
  p = plus_product(all(5.5917859e-2f), p, f);
  p = plus_product(all(2.4024744e-1f), p, f);
  p = plus_product(all(6.9312179e-1f), p, f);
  p = plus_product(all(9.9999928e-1f), p, f);
  return times_power_of_two(p, n);
}

// exp(x) likewise.
inline Floats rough_exponential(Floats x) { return rough_power_of_two(x * all(kLog2OfE)); }

// exp(x) in a gate, of x up to 88: beside products of 16-bit integers the rough one loses nothing.
inline Floats gate_exponential(Floats x) {
#ifdef RONDO_INT16
  return rough_exponential(x);
#else
  return exponential(x);
#endif
}

inline Floats sigmoid(Floats x) { return reciprocal(all(1.0f) + gate_exponential(min(zeros() - x, all(80.0f)))); }

// sigmoid(gate) * tanh(x) with one reciprocal; beyond 20, tanh is 1.
inline Floats gated_tangent(Floats gate, Floats x) {
  const Floats one = all(1.0f), limit = all(20.0f);
  const Floats closing = gate_exponential(min(zeros() - gate, all(40.0f)));
  const Floats bounded = max(min(x, limit), zeros() - limit);
  const Floats e = gate_exponential(bounded + bounded);
  return (e - one) * reciprocal((one + closing) * (e + one));
}

inline Floats hyperbolic_tangent(Floats x) {
  const Floats e = exponential(x + x);
  return less_product(all(1.0f), all(2.0f), reciprocal(e + all(1.0f)));
}

}  // namespace rondo
