/**
 * @file Products of int8 matrices with a few int8 vectors at a time, exact in int32. Included by *.isa.cc.
 *
 * An instruction set has one or more kernels (network/products/), each exact for weights up to a limit; a
 * matrix takes the fastest that its largest weight allows. Which one it is changes no result. A kernel K is a
 * struct of
 *
 * kName, kLimit for people; largest |weight| that it is exact for, with operands in [-127, 127] kOffset what
 * is added to weights as they are packed, so that they are not negative kDepth, place a group of kLanes32
 * rows by kDepth columns is packed together; place: of one weight in it kColumns most vectors multiplied at a
 * time: as many as there are registers for suits_host (if not always) whether it is fast here, which only the
 * running host can tell load, broadcast, dot Weights of a group, Operands of its columns, and the sums of
 * their products added to each row prepare what there is to know of a column before it is multiplied kRisky,
 * dot_apart whether a column can have risky operands, for which dot_apart stands in for dot
 *
 * The attention memory is stored like a matrix, one row per position. MemoryKernel, exact for all of [-127,
 * 127], has in addition dot_rows, which adds a group's rows, each times its weight (`spread` of kLanes32
 * numbers 0..kMostRowWeight), to lanes that store_row_sums makes kDepth sums of; kSumGroups groups of columns
 * are done together.
 *
 * Common to an instruction set's kernels: Operand is how int8 values (plus kOperandOffset) are stored for
 * them, and kRowVectors vectors of rows are multiplied at a time, into at least kFewestSums independent sums,
 * as the instruction's latency asks.
 */
#pragma once
#include "core/simd/simd.h"

