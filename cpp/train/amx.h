/**
 * @file Products of bfloat16 on AMX: eight tile registers of 16 rows of 64 bytes, and an instruction that
 * multiplies two of them (16 x 16 sums of 32 products). A panel of `gemm.h` is the right operand as it is;
 * the left one is copied, 32 rows at a time, so that it lies in the first-level cache without conflicts.
 */
#pragma once

#include "train/gemm.h"

namespace shacomp::SHACOMP_ISA {

/** Rows, columns, and units of the reduction of one tile. */
constexpr int kAmxTile = 16;
/** Rows and units of the left operand that are copied at a time. */
constexpr int kLeftRows = 2 * kAmxTile, kLeftUnits = 256;
/** Units from row to row of the copy: not a power of two, so that rows do not share a set of the cache. */
constexpr int kLeftStride = kLeftUnits + kAmxTile;

/** What the tile registers are configured with (Intel SDM, volume 1, chapter 18): all alike. */
struct TileConfiguration {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

/** The tile registers of this thread, for as long as a product takes. */
class Tiles {
 public:
  Tiles() {
    static constexpr TileConfiguration all;
    _tile_loadconfig(&all);
  }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

// GCC 12 takes the undefined operand behind these instructions for a variable that someone forgot.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

/** to[16][16] = from[16][16], transposed. */
inline void transpose(std::uint32_t* to, std::ptrdiff_t to_stride, const std::uint32_t* from,
                      std::ptrdiff_t from_stride) {
  __m512i r[16], t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) r[i] = _mm512_loadu_si512(from + i * from_stride);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // Quarter q of r[4 i + j] is now column 4 q + j of rows 4 i to 4 i + 3.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i even0 = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88);
    const __m512i even1 = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
    const __m512i odd0 = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd);
    const __m512i odd1 = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);
    _mm512_storeu_si512(to + j * to_stride, _mm512_shuffle_i32x4(even0, even1, 0x88));
    _mm512_storeu_si512(to + (4 + j) * to_stride, _mm512_shuffle_i32x4(odd0, odd1, 0x88));
    _mm512_storeu_si512(to + (8 + j) * to_stride, _mm512_shuffle_i32x4(even0, even1, 0xdd));
    _mm512_storeu_si512(to + (12 + j) * to_stride, _mm512_shuffle_i32x4(odd0, odd1, 0xdd));
  }
}

#pragma GCC diagnostic pop

/** Copies `rows` rows (a multiple of 16) of `units` units (likewise) of a left operand. */
inline void copy_left(std::uint32_t* to, const std::uint32_t* from, std::ptrdiff_t row, std::ptrdiff_t step,
                      int rows, int units) {
  if (step == 1) {
    for (int i = 0; i < rows; ++i)
      __builtin_memcpy(to + i * kLeftStride, from + i * row, units * sizeof(std::uint32_t));
    return;
  }
  for (int i = 0; i < rows; i += kAmxTile)
    for (int k = 0; k < units; k += kAmxTile)
      transpose(to + i * kLeftStride + k, kLeftStride, from + i + k * step, step);
}

/**
 * Tiles 0 to 3 from two pairs of neighbouring tiles of C, the second one `pair` numbers behind the first; or
 * zero.
 */
