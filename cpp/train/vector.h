/** @file Float vectors of the instruction set's width, and the functions of the network on them. */
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace shacomp::SHACOMP_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float vf __attribute__((vector_size(kLanes * 4)));
typedef std::int32_t vi __attribute__((vector_size(kLanes * 4)));

inline vf load(const float* p) {
  vf v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, vf v) { __builtin_memcpy(p, &v, sizeof v); }
inline vf splat(float x) { return x - vf{}; }
inline vf max(vf a, vf b) { return a > b ? a : b; }
inline vf min(vf a, vf b) { return a < b ? a : b; }

/** Sum of the lanes, by halves. */
inline float sum(vf v) {
  float x[kLanes];
  store(x, v);
#if defined(__AVX512F__)
  const __m256 a = _mm256_add_ps(_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8));
  const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
#else
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) x[i] += x[i + half];
  return x[0];
#endif
}

/** e^x with a relative error of about 2e-7 (range reduction and polynomial as in Cephes' expf). */
inline vf exp(vf x) {
  x = min(max(x, splat(-87.0f)), splat(87.0f));
  const vf n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;  // rounds to the nearest integer
  vf r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  vf p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const vf y = p * (r * r) + (r + 1.0f);
  const vi power = (__builtin_convertvector(n, vi) + 127) << 23;
  return y * reinterpret_cast<vf>(power);
}

inline vf sigmoid(vf x) { return 1.0f / (1.0f + exp(-x)); }
inline vf tanh(vf x) { return 2.0f * sigmoid(2.0f * x) - 1.0f; }

/**
 * Natural logarithm of a normal number x > 0, correct to about 1e-16 of it or of 1. No C library in
 * WebAssembly.
 */
inline double log(double x) {
  std::uint64_t u;
  __builtin_memcpy(&u, &x, 8);
  // x = m 2^e with m in [sqrt(1/2), sqrt(2))
  const std::int64_t e = static_cast<std::int64_t>(u - 0x3fe6a09e667f3bcd) >> 52;
  u -= static_cast<std::uint64_t>(e) << 52;
  double m;
  __builtin_memcpy(&m, &u, 8);
  const double s = (m - 1) / (m + 1), s2 = s * s;
  double series = 0;
  for (int n = 21; n >= 1; n -= 2) series = series * s2 + 1.0 / n;
  return 2 * s * series + static_cast<double>(e) * 0.693147180559945309;
}

/** bfloat16 as stored. */
struct bf16 {
  std::uint16_t bits;
};

inline void store(bf16* p, vf v) {
#if defined(__AVX512BF16__)
  const __m256bh h = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(v));
  __builtin_memcpy(p, &h, sizeof h);
#else
  for (int i = 0; i < kLanes; ++i) {
    const float x = v[i];
    std::uint32_t u;
    __builtin_memcpy(&u, &x, 4);
    p[i].bits = static_cast<std::uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16);
  }
#endif
}

}  // namespace shacomp::SHACOMP_ISA
