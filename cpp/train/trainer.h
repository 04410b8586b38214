/**
 * @file The trainer: what it knows, what each worker owns, and the steps that the other headers of this
 * folder define.
 *
 * Each worker owns a share of the sequences and carries them through the whole step; gradients are summed
 * afterwards. Rows of a worker's matrices are (step, sequence) pairs: row t * share + i is step t of its
 * sequence i, so that one time step is contiguous. Freestanding: all memory is one arena of the caller.
 *
 * In comments: d is the width, keys the attention's window, rows a worker's sequences times the steps of a
 * segment.
 */
#pragma once
#include "core/arena.h"
#include "train/gemm.h"
#include "train/train.h"

namespace shacomp::SHACOMP_ISA {
namespace {

constexpr int kSymbols = 256;
/** Rows that weight gradients are summed over at a time: the packed operands fit the second-level cache. */
constexpr int kChunk = 512;
constexpr float kNormEpsilon = 1e-12f;
/** Rows that pass the boom layer at a time: their products are read again while they are in a cache. */
constexpr int kBoomRows = 256;
/** A gradient that is longer, or not a number, changes nothing. */
constexpr double kLargestNorm = 1e30;
constexpr int kMaxLayers = 32, kMaxWorkers = 64;

inline void zero(void* p, std::size_t bytes) { __builtin_memset(p, 0, bytes); }

template <class E>
inline void convert(E* to, const float* from, std::ptrdiff_t n) {
  for (std::ptrdiff_t k = 0; k < n; k += kLanes) store(to + k, load(from + k));
}

inline void add(float* to, vf v) { store(to, load(to) + v); }

/** Offsets of a norm's weight and bias in the parameters. */
struct NormAt {
  std::size_t gain, bias;
};

/** Offsets of a layer's parameters. */
struct LayerAt {
  bool attention;
  NormAt start, memory, mid, query, residual, boom;
  std::size_t ih, hh, bias, wq, bq, gate_query, gate_key, gate_value, wb, bb;
};

struct Tensor {
  std::size_t begin, end;
  bool matrix;
  /** one or more matrices [d][d] of a layer, which Muon may step */
  bool square;
};

/** A matrix of the parameters, packed as right operand of products. */
template <class E>
struct Packed {
  E* forward;   // W^T, for x W^T
  E* backward;  // W, for dy W
};

/** Rows after a norm, before its gain and bias. */
struct Normalized {
  Matrix<float> value;  // [rows][d]
  float* scale;         // [rows] 1 / standard deviation
};

/** State that sequences carry from segment to segment: of training, or of evaluation. */
template <class E>
struct State {
  Matrix<E> hidden;    // [layers * batch][d]
  Matrix<float> cell;  // [layers * batch][d]
  Matrix<E> keys;      // [attention layers * batch * keys][d], of each sequence the past ones first
  int* valid;          // [batch] past positions that exist, at the end of the past
  std::size_t bytes;   // all of the above, contiguous from hidden
};

/** What a layer leaves behind in the forward pass for the backward pass. */
template <class E>
struct Activations {
  Matrix<float> gates;     // [rows][4 d] after their nonlinearities: in, forget, cell, out
  Matrix<float> cell;      // [share + rows][d], that before the segment first
  Matrix<E> hidden;        // [share + rows][d], likewise
  Normalized start;        // the layer's input; of the first layer it is in Trainer::symbols
  Normalized mid;          // the LSTM's output, where there is attention
  Normalized query;        // of the attention
  Matrix<E> gated_query;   // [rows][d] with both gates and the scale of the scores
  Matrix<float> weights;   // [share * keys][steps] of the attention
  Matrix<float> attended;  // [rows][d] weighted sums of the memory
  Normalized boom;         // what the boom layer reads
  Matrix<float> sums;      // [rows][boom d] before the GELU
};

template <class E>
struct Worker {
  int first, share, rows;
  Activations<E> layer[kMaxLayers];
  Normalized last;                // the softmax's input
  Matrix<float> x;                // [rows][d] a layer's output; going back, the gradient of what comes next
  Matrix<float> y;                // [rows][d] the attention's output; going back, scratch
  Matrix<float> memory_gradient;  // [rows][d]
  Matrix<E> logits;               // [rows][256] their gradient
  Matrix<E> a, b;                 // [rows][d] operands of products
  E* wide;                        // [rows][4 d or boom d] gradient of gates or sums
  Matrix<float> scores;           // [keys][steps] of one sequence
  Matrix<E> small;                // [keys][steps] of one sequence
  E *small_packed, *keys_packed, *wide_packed, *rows_packed;
  float *top, *total;            // [steps] of the softmax over positions
  float* gradient;               // [parameters]
  float* ranges;                 // largest magnitudes met in evaluation (train.h)
  float* moments;                // second moments met in evaluation (train.h)
  Matrix<float> table_gradient;  // [256][4 d] of Trainer::table
  double squares;                // of this worker's part of the gradient
  // [d][d] each, of Muon
  float *muon_step, *muon_product, *muon_fourth;
  E *muon_elements, *muon_square, *muon_packed;
};

template <class E>
struct Trainer {
  TrainConfig cfg;
  int d, past, keys, wide;
  float qscale;
  LayerAt at[kMaxLayers];
  std::size_t embedding, output_bias, count;
  NormAt final_norm;
  Tensor tensors[kMaxLayers * 24 + 8];
  int tensor_count;
  float *weights, *gradient, *m, *v, *ema;  // [parameters]
  Packed<E> ih[kMaxLayers], hh[kMaxLayers], wb[kMaxLayers], wq[kMaxLayers], emb;
  Normalized symbols;           // [256][d] the embedding
  Matrix<float> table;          // [256][4 d] the first layer's input products, by symbol
  float* key_gate[kMaxLayers];  // [d]
  State<E> train, eval;
  double* losses;  // [batch]
  float* ranges;   // [workers][ranges_length()]
  float* moments;  // [workers][moments_length()]
  const float* w;  // parameters in use: weights or ema
  Worker<E> workers[kMaxWorkers];

