/** @file Products one by one, for the compiler to make of them what it can. */
#pragma once

using Operand = int8_t;
constexpr int kOperandOffset = 0;
constexpr int kRowVectors = 2;
constexpr int kFewestSums = 4;

struct Plain {
  static constexpr char kName[] = "plain C++";
  static constexpr int kLimit = 127;
  static constexpr int kOffset = 0;
  static constexpr int kDepth = 1;
  static constexpr int kColumns = 2;
  static constexpr bool kRisky = false;
  struct Weights {
    int32_t v;
  };
  struct Operands {
    int32_t v;
  };
  INLINE int place(int row, int k) { return row + k; }
  INLINE Weights load(const int8_t* p) { return {*p}; }
  INLINE Operands broadcast(const Operand* p) { return {*p}; }
  INLINE I32 dot(I32 sum, Weights w, Operands x) { return {sum.v + w.v * x.v}; }
  INLINE Column prepare(const Operand*, int) { return {0, 0}; }

  static constexpr int kMostRowWeight = 127;
  static constexpr int kSumGroups = 4;
  using RowWeights = Operands;
  INLINE RowWeights spread(const Operand* p) { return {*p}; }
  INLINE I32 dot_rows(I32 sum, const int8_t* p, RowWeights w) { return {sum.v + *p * w.v}; }
  INLINE void store_row_sums(int32_t* p, I32 a) { *p = a.v; }
};

using Kernels = KernelList<Plain>;
using MemoryKernel = Plain;
