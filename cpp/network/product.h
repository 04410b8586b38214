/** @file Products of int8 matrices with a few int8 vectors at a time, exact in int32. Included by *.isa.cc. */
#pragma once
#include "core/simd/simd.h"

namespace shacomp::SHACOMP_ISA {

/**
 * An int8 matrix [rows][depth], repacked: blocks of kBlockRows rows; in a block, kDepth columns at a time, one vector
 * per kLanes32 rows. A block is read from front to back.
 */
struct Matrix {
  int8_t* packed;
  int32_t* start;  // [rows]: what each accumulator starts at, because operands carry kOperandOffset
};

/** Writes one row of a packed matrix. */
INLINE void pack_row(Matrix m, int row, const int8_t* values, int depth) {
  int8_t* const block = m.packed + static_cast<size_t>(row / kBlockRows) * kBlockRows * depth;
  const int in_block = row % kBlockRows;
  int8_t* out = block + in_block / kLanes32 * kVectorBytes;
  int32_t total = 0;
  for (int k = 0; k < depth; k += kDepth, out += kRowVectors * kVectorBytes) {
    UNROLL for (int i = 0; i < kDepth; i++) {
      out[packed_offset(in_block % kLanes32, i)] = values[k + i];
      total += values[k + i];
    }
  }
  m.start[row] = -kOperandOffset * total;
}

/**
 * One block of rows times kColumns columns, `stride` apart: sums [kColumns][kBlockRows]. A function of its own, so that
 * the sums stay in registers whatever is done with them (compilers of WebAssembly give up in larger functions).
 */
template <int kColumns>
[[gnu::noinline]] static void block_product(Matrix m, int depth, int row, const Operand* x, size_t stride,
                                            int32_t* out) {
  // A single column leaves too few independent sums to hide the instruction's latency: two sets take turns.
  constexpr int kSets = kColumns == 1 ? 2 : 1;
  I32 sums[kSets][kColumns][kRowVectors];
  UNROLL for (int v = 0; v < kRowVectors; v++) {
    const I32 start = kOperandOffset ? load32(m.start + row + v * kLanes32) : set32(0);
    UNROLL for (int c = 0; c < kColumns; c++) sums[0][c][v] = start;
    if (kSets == 2) sums[kSets - 1][0][v] = set32(0);
  }
  const int8_t* w = m.packed + static_cast<size_t>(row) * depth;
  for (int k = 0; k < depth; k += kSets * kDepth) {
    UNROLL for (int set = 0; set < kSets; set++) {
      Weights weights[kRowVectors];
      UNROLL for (int v = 0; v < kRowVectors; v++) weights[v] = load_weights(w + v * kVectorBytes);
      UNROLL for (int c = 0; c < kColumns; c++) {
        const Broadcast operand = broadcast(x + c * stride + k + set * kDepth);
        UNROLL for (int v = 0; v < kRowVectors; v++) sums[set][c][v] = dot(sums[set][c][v], weights[v], operand);
      }
      w += kRowVectors * kVectorBytes;
    }
  }
  UNROLL for (int c = 0; c < kColumns; c++) {
    UNROLL for (int v = 0; v < kRowVectors; v++) {
      const I32 sum = kSets == 2 ? sums[0][c][v] + sums[kSets - 1][c][v] : sums[0][c][v];
      store32(out + c * kBlockRows + v * kLanes32, sum);
    }
  }
}

/** block_product for a number of columns known at run time, 1 <= columns <= kMost. */
template <int kMost>
INLINE void block_product_of(int columns, Matrix m, int depth, int row, const Operand* x, size_t stride,
                             int32_t* out) {
  if constexpr (kMost > 1) {
    if (columns < kMost) return block_product_of<kMost - 1>(columns, m, depth, row, x, stride, out);
  }
  block_product<kMost>(m, depth, row, x, stride, out);
}

/**
 * rows x depth times depth x columns. `consume(row, column, sums)` gets the sums of rows row ... row + kBlockRows - 1 of
 * one column.
 * @param x column c at x + c*stride
 */
template <class Consumer>
INLINE void product(Matrix m, int rows, int depth, const Operand* x, size_t stride, int columns, Consumer consume) {
  alignas(64) int32_t sums[kMaxColumns * kBlockRows];
  const int groups = (columns + kMaxColumns - 1) / kMaxColumns;
  for (int row = 0; row < rows; row += kBlockRows) {
    for (int g = 0; g < groups; g++) {
      // even groups: 16 columns are better done as 6 + 5 + 5 than as 6 + 6 + 4
      const int from = columns * g / groups;
      const int to = columns * (g + 1) / groups;
      block_product_of<kMaxColumns>(to - from, m, depth, row, x + from * stride, stride, sums);
      for (int c = from; c < to; c++) consume(row, c, sums + (c - from) * kBlockRows);
    }
  }
}

}  // namespace shacomp::SHACOMP_ISA
