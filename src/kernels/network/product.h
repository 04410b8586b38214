/** @file Products of int8 matrices with a few int8 vectors at a time, exact in int32. Included by *.isa.cc. */
#pragma once
#include "simd/simd.h"

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

/** One block of rows times kColumns vectors (stride apart), started at m.start; handed to `consume` per column. */
template <int kColumns, class Consumer>
INLINE void block_product(Matrix m, int depth, int row, const Operand* x, size_t stride, int column,
                          Consumer& consume) {
  // A single column leaves too few independent sums to hide the instruction's latency: two sets take turns.
  constexpr int kSets = kColumns == 1 ? 2 : 1;
  I32 sums[kSets][kColumns][kRowVectors];
  UNROLL for (int v = 0; v < kRowVectors; v++) {
    const I32 start = kOperandOffset ? load32(m.start + row + v * kLanes32) : set32(0);
    UNROLL for (int c = 0; c < kColumns; c++) sums[0][c][v] = start;
    if (kSets == 2) sums[kSets - 1][0][v] = set32(0);
  }
  const int8_t* w = m.packed + static_cast<size_t>(row) * depth;
  const Operand* const columns = x + column * stride;
  for (int k = 0; k < depth; k += kSets * kDepth) {
    UNROLL for (int set = 0; set < kSets; set++) {
      Weights weights[kRowVectors];
      UNROLL for (int v = 0; v < kRowVectors; v++) weights[v] = load_weights(w + v * kVectorBytes);
      UNROLL for (int c = 0; c < kColumns; c++) {
        const Broadcast operand = broadcast(columns + c * stride + k + set * kDepth);
        UNROLL for (int v = 0; v < kRowVectors; v++) sums[set][c][v] = dot(sums[set][c][v], weights[v], operand);
      }
      w += kRowVectors * kVectorBytes;
    }
  }
  UNROLL for (int c = 0; c < kColumns; c++) {
    if (kSets == 2) UNROLL for (int v = 0; v < kRowVectors; v++) sums[0][c][v] = sums[0][c][v] + sums[kSets - 1][c][v];
    consume(row, column + c, sums[0][c]);
  }
}

/** `columns` columns, in even groups of at most kMaxColumns. */
template <int kColumns, class Consumer>
INLINE void block_columns(Matrix m, int depth, int row, const Operand* x, size_t stride, int column, int group,
                          Consumer& consume) {
  if constexpr (kColumns > 0) {
    if (group == kColumns)
      block_product<kColumns>(m, depth, row, x, stride, column, consume);
    else
      block_columns<kColumns - 1>(m, depth, row, x, stride, column, group, consume);
  }
}

/**
 * rows x depth times depth x columns. `consume(row, column, sums)` gets kRowVectors I32: rows row, row + 1, ... of
 * one column.
 * @param x column c at x + c*stride
 */
template <class Consumer>
INLINE void product(Matrix m, int rows, int depth, const Operand* x, size_t stride, int columns, Consumer consume) {
  const int groups = (columns + kMaxColumns - 1) / kMaxColumns;
  for (int row = 0; row < rows; row += kBlockRows) {
    for (int g = 0; g < groups; g++) {
      const int from = columns * g / groups;
      const int to = columns * (g + 1) / groups;
      block_columns<kMaxColumns>(m, depth, row, x, stride, from, to - from, consume);
    }
  }
}

}  // namespace shacomp::SHACOMP_ISA