  // layout.h
  void lay_out(const TrainConfig& config, Arena& arena);
  std::size_t ranges_length() const {
    return std::size_t(cfg.layers) * (kRangeVectors * d + kRangeScalars) + d;
  }
  std::size_t moments_length() const {
    return cfg.moments ? (std::size_t(cfg.layers) * kMoments + 1) * d * d : 0;
  }
  float* layer_ranges(Worker<E>& k, int l) const {
    return k.ranges + std::size_t(l) * (kRangeVectors * d + kRangeScalars);
  }
  /** Row of a sequence in a layer's state. */
  int state_row(int l, int sequence) const { return l * cfg.batch + sequence; }
  /** The attention memory of a sequence, [keys][d]. */
  Matrix<E> keys_of(const State<E>& s, int l, int sequence) const;

  // forward.h
  void pack(int index);
  void input_table(int index);
  void forward(int index, State<E>& s, const TrainBatch& batch, bool training);
  void advance(int index, State<E>& s);

  // backward.h
  void backward(int index, State<E>& s, const TrainBatch& batch);
  void table_gradient(int index);

  // adamw.h
  void reduce(int index);
  double norm() const;
  void adamw(std::size_t from, std::size_t to, float keep, float clip, const Update& o);
  void update(int index, const Update& o);

  // muon.h
  void orthogonalize(Worker<E>& k, Matrix<float> x);
  void muon(Worker<E>& k, std::size_t at, float clip, const Update& o);

  void use(Source source) { w = source == Source::kEma ? ema : weights; }
  void run(Phase phase, int index, const TrainBatch& batch);

  /** Symbols [symbol_bound(i), symbol_bound(i + 1)) are worker i's in what is done once for each symbol. */
  int symbol_bound(int index) const { return kSymbols * index / cfg.workers & ~1; }

  /** A norm's gain and bias: to = n gain + bias, [d]. */
  template <class T>
  void affine(T* to, const float* n, NormAt p) const {
    for (int k = 0; k < d; k += kLanes)
      store(to + k, load(n + k) * load(w + p.gain + k) + load(w + p.bias + k));
  }

 private:
  std::size_t tensor(std::size_t n, bool matrix, bool square = false);
  NormAt norm_at();
  void lay_out_parameters();
  State<E> lay_out_state(Arena& arena);
  void lay_out_worker(Arena& arena, int index);

  void pack_matrix(Worker<E>& k, Packed<E>& to, std::size_t offset, int rows);
  void reset(Worker<E>& k, State<E>& s, const std::uint8_t* resets);
  void lstm(Worker<E>& k, State<E>& s, int l, const std::uint8_t* inputs);
  void softmax_columns(Worker<E>& k, Matrix<float> p, int valid);
  void attention(Worker<E>& k, State<E>& s, int l);
  void boom(Worker<E>& k, int l);
  void softmax(Worker<E>& k, const std::uint8_t* targets, bool training);
  void raise_channels(float* to, Matrix<float> m) const;
  void observe(Worker<E>& k, int l);
  void add_converted_moment(Worker<E>& k, std::size_t index, Matrix<float> x);
  void add_moment(Worker<E>& k, std::size_t index, Matrix<E> x);

  void weight_gradient(Worker<E>& k, Matrix<E> dy, float* g0, Matrix<E> x0, float* g1, Matrix<E> x1);
  void affine_backward(Worker<E>& k, float* dy, const float* n, NormAt p);
  void boom_backward(Worker<E>& k, int l);
  void attention_backward(Worker<E>& k, State<E>& s, int l);
  void lstm_backward(Worker<E>& k, int l, const std::uint8_t* inputs);

  std::size_t bound(int index) const { return count * index / cfg.workers / kPanel * kPanel; }
  std::size_t end_of(int index) const { return index + 1 == cfg.workers ? count : bound(index + 1); }
};

}  // namespace
}  // namespace shacomp::SHACOMP_ISA