inline void load_sums(const float* c, std::ptrdiff_t ldc, std::ptrdiff_t pair, bool accumulate) {
  if (accumulate) {
    _tile_loadd(0, c, ldc * 4);
    _tile_loadd(1, c + 16, ldc * 4);
    _tile_loadd(2, c + pair, ldc * 4);
    _tile_loadd(3, c + pair + 16, ldc * 4);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
}

/** Where `load_sums` takes them from. */
inline void store_sums(float* c, std::ptrdiff_t ldc, std::ptrdiff_t pair) {
  _tile_stored(0, c, ldc * 4);
  _tile_stored(1, c + 16, ldc * 4);
  _tile_stored(2, c + pair, ldc * 4);
  _tile_stored(3, c + pair + 16, ldc * 4);
}

/** C[32][32] (+)= A B. */
inline void amx_square(float* c, std::ptrdiff_t ldc, const std::uint32_t* a, const std::uint32_t* b,
                       int units, bool accumulate) {
  constexpr int kRow = kLeftStride * 4, kColumn = kPanel * 4;  // bytes
  load_sums(c, ldc, 16 * ldc, accumulate);
  for (int k = 0; k < units; k += kAmxTile, a += kAmxTile, b += kAmxTile * kPanel) {
    _tile_loadd(4, a, kRow);
    _tile_loadd(6, b, kColumn);
    _tile_loadd(7, b + 16, kColumn);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + 16 * kLeftStride, kRow);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  store_sums(c, ldc, 16 * ldc);
}

/** C[16][64] (+)= A B. */
inline void amx_row(float* c, std::ptrdiff_t ldc, const std::uint32_t* a, const std::uint32_t* b, int units,
                    bool accumulate) {
  constexpr int kRow = kLeftStride * 4, kColumn = kPanel * 4;  // bytes
  load_sums(c, ldc, 32, accumulate);
  for (int k = 0; k < units; k += kAmxTile, a += kAmxTile, b += kAmxTile * kPanel) {
    _tile_loadd(4, a, kRow);
    _tile_loadd(5, b, kColumn);
    _tile_loadd(6, b + 16, kColumn);
    _tile_loadd(7, b + 32, kColumn);
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 6);
    _tile_loadd(5, b + 48, kColumn);
    _tile_dpbf16ps(2, 4, 7);
    _tile_dpbf16ps(3, 4, 5);
  }
  store_sums(c, ldc, 32);
}

/** Columns of the right operand that all rows are multiplied by before the next ones: 512 KiB of it. */
constexpr int kRightColumns = 512;

/** As the template, with tiles for what fills them; edges by vectors. */
inline void gemm(Matrix<float> c, Left<bf16> a, const bf16* right, bool accumulate) {
  const int units = a.reduction / Unit<bf16>::size, whole = units / kAmxTile * kAmxTile;
  const std::uint32_t* b = reinterpret_cast<const std::uint32_t*>(right);
  alignas(64) std::uint32_t left[kLeftRows * kLeftStride];
  const Tiles tiles;
  for (int j0 = 0; j0 < c.cols; j0 += kRightColumns) {
    const int j1 = c.cols - j0 < kRightColumns ? c.cols : j0 + kRightColumns;
    for (int i0 = 0; i0 < c.rows; i0 += kLeftRows) {
      const int rows = c.rows - i0 < kLeftRows ? c.rows - i0 : kLeftRows;
      const int full = rows / kAmxTile * kAmxTile;
      const std::uint32_t* from = a.data + i0 / kPanel * a.block + i0 % kPanel * a.row;
      for (int k0 = 0; full && k0 < whole; k0 += kLeftUnits) {
        const int depth = whole - k0 < kLeftUnits ? whole - k0 : kLeftUnits;
        const bool add = accumulate || k0 > 0;
        copy_left(left, from + k0 * a.k, a.row, a.k, full, depth);
        for (int j = j0; j < j1; j += kPanel) {
          float* to = c[i0] + j;
          const std::uint32_t* panel = b + std::ptrdiff_t(j) * units + k0 * kPanel;
          if (full < kLeftRows) {
            amx_row(to, c.stride, left, panel, depth, add);
          } else {
            amx_square(to, c.stride, left, panel, depth, add);
            amx_square(to + 32, c.stride, left, panel + 32, depth, add);
          }
        }
      }
      for (int j = j0; j < j1; j += kPanel) {
        float* to = c[i0] + j;
        const std::uint32_t* panel = b + std::ptrdiff_t(j) * units;
        if (full && whole < units)
          panel_product(to, c.stride, full, from + whole * a.k, a.row, a.k, panel + whole * kPanel,
                        units - whole, accumulate || whole > 0);
        if (full < rows)
          panel_product(to + full * c.stride, c.stride, rows - full, from + full * a.row, a.row, a.k, panel,
                        units, accumulate);
      }
    }
  }
}

/** The inner loop of `gemm` alone, on operands that stay in the first-level cache; returns its operations. */
template <>
inline double bare_product<bf16>(int repeats) {
  constexpr int kUnits = 64;
  alignas(64) std::uint32_t a[kLeftRows * kLeftStride] = {}, b[kUnits * kPanel] = {};
  alignas(64) float c[kLeftRows * kLeftRows] = {};
  const Tiles tiles;
  for (int i = 0; i < repeats; ++i) amx_square(c, kLeftRows, a, b, kUnits, true);
  return 2.0 * kLeftRows * kLeftRows * kUnits * Unit<bf16>::size * repeats + double(c[0]);
}

}  // namespace shacomp::SHACOMP_ISA