namespace shacomp::SHACOMP_ISA {

template <class... K>
struct KernelList {};

/** What a kernel has to know of one column of operands, at most 1024. */
struct Column {
  int32_t start;   // what is added to all its sums: -kOffset times the sum of the operands
  uint64_t risky;  // bit i: `dot` might not be exact for operands 16i ... 16i + 15
};
constexpr int kRiskyDepth = 16;

#if defined(SHACOMP_ISA_avx512)
#include "network/products/avx512.h"
#elif defined(SHACOMP_ISA_avx2) || defined(SHACOMP_ISA_avxvnni)
#include "network/products/avx2.h"
#elif defined(SHACOMP_ISA_wasm)
#include "network/products/wasm.h"
#elif defined(__aarch64__)
#include "network/products/neon.h"
#else
#include "network/products/scalar.h"
#endif

/** Values in [-127, 127] as operands. */
INLINE void store_operand(Operand* p, I16 a) {
  store_bytes(p, kOperandOffset ? a + set16(kOperandOffset) : a);
}

/** Rows that are packed together. */
constexpr int kBlockRows = kRowVectors * kLanes32;

/** Most columns that any kernel takes at a time. */
constexpr int kMaxColumns = 6;

struct ProductKernel;

/**
 * An int8 matrix [rows][depth], repacked: blocks of kBlockRows rows; in a block, kDepth columns at a time,
 * one group per kLanes32 rows. A block is read from front to back.
 */
struct Matrix {
  int8_t* packed;
  int32_t* start;  // [rows], where there is a kOperandOffset: -kOperandOffset times the sum of the row
  const ProductKernel* kernel;
};

/** Length of Matrix::start. */
constexpr size_t start_length(size_t rows) { return kOperandOffset ? rows : 0; }

/** A kernel as its matrices see it. */
struct ProductKernel {
  const char* name;
  int limit;
  int columns;
  void (*pack_row)(Matrix m, int row, const int8_t* values, int depth);
  Column (*prepare)(const Operand* x, int depth);
  /** One block of rows times 1, 2, ... columns; see block_product. */
  void (*block[kMaxColumns])(const int8_t* w, int depth, const Operand* x, size_t stride,
                             const int32_t* starts, int32_t* out, uint64_t risky);
  double (*bare_dot)(int repeats);
};

/** Writes one row of a packed matrix. */
template <class K>
static void pack_row(Matrix m, int row, const int8_t* values, int depth) {
  constexpr int kGroupBytes = kLanes32 * K::kDepth;
  const int in_block = row % kBlockRows;
  int8_t* out = m.packed + static_cast<size_t>(row - in_block) * depth + in_block / kLanes32 * kGroupBytes;
  int32_t total = 0;
  for (int k = 0; k < depth; k += K::kDepth, out += kRowVectors * kGroupBytes) {
    UNROLL
    for (int i = 0; i < K::kDepth; i++) {
      out[K::place(in_block % kLanes32, i)] = static_cast<int8_t>(values[k + i] + K::kOffset);
      total += values[k + i];
    }
  }
  if (kOperandOffset) m.start[row] = -kOperandOffset * total;
}

/**
 * One block of rows times kColumns columns, `stride` apart: sums [kColumns][kBlockRows]. A function of its
 * own, so that the sums stay in registers whatever is done with them (compilers of WebAssembly give up in
 * larger functions).
 * @param w the packed block
 * @param starts what sums start at: of the block's rows where there is a kOperandOffset, else of the columns
 * @param risky that of all columns together
 */
template <class K, int kColumns>
[[gnu::noinline]] static void block_product(const int8_t* w, int depth, const Operand* x, size_t stride,
                                            const int32_t* starts, int32_t* out, uint64_t risky) {
  constexpr int kGroupBytes = kLanes32 * K::kDepth;
  // Sets of sums take turns where there are few columns.
  constexpr int kSets = kColumns * kRowVectors >= kFewestSums ? 1 : kFewestSums / (kColumns * kRowVectors);
  constexpr int kStep = kSets * K::kDepth;
  I32 sums[kSets][kColumns][kRowVectors];
  UNROLL
  for (int set = 0; set < kSets; set++) {
    UNROLL
    for (int c = 0; c < kColumns; c++) {
      UNROLL
      for (int v = 0; v < kRowVectors; v++)
        sums[set][c][v] = kOperandOffset && set == 0 ? load32(starts + v * kLanes32) : set32(0);
    }
  }
  const auto multiply = [&](int k, auto dot) __attribute__((always_inline)) {
    UNROLL
    for (int set = 0; set < kSets; set++) {
      typename K::Weights weights[kRowVectors];
      UNROLL
      for (int v = 0; v < kRowVectors; v++) weights[v] = K::load(w + v * kGroupBytes);
      UNROLL
      for (int c = 0; c < kColumns; c++) {
        const typename K::Operands operands = K::broadcast(x + c * stride + k + set * K::kDepth);
        UNROLL
        for (int v = 0; v < kRowVectors; v++) sums[set][c][v] = dot(sums[set][c][v], weights[v], operands);
      }
      w += kRowVectors * kGroupBytes;
    }
  };
  const auto dot = [](I32 sum, auto weights, auto operands) { return K::dot(sum, weights, operands); };
  int k = 0;
  if constexpr (K::kRisky) {
    static_assert(kRiskyDepth % kStep == 0);
    for (; risky != 0; risky &= risky - 1) {
      const int from = kRiskyDepth * __builtin_ctzll(risky);
      for (; k < from; k += kStep) multiply(k, dot);
      for (; k < from + kRiskyDepth; k += kStep)
        multiply(k,
                 [](I32 sum, auto weights, auto operands) { return K::dot_apart(sum, weights, operands); });
    }
  }
  for (; k < depth; k += kStep) multiply(k, dot);
  UNROLL
  for (int c = 0; c < kColumns; c++) {
    UNROLL
    for (int v = 0; v < kRowVectors; v++) {
      I32 sum = sums[0][c][v];
      UNROLL
      for (int set = 1; set < kSets; set++) sum = sum + sums[set][c][v];
      if (!kOperandOffset) sum = sum + set32(starts[c]);
      store32(out + c * kBlockRows + v * kLanes32, sum);
    }
  }
}

/**
 * The inner loop of block_product, going back and forth between two sets of weights and operands in the first
 * cache.
 */
template <class K>
static double bare_dot(int repeats) {
  constexpr int kColumns = K::kColumns;
  constexpr int kSums = kRowVectors * kColumns;
  constexpr int kGroupBytes = kLanes32 * K::kDepth;
  constexpr int kBytes = kRowVectors * kGroupBytes;
  constexpr int kOperands = kColumns * K::kDepth;
  alignas(64) int8_t bytes[2 * kBytes];
  alignas(64) Operand operands[2 * kOperands];
  for (int i = 0; i < 2 * kBytes; i++) bytes[i] = static_cast<int8_t>(i % 7);
  for (int i = 0; i < 2 * kOperands; i++) operands[i] = static_cast<Operand>(kOperandOffset + i % 5);
  I32 sums[kColumns][kRowVectors];
  UNROLL
  for (int c = 0; c < kColumns; c++) {
    UNROLL
    for (int v = 0; v < kRowVectors; v++) sums[c][v] = set32(0);
  }
  for (int i = 0; i < repeats; i++) {
    const int8_t* const w = bytes + (i & 1) * kBytes;
    const Operand* const x = operands + (i & 1) * kOperands;
    typename K::Weights weights[kRowVectors];
    UNROLL
    for (int v = 0; v < kRowVectors; v++) weights[v] = K::load(w + v * kGroupBytes);
    UNROLL
    for (int c = 0; c < kColumns; c++) {
      const typename K::Operands operand = K::broadcast(x + c * K::kDepth);
      UNROLL
      for (int v = 0; v < kRowVectors; v++) sums[c][v] = K::dot(sums[c][v], weights[v], operand);
    }
  }
  int32_t out[kSums * kLanes32];
  UNROLL
  for (int c = 0; c < kColumns; c++) {
    UNROLL
    for (int v = 0; v < kRowVectors; v++) store32(out + (c * kRowVectors + v) * kLanes32, sums[c][v]);
  }
  asm volatile("" : : "r"(out) : "memory");  // somebody might read the sums
  return static_cast<double>(repeats) * kSums * kLanes32 * K::kDepth;
}

/** block_product for kFrom ... K::kColumns columns; more are never asked for. */
template <class K, int kFrom = 1>
constexpr void set_blocks(ProductKernel& kernel) {
  kernel.block[kFrom - 1] = block_product<K, kFrom>;
  if constexpr (kFrom < K::kColumns) set_blocks<K, kFrom + 1>(kernel);
}

template <class K>
constexpr ProductKernel make_kernel() {
  static_assert(K::kColumns <= kMaxColumns);
  static_assert(!(kOperandOffset && K::kOffset), "sums start at a number of the row or one of the column");
  ProductKernel kernel = {K::kName, K::kLimit, K::kColumns, pack_row<K>, K::prepare, {}, bare_dot<K>};
  set_blocks<K>(kernel);
  return kernel;
}

template <class K>
constexpr ProductKernel kKernel = make_kernel<K>();

template <class K>
bool is_exact_here();

/**
 * Whether a kernel is fast on this host: true unless it says otherwise. What depends on the host is also
 * tried: V8 before version 12 has an error in its first compiler's i32x4.relaxed_dot_i8x16_i7x16_add_s.
 */
template <class K>
INLINE bool suits_host() {
  if constexpr (requires { K::suits_host(); }) return K::suits_host() && is_exact_here<K>();
  return true;
}

template <class... K>
INLINE const ProductKernel* kernel_of(int largest, KernelList<K...>) {
  const ProductKernel* const kernels[] = {&kKernel<K>...};
  const bool suits[] = {suits_host<K>()...};
  int i = 0;
  while (largest > kernels[i]->limit || !suits[i]) i++;
  return kernels[i];
}

/** The fastest kernel that is exact for weights of that magnitude, at most 127. */
INLINE const ProductKernel* kernel_for(int largest) { return kernel_of(largest, Kernels()); }

/**
 * rows x depth times depth x columns. `consume(row, column, sums)` gets the sums of rows row ... row +
 * kBlockRows - 1 of one column.
 * @param x column c at x + c*stride
 * @param columns at most kMost
 */
template <int kMost, class Consumer>
INLINE void product(Matrix m, int rows, int depth, const Operand* x, size_t stride, int columns,
                    Consumer consume) {
  const ProductKernel& kernel = *m.kernel;
  alignas(64) int32_t sums[kMaxColumns * kBlockRows];
  int32_t starts[kMost];
  uint64_t risky[kMost];
  // even groups: 16 columns are better done as 6 + 5 + 5 than as 6 + 6 + 4
  const int groups = (columns + kernel.columns - 1) / kernel.columns;
  const auto first = [=](int g) { return columns * g / groups; };
  for (int g = 0; g < groups; g++) {
    risky[g] = 0;
    for (int c = first(g); c < first(g + 1) && !kOperandOffset; c++) {
      const Column column = kernel.prepare(x + c * stride, depth);
      starts[c] = column.start;
      risky[g] |= column.risky;
    }
  }
  for (int row = 0; row < rows; row += kBlockRows) {
    for (int g = 0; g < groups; g++) {
      const int from = first(g);
      const int to = first(g + 1);
      kernel.block[to - from - 1](m.packed + static_cast<size_t>(row) * depth, depth, x + from * stride,
                                  stride, kOperandOffset ? m.start + row : starts + from, sums, risky[g]);
      for (int c = from; c < to; c++) consume(row, c, sums + (c - from) * kBlockRows);
    }
  }
}

/** Tries a kernel's products of one block with every number of columns. */
template <class K>
bool is_exact_here() {
  constexpr int kTestDepth = 64;
  int8_t weights[kBlockRows * kTestDepth];
  alignas(64) int8_t packed[kBlockRows * kTestDepth];
  alignas(64) Operand operands[K::kColumns * kTestDepth];
  int32_t start[kBlockRows];
  uint32_t state = 1;
  const auto number = [&state](int limit) {
    state = state * 1664525 + 1013904223;
    return static_cast<int>(state >> 8) % (2 * limit + 1) - limit;
  };
  for (int8_t& w : weights) w = static_cast<int8_t>(number(K::kLimit));
  for (Operand& x : operands) x = static_cast<Operand>(number(127) + kOperandOffset);
  const Matrix m = {packed, start, &kKernel<K>};
  for (int row = 0; row < kBlockRows; row++)
    m.kernel->pack_row(m, row, weights + row * kTestDepth, kTestDepth);
  bool same = true;
  for (int columns = 1; columns <= K::kColumns; columns++) {
    product<K::kColumns>(
        m, kBlockRows, kTestDepth, operands, kTestDepth, columns, [&](int, int column, const int32_t* sums) {
          for (int row = 0; row < kBlockRows; row++) {
            int32_t sum = 0;
            for (int k = 0; k < kTestDepth; k++)
              sum += weights[row * kTestDepth + k] * (operands[column * kTestDepth + k] - kOperandOffset);
            same = same && sums[row] == sum;
          }
        });
  }
  return same;
}

}  // namespace shacomp::SHACOMP_ISA
