/**
 * @file Matrix products of packed operands with float32 accumulation.
 *
 * The reduction runs over units: one float, or a pair of neighbouring bfloat16 (what vdpbf16ps multiplies). A
 * packed matrix is a list of panels of 64 columns, each [reduction units][64]; a panel serves as the right
 * operand (vector loads) and as the left one (broadcasts). The left operand may also be a plain row-major
 * matrix.
 */
#pragma once

#include "train/vector.h"

namespace shacomp::SHACOMP_ISA {

constexpr int kPanel = 64;

template <class E>
struct Unit;
template <>
struct Unit<float> {
  using type = float;
  static constexpr int size = 1;
};
template <>
struct Unit<bf16> {
  using type = std::uint32_t;
  static constexpr int size = 2;
};

/**
 * A row-major matrix [rows][cols], or rows of one: `stride` elements from row to row. A view: it owns
 * nothing.
 */
template <class T>
struct Matrix {
  T* data;
  int rows, cols;
  std::ptrdiff_t stride;

  T* operator[](std::ptrdiff_t row) const { return data + row * stride; }
  /** Elements, of one without gaps. */
  std::ptrdiff_t size() const { return std::ptrdiff_t(rows) * cols; }
  /** Rows [first, first + count). */
  Matrix slice(int first, int count) const { return {(*this)[first], count, cols, stride}; }
  /** Rows first, first + step, …: one sequence of rows that are (step, sequence) pairs. */
  Matrix every(int step, int first) const { return {(*this)[first], rows / step, cols, stride * step}; }
};

template <class T>
inline Matrix<T> matrix(T* data, int rows, int cols) {
  return {data, rows, cols, cols};
}

/**
 * Left operand: where unit k of row r lies, `block` being the stride from 64 rows to the next 64, in units.
 */
template <class E>
struct Left {
  const typename Unit<E>::type* data;
  std::ptrdiff_t row, k, block;
  int reduction;  // elements
};

template <class E>
inline Left<E> rows_of(Matrix<E> m) {
  const std::ptrdiff_t stride = m.stride / Unit<E>::size;
  return {reinterpret_cast<const typename Unit<E>::type*>(m.data), stride, 1, stride * kPanel, m.cols};
}

/** A packed matrix with `reduction` elements per column, as the left operand: its columns become rows. */
template <class E>
inline Left<E> columns_of(const E* packed, int reduction) {
  const std::ptrdiff_t block = reduction / Unit<E>::size * kPanel;
  return {reinterpret_cast<const typename Unit<E>::type*>(packed), 1, kPanel, block, reduction};
}

/** Packs a matrix [reduction][n], n a multiple of 64. */
inline void pack_rows(float* to, Matrix<float> from) {
  for (int p = 0; p < from.cols; p += kPanel)
    for (int k = 0; k < from.rows; ++k, to += kPanel)
      __builtin_memcpy(to, from[k] + p, kPanel * sizeof(float));
}

inline void pack_rows(bf16* to, Matrix<bf16> from) {
#if defined(__AVX512BF16__)
  alignas(64) std::uint16_t order[32];
  for (int i = 0; i < 16; ++i) {
    order[2 * i] = static_cast<std::uint16_t>(i);
    order[2 * i + 1] = static_cast<std::uint16_t>(32 + i);
  }
  const __m512i low = _mm512_load_si512(order);
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  for (int p = 0; p < from.cols; p += kPanel)
    for (int k = 0; k < from.rows; k += 2, to += 2 * kPanel)
      for (int half = 0; half < 2; ++half) {
        const __m512i a = _mm512_loadu_si512(from[k] + p + 32 * half);
        const __m512i b = _mm512_loadu_si512(from[k + 1] + p + 32 * half);
        _mm512_storeu_si512(to + 64 * half, _mm512_permutex2var_epi16(a, low, b));
        _mm512_storeu_si512(to + 64 * half + 32, _mm512_permutex2var_epi16(a, high, b));
      }
#else
  for (int p = 0; p < from.cols; p += kPanel)
    for (int k = 0; k < from.rows; k += 2, to += 2 * kPanel)
      for (int i = 0; i < kPanel; ++i) {
        to[2 * i] = from[k][p + i];
        to[2 * i + 1] = from[k + 1][p + i];
      }
#endif
}

/** Packs the transpose of a matrix [n][reduction], n a multiple of 64. */
template <class E>
inline void pack_columns(E* to, Matrix<E> from) {
  using U = typename Unit<E>::type;
  const int units = from.cols / Unit<E>::size;
  const std::ptrdiff_t stride = from.stride / Unit<E>::size;
  const U* source = reinterpret_cast<const U*>(from.data);
  U* target = reinterpret_cast<U*>(to);
  for (int p = 0; p < from.rows; p += kPanel, target += static_cast<std::ptrdiff_t>(units) * kPanel)
    for (int k0 = 0; k0 < units; k0 += 16) {
      const int k1 = k0 + 16 < units ? k0 + 16 : units;
      for (int i = 0; i < kPanel; ++i)
        for (int k = k0; k < k1; ++k) target[k * kPanel + i] = source[(p + i) * stride + k];
    }
}

#if defined(__AVX512F__)
constexpr int kTileRows = 6, kTileVectors = 4;
#elif defined(__AVX2__)
constexpr int kTileRows = 6, kTileVectors = 2;
#else
constexpr int kTileRows = 4, kTileVectors = 2;
#endif

/** C[rows][vectors] (+)= A B for one tile that stays in registers. */
template <int R>
inline void tile(float* c, std::ptrdiff_t ldc, const float* a, std::ptrdiff_t row, std::ptrdiff_t step,
                 const float* b, int units, bool accumulate) {
  vf acc[R][kTileVectors];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < kTileVectors; ++v) acc[r][v] = accumulate ? load(c + r * ldc + v * kLanes) : vf{};
  for (int k = 0; k < units; ++k, a += step, b += kPanel) {
    vf x[kTileVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kTileVectors; ++v) x[v] = load(b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const vf y = splat(a[r * row]);
#pragma GCC unroll 8
      for (int v = 0; v < kTileVectors; ++v) acc[r][v] = acc[r][v] + y * x[v];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < kTileVectors; ++v) store(c + r * ldc + v * kLanes, acc[r][v]);
}

#if defined(__AVX512BF16__)
template <int R>
inline void tile(float* c, std::ptrdiff_t ldc, const std::uint32_t* a, std::ptrdiff_t row,
                 std::ptrdiff_t step, const std::uint32_t* b, int units, bool accumulate) {
  __m512 acc[R][4];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < 4; ++v)
      acc[r][v] = accumulate ? _mm512_loadu_ps(c + r * ldc + v * 16) : _mm512_setzero_ps();
  for (int k = 0; k < units; ++k, a += step, b += kPanel) {
    __m512i x[4];
#pragma GCC unroll 8
    for (int v = 0; v < 4; ++v) x[v] = _mm512_loadu_si512(b + v * 16);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512i y = _mm512_set1_epi32(static_cast<int>(a[r * row]));
#pragma GCC unroll 8
      for (int v = 0; v < 4; ++v) acc[r][v] = _mm512_dpbf16_ps(acc[r][v], (__m512bh)y, (__m512bh)x[v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < 4; ++v) _mm512_storeu_ps(c + r * ldc + v * 16, acc[r][v]);
}
#endif

/** C[rows][64] (+)= A B for at most 64 rows and one panel. */
template <class U>
inline void panel_product(float* c, std::ptrdiff_t ldc, int rows, const U* a, std::ptrdiff_t row,
                          std::ptrdiff_t step, const U* panel, int units, bool accumulate) {
  const int tiles = (rows + kTileRows - 1) / kTileRows;
  for (int jj = 0; jj < kPanel; jj += kTileVectors * kLanes)
    for (int t = 0; t < tiles; ++t) {
      const int i = rows * t / tiles;
      const U* from = a + i * row;
      float* to = c + i * ldc + jj;
      switch (rows * (t + 1) / tiles - i) {
        case 1: tile<1>(to, ldc, from, row, step, panel + jj, units, accumulate); break;
        case 2: tile<2>(to, ldc, from, row, step, panel + jj, units, accumulate); break;
        case 3: tile<3>(to, ldc, from, row, step, panel + jj, units, accumulate); break;
        case 4: tile<4>(to, ldc, from, row, step, panel + jj, units, accumulate); break;
#if defined(__AVX2__)
        case 5: tile<5>(to, ldc, from, row, step, panel + jj, units, accumulate); break;
        case 6: tile<6>(to, ldc, from, row, step, panel + jj, units, accumulate); break;
#endif
      }
    }
}

/** C[m][n] (+)= A[m][reduction] B[reduction][n]; n a multiple of 64, `right` packed. */
template <class E>
inline void gemm(Matrix<float> c, Left<E> a, const E* right, bool accumulate) {
  using U = typename Unit<E>::type;
  const int units = a.reduction / Unit<E>::size, m = c.rows, n = c.cols;
  const U* b = reinterpret_cast<const U*>(right);
  for (int i0 = 0; i0 < m; i0 += kPanel) {
    const int rows = m - i0 < kPanel ? m - i0 : kPanel;
    const U* block = a.data + i0 / kPanel * a.block;
    for (int j = 0; j < n; j += kPanel) {
      const U* panel = b + static_cast<std::ptrdiff_t>(j) * units;
      panel_product(c[i0] + j, c.stride, rows, block, a.row, a.k, panel, units, accumulate);
    }
  }
}

/** The inner loop of `gemm` alone, on operands that stay in the first-level cache; returns its operations. */
template <class E>
double bare_product(int repeats) {
  using U = typename Unit<E>::type;
  constexpr int kUnits = 64, kColumns = kTileVectors * kLanes;
  alignas(64) U a[kTileRows * kUnits] = {}, b[kUnits * kPanel] = {};
  alignas(64) float c[kTileRows * kColumns] = {};
  for (int i = 0; i < repeats; ++i) {
    asm volatile("" : : "r"(a), "r"(b), "r"(c) : "memory");  // so that the compiler does not know the numbers
    tile<kTileRows>(c, kColumns, a, kUnits, 1, b, kUnits, true);
  }
  return 2.0 * kTileRows * kColumns * kUnits * Unit<E>::size * repeats + double(c[0]);
}

}  // namespace shacomp::SHACOMP_ISA

#if defined(__AMX_BF16__)
#include "train/amx.h"
#endif
