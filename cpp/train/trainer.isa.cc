/**
 * @file Forward, backward (truncated at the segment's start) and AdamW of the SHA-RNN (docs/model.md, section 1).
 *
 * Each worker owns a share of the sequences and carries them through the whole step; gradients are summed afterwards. Row
 * t * share + i of a worker's matrices is step t of its sequence i, so that one time step is contiguous. Freestanding: all
 * memory is one arena of the caller.
 */
#include "core/arena.h"
#include "core/isa.h"
#include "train/gemm.h"
#include "train/train.h"

namespace shacomp::SHACOMP_ISA {
namespace {

constexpr int kSymbols = 256;
/** Rows that weight gradients are summed over at a time: the packed operands fit the second-level cache. */
constexpr int kChunk = 512;
constexpr float kNormEpsilon = 1e-12f;
/** A gradient that is longer, or not a number, changes nothing. */
constexpr double kLargestNorm = 1e30;
constexpr int kMaxLayers = 32, kMaxWorkers = 64;

inline void zero(void* p, std::size_t bytes) { __builtin_memset(p, 0, bytes); }

/** x normalized into n; returns 1 / standard deviation. x may be n. */
inline float normalize(float* n, const float* x, int d) {
  vf s{};
  for (int k = 0; k < d; k += kLanes) s = s + load(x + k);
  const vf mean = splat(sum(s) / d);
  vf q{};
  for (int k = 0; k < d; k += kLanes) {
    const vf y = load(x + k) - mean;
    q = q + y * y;
  }
  const float r = 1.0f / __builtin_sqrtf(sum(q) / d + kNormEpsilon);
  for (int k = 0; k < d; k += kLanes) store(n + k, (load(x + k) - mean) * r);
  return r;
}

/** Gradient through normalize: g is that of n and becomes that of x. */
inline void normalize_backward(float* g, const float* n, float r, int d) {
  vf s{}, q{};
  for (int k = 0; k < d; k += kLanes) {
    const vf y = load(g + k);
    s = s + y;
    q = q + y * load(n + k);
  }
  const vf mean = splat(sum(s) / d), slope = splat(sum(q) / d);
  for (int k = 0; k < d; k += kLanes) store(g + k, (load(g + k) - mean - load(n + k) * slope) * r);
}

template <class E>
inline void affine(E* to, const float* n, const float* gain, const float* bias, int d) {
  for (int k = 0; k < d; k += kLanes) store(to + k, load(n + k) * load(gain + k) + load(bias + k));
}

template <class E>
inline void convert(E* to, const float* from, std::ptrdiff_t n) {
  for (std::ptrdiff_t k = 0; k < n; k += kLanes) store(to + k, load(from + k));
}

inline void add(float* to, vf v) { store(to, load(to) + v); }

/** Offsets of a norm's weight and bias in the parameters. */
struct NormAt {
  std::size_t gain, bias;
};

struct LayerAt {
  bool attention;
  NormAt start, memory, mid, query, residual, boom;
  std::size_t ih, hh, bias, wq, bq, gate_query, gate_key, gate_value, wb, bb;
};

struct Tensor {
  std::size_t begin, end;
  bool matrix;
};

template <class E>
struct Packed {
  /** W^T as right operand of x W^T, and W as that of dy W. */
  E *forward, *backward;
};

/** State that sequences carry from segment to segment: of training, or of evaluation. */
template <class E>
struct State {
  E* h;        // [layers][batch][d]
  float* c;    // [layers][batch][d]
  E* keys;     // [attention layers][batch][past + steps][d], the past ones first
  int* valid;  // [batch] past positions that exist, at the end of the past
  std::size_t bytes;  // all of the above, contiguous from h
};

template <class E>
struct Activations {
  float *gates, *c, *x0, *r0, *x1, *r1, *xq, *rq, *o, *p, *x2, *r2, *z;
  E *h, *q;
};

template <class E>
struct Worker {
  int first, share, rows;
  Activations<E> layer[kMaxLayers];
  float *x, *y, *dm, *xf, *rf, *column, *s;
  E *a, *b, *wide, *wide_packed, *rows_packed, *small, *small2, *keys_packed, *logits;
  float* gradient;
  float* ranges;   // largest magnitudes met in evaluation (train.h)
  float* moments;  // second moments met in evaluation (train.h)
  float* table;    // gradient of the first layer's input products, by symbol
  double squares;  // of this worker's part of the gradient
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
  float *weights, *gradient, *m, *v, *ema;
  Packed<E> ih[kMaxLayers], hh[kMaxLayers], wb[kMaxLayers], wq[kMaxLayers], emb;
  float *xe, *re, *table;  // normalized embedding and the first layer's input products, by symbol
  float* key_gate[kMaxLayers];
  State<E> train, eval;
  double* losses;
  float* ranges;   // [workers][ranges_length()]
  float* moments;  // [workers][moments_length()]
  const float* w;  // parameters in use: weights or ema
  Worker<E> workers[kMaxWorkers];

  // ---- layout -------------------------------------------------------------------------------------------------------

  std::size_t tensor(std::size_t n, bool matrix) {
    tensors[tensor_count++] = {count, count + n, matrix};
    count += n;
    return count - n;
  }
  NormAt norm_at() {
    const std::size_t gain = tensor(d, false);
    return {gain, tensor(d, false)};
  }

  void lay_out_parameters() {
    count = 0;
    tensor_count = 0;
    const std::size_t n = d;
    embedding = tensor(kSymbols * n, true);
    for (int l = 0; l < cfg.layers; ++l) {
      LayerAt& a = at[l];
      a.attention = cfg.attention >> l & 1;
      a.start = norm_at();
      a.ih = tensor(4 * n * n, true);
      a.hh = tensor(4 * n * n, true);
      a.bias = tensor(4 * n, false);
      if (a.attention) {
        a.memory = norm_at();
        a.mid = norm_at();
        a.wq = tensor(n * n, true);
        a.bq = tensor(n, false);
        a.query = norm_at();
        a.gate_query = tensor(n, false);
        a.gate_key = tensor(n, false);
        a.gate_value = tensor(n, false);
      }
      a.residual = norm_at();
      a.boom = norm_at();
      a.wb = tensor(cfg.boom * n * n, true);
      a.bb = tensor(cfg.boom * n, false);
    }
    final_norm = norm_at();
    output_bias = tensor(kSymbols, false);
  }

  State<E> lay_out_state(Arena& arena) {
    State<E> s;
    const std::uint64_t n = std::uint64_t(cfg.batch) * d;
    const std::uint64_t begin = arena.used();
    int attentions = 0;
    for (int l = 0; l < cfg.layers; ++l) attentions += at[l].attention;
    s.h = arena.take<E>(cfg.layers * n);
    s.c = arena.take<float>(cfg.layers * n);
    s.keys = arena.take<E>(attentions * n * keys);
    s.valid = arena.take<int>(cfg.batch);
    s.bytes = std::size_t(arena.used() - begin);
    return s;
  }

  Packed<E> lay_out_matrix(Arena& arena, std::size_t n) {
    Packed<E> p;
    p.forward = arena.take<E>(n);
    p.backward = arena.take<E>(n);
    return p;
  }

  void lay_out(const TrainConfig& config, Arena& arena) {
    cfg = config;
    d = cfg.width;
    past = cfg.window - cfg.steps;
    keys = cfg.window;
    wide = (cfg.boom > 4 ? cfg.boom : 4) * d;
    qscale = 1.0f / __builtin_sqrtf(float(d));
    lay_out_parameters();
    weights = arena.take<float>(count);
    gradient = arena.take<float>(count);
    m = arena.take<float>(count);
    v = arena.take<float>(count);
    ema = arena.take<float>(count);
    const std::size_t square = std::size_t(d) * d;
    for (int l = 0; l < cfg.layers; ++l) {
      ih[l] = lay_out_matrix(arena, 4 * square);
      hh[l] = lay_out_matrix(arena, 4 * square);
      wb[l] = lay_out_matrix(arena, cfg.boom * square);
      if (at[l].attention) wq[l] = lay_out_matrix(arena, square);
      key_gate[l] = arena.take<float>(d);
    }
    emb = lay_out_matrix(arena, std::size_t(kSymbols) * d);
    xe = arena.take<float>(std::size_t(kSymbols) * d);
    re = arena.take<float>(kSymbols);
    table = arena.take<float>(std::size_t(kSymbols) * 4 * d);
    train = lay_out_state(arena);
    eval = lay_out_state(arena);
    losses = arena.take<double>(cfg.batch);
    ranges = arena.take<float>(std::size_t(cfg.workers) * ranges_length());
    moments = arena.take<float>(std::size_t(cfg.workers) * moments_length());
    for (int i = 0; i < cfg.workers; ++i) lay_out_worker(arena, i);
  }

  void lay_out_worker(Arena& arena, int index) {
    Worker<E>& k = workers[index];
    k.first = int(std::int64_t(cfg.batch) * index / cfg.workers);
    k.share = int(std::int64_t(cfg.batch) * (index + 1) / cfg.workers) - k.first;
    k.rows = k.share * cfg.steps;
    // At least one row per symbol: the embedding's products use the same scratch.
    const std::uint64_t rows = k.rows > kSymbols ? k.rows : kSymbols, n = rows * d;
    for (int l = 0; l < cfg.layers; ++l) {
      Activations<E>& a = k.layer[l];
      a.gates = arena.take<float>(4 * n);
      a.c = arena.take<float>(n + std::size_t(k.share) * d);
      a.h = arena.take<E>(n + std::size_t(k.share) * d);
      a.x0 = arena.take<float>(n);
      a.r0 = arena.take<float>(rows);
      if (at[l].attention) {
        a.x1 = arena.take<float>(n);
        a.r1 = arena.take<float>(rows);
        a.xq = arena.take<float>(n);
        a.rq = arena.take<float>(rows);
        a.o = arena.take<float>(n);
        a.p = arena.take<float>(rows * keys);
        a.q = arena.take<E>(n);
      }
      a.x2 = arena.take<float>(n);
      a.r2 = arena.take<float>(rows);
      a.z = arena.take<float>(cfg.boom * n);
    }
    k.x = arena.take<float>(n);
    k.y = arena.take<float>(n);
    k.dm = arena.take<float>(n);
    k.xf = arena.take<float>(n);
    k.rf = arena.take<float>(rows);
    k.column = arena.take<float>(2 * cfg.steps);
    const std::uint64_t weights_scratch = std::uint64_t(wide) * d;
    const std::uint64_t scores = std::uint64_t(keys) * cfg.steps;
    k.s = arena.take<float>(scores);
    k.a = arena.take<E>(n > weights_scratch ? n : weights_scratch);
    k.b = arena.take<E>(n);
    k.wide = arena.take<E>(rows * wide);
    k.wide_packed = arena.take<E>(std::size_t(kChunk) * wide);
    k.rows_packed = arena.take<E>(std::size_t(kChunk) * d + std::size_t(cfg.steps) * d);
    k.small = arena.take<E>(scores);
    k.small2 = arena.take<E>(scores);
    k.keys_packed = arena.take<E>(std::size_t(keys) * d);
    k.logits = arena.take<E>(rows * kSymbols);
    k.gradient = index == 0 ? gradient : arena.take<float>(count);
    k.table = arena.take<float>(std::size_t(kSymbols) * 4 * d);
    // null while measuring
    k.ranges = ranges ? ranges + std::size_t(index) * ranges_length() : nullptr;
    k.moments = moments ? moments + std::size_t(index) * moments_length() : nullptr;
  }

  std::size_t ranges_length() const { return std::size_t(cfg.layers) * (kRangeVectors * d + kRangeScalars) + d; }
  std::size_t moments_length() const {
    return cfg.moments ? (std::size_t(cfg.layers) * kMoments + 1) * d * d : 0;
  }
  float* layer_ranges(Worker<E>& k, int l) const { return k.ranges + std::size_t(l) * (kRangeVectors * d + kRangeScalars); }

  // ---- shared preparation -------------------------------------------------------------------------------------------

  void pack_matrix(Worker<E>& k, Packed<E>& to, std::size_t offset, int rows) {
    convert(k.a, w + offset, std::ptrdiff_t(rows) * d);
    pack_columns(to.forward, k.a, d, d, rows);
    pack_rows(to.backward, k.a, d, rows, d);
  }

  void pack(int index) {
    Worker<E>& k = workers[index];
    int job = 0;
    const auto mine = [&] { return job++ % cfg.workers == index; };
    if (mine()) pack_matrix(k, emb, embedding, kSymbols);
    for (int l = 0; l < cfg.layers; ++l) {
      if (mine()) pack_matrix(k, ih[l], at[l].ih, 4 * d);
      if (mine()) pack_matrix(k, hh[l], at[l].hh, 4 * d);
      if (mine()) pack_matrix(k, wb[l], at[l].wb, cfg.boom * d);
      if (!at[l].attention) continue;
      if (mine()) pack_matrix(k, wq[l], at[l].wq, d);
      if (mine())
        for (int i = 0; i < d; i += kLanes)
          store(key_gate[l] + i, sigmoid(load(w + at[l].gate_query + i)) * sigmoid(load(w + at[l].gate_key + i)) * qscale);
    }
  }

  int symbol_bound(int index) const { return kSymbols * index / cfg.workers & ~1; }

  void input_table(int index) {
    Worker<E>& k = workers[index];
    const int begin = symbol_bound(index), end = symbol_bound(index + 1);
    for (int s = begin; s < end; ++s) {
      float* n = xe + s * d;
      re[s] = normalize(n, w + embedding + s * d, d);
      affine(k.a + (s - begin) * d, n, w + at[0].start.gain, w + at[0].start.bias, d);
    }
    gemm(table + begin * 4 * d, 4 * d, rows_of(k.a, d), ih[0].forward, end - begin, 4 * d, d, false);
  }

  // ---- forward ------------------------------------------------------------------------------------------------------

  E* keys_of(const State<E>& s, int l, int b) const {
    int before = 0;
    for (int i = 0; i < l; ++i) before += at[i].attention;
    return s.keys + (std::size_t(before) * cfg.batch + b) * keys * d;
  }

  void reset(Worker<E>& k, State<E>& s, const std::uint8_t* resets) {
    for (int b = k.first; b < k.first + k.share; ++b) {
      if (!resets[b]) continue;
      s.valid[b] = 0;
      for (int l = 0; l < cfg.layers; ++l) {
        zero(s.h + (std::size_t(l) * cfg.batch + b) * d, d * sizeof(E));
        zero(s.c + (std::size_t(l) * cfg.batch + b) * d, d * sizeof(float));
      }
    }
  }

  void lstm(Worker<E>& k, State<E>& s, int l, const std::uint8_t* inputs) {
    Activations<E>& a = k.layer[l];
    const float* bias = w + at[l].bias;
    const std::size_t at_state = (std::size_t(l) * cfg.batch + k.first) * d, n = std::size_t(k.share) * d;
    __builtin_memcpy(a.h, s.h + at_state, n * sizeof(E));
    __builtin_memcpy(a.c, s.c + at_state, n * sizeof(float));
    if (l > 0) {
      for (int r = 0; r < k.rows; ++r) {
        a.r0[r] = normalize(a.x0 + std::size_t(r) * d, k.x + std::size_t(r) * d, d);
        affine(k.a + std::size_t(r) * d, a.x0 + std::size_t(r) * d, w + at[l].start.gain, w + at[l].start.bias, d);
      }
      gemm(a.gates, 4 * d, rows_of(k.a, d), ih[l].forward, k.rows, 4 * d, d, false);
    }
    float* normal = at[l].attention ? a.x1 : a.x2;
    float* scale = at[l].attention ? a.r1 : a.r2;
    float* h = k.y;  // a few rows of scratch
    for (int t = 0; t < cfg.steps; ++t) {
      const std::size_t row = std::size_t(t) * k.share;
      float* gates = a.gates + row * 4 * d;
      if (l == 0)
        for (int i = 0; i < k.share; ++i)
          __builtin_memcpy(gates + i * 4 * d, table + inputs[(k.first + i) * cfg.steps + t] * 4 * d, 4 * d * sizeof(float));
      gemm(gates, 4 * d, rows_of(a.h + row * d, d), hh[l].forward, k.share, 4 * d, d, true);
      for (int i = 0; i < k.share; ++i) {
        float* g = gates + i * 4 * d;
        const float* before = a.c + (row + i) * d;
        float* c = a.c + (row + k.share + i) * d;
        E* state = a.h + (row + k.share + i) * d;
        for (int j = 0; j < d; j += kLanes) {
          const vf in = sigmoid(load(g + j) + load(bias + j));
          const vf forget = sigmoid(load(g + d + j) + load(bias + d + j));
          const vf cell = tanh(load(g + 2 * d + j) + load(bias + 2 * d + j));
          const vf out = sigmoid(load(g + 3 * d + j) + load(bias + 3 * d + j));
          const vf next = forget * load(before + j) + in * cell;
          const vf y = out * tanh(next);
          store(g + j, in);
          store(g + d + j, forget);
          store(g + 2 * d + j, cell);
          store(g + 3 * d + j, out);
          store(c + j, next);
          store(state + j, y);
          store(h + j, y);
        }
        scale[row + i] = normalize(normal + (row + i) * d, h, d);
      }
    }
    __builtin_memcpy(s.h + at_state, a.h + std::size_t(k.rows) * d, n * sizeof(E));
    __builtin_memcpy(s.c + at_state, a.c + std::size_t(k.rows) * d, n * sizeof(float));
  }

  /** Softmax over the positions of p[keys][steps], of those that a step may see. */
  void softmax_columns(Worker<E>& k, float* p, int valid) {
    const int T = cfg.steps, from = past - valid;
    float *top = k.column, *total = k.column + T;
    for (int t = 0; t < T; t += kLanes) {
      store(top + t, splat(-1e30f));
      store(total + t, vf{});
    }
    zero(p, std::size_t(from) * T * sizeof(float));
    for (int j = from; j < keys; ++j) {
      float* row = p + std::size_t(j) * T;
      for (int t = 0; t < j - past; ++t) row[t] = -1e30f;
      for (int t = 0; t < T; t += kLanes) store(top + t, max(load(top + t), load(row + t)));
    }
    for (int j = from; j < keys; ++j) {
      float* row = p + std::size_t(j) * T;
      for (int t = 0; t < T; t += kLanes) {
        const vf e = exp(load(row + t) - load(top + t));
        store(row + t, e);
        add(total + t, e);
      }
    }
    for (int t = 0; t < T; t += kLanes) store(total + t, 1.0f / load(total + t));
    for (int j = from; j < keys; ++j) {
      float* row = p + std::size_t(j) * T;
      for (int t = 0; t < j - past; ++t) row[t] = 0;
      for (int t = 0; t < T; t += kLanes) store(row + t, load(row + t) * load(total + t));
    }
  }

  void attention(Worker<E>& k, State<E>& s, int l) {
    Activations<E>& a = k.layer[l];
    const LayerAt& p = at[l];
    const int T = cfg.steps;
    const std::ptrdiff_t ld = std::ptrdiff_t(k.share) * d;
    for (int r = 0; r < k.rows; ++r) {
      const float* n = a.x1 + std::size_t(r) * d;
      E* key = keys_of(s, l, k.first + r % k.share) + (past + r / k.share) * std::ptrdiff_t(d);
      affine(key, n, w + p.memory.gain, w + p.memory.bias, d);
      affine(k.y + std::size_t(r) * d, n, w + p.mid.gain, w + p.mid.bias, d);
      convert(k.a + std::size_t(r) * d, k.y + std::size_t(r) * d, d);
    }
    gemm(a.xq, d, rows_of(k.a, d), wq[l].forward, k.rows, d, d, false);
    for (int r = 0; r < k.rows; ++r) {
      float* n = a.xq + std::size_t(r) * d;
      for (int j = 0; j < d; j += kLanes) add(n + j, load(w + p.bq + j));
      a.rq[r] = normalize(n, n, d);
      for (int j = 0; j < d; j += kLanes)
        store(a.q + std::size_t(r) * d + j,
              (load(n + j) * load(w + p.query.gain + j) + load(w + p.query.bias + j)) * load(key_gate[l] + j));
    }
    for (int i = 0; i < k.share; ++i) {
      const E* key = keys_of(s, l, k.first + i);
      float* scores = a.p + std::size_t(i) * keys * T;
      pack_columns(k.rows_packed, a.q + std::size_t(i) * d, ld, d, T);
      gemm(scores, T, rows_of(key, d), k.rows_packed, keys, T, d, false);
      softmax_columns(k, scores, s.valid[k.first + i]);
      convert(k.small, scores, std::ptrdiff_t(keys) * T);
      pack_rows(k.small2, k.small, T, keys, T);
      pack_rows(k.keys_packed, key, d, keys, d);
      gemm(a.o + std::size_t(i) * d, ld, columns_of(k.small2, keys), k.keys_packed, T, d, keys, false);
    }
    for (int r = 0; r < k.rows; ++r) {
      float* y = k.y + std::size_t(r) * d;
      const float* o = a.o + std::size_t(r) * d;
      for (int j = 0; j < d; j += kLanes) add(y + j, sigmoid(load(w + p.gate_value + j)) * load(o + j));
      a.r2[r] = normalize(a.x2 + std::size_t(r) * d, y, d);
    }
  }

  /** x = LN(y; residual) + sum of the chunks of gelu(W LN(y; boom) + b). */
  void boom(Worker<E>& k, int l) {
    Activations<E>& a = k.layer[l];
    const LayerAt& p = at[l];
    const int n = cfg.boom * d;
    for (int r0 = 0; r0 < k.rows; r0 += kPanel) {
      const int rows = k.rows - r0 < kPanel ? k.rows - r0 : kPanel;
      for (int r = 0; r < rows; ++r)
        affine(k.a + r * d, a.x2 + std::size_t(r0 + r) * d, w + p.boom.gain, w + p.boom.bias, d);
      float* z = a.z + std::size_t(r0) * n;
      gemm(z, n, rows_of(k.a, d), wb[l].forward, rows, n, d, false);
      for (int r = 0; r < rows; ++r, z += n) {
        float* x = k.x + std::size_t(r0 + r) * d;
        affine(x, a.x2 + std::size_t(r0 + r) * d, w + p.residual.gain, w + p.residual.bias, d);
        for (int j = 0; j < d; j += kLanes) {
          vf total = load(x + j);
          for (int i = j; i < n; i += d) {
            const vf u = load(z + i) + load(w + p.bb + i);
            store(z + i, u);
            total = total + u * sigmoid(1.702f * u);
          }
          store(x + j, total);
        }
      }
    }
  }

  /** Losses, and in training the gradient of the logits (k.logits). */
  void softmax(Worker<E>& k, const std::uint8_t* targets, bool training) {
    for (int i = 0; i < k.share; ++i) losses[k.first + i] = 0;
    const float share = 1.0f / (float(cfg.batch) * cfg.steps);
    float* bias_gradient = k.gradient + output_bias;
    for (int r0 = 0; r0 < k.rows; r0 += kPanel) {
      const int rows = k.rows - r0 < kPanel ? k.rows - r0 : kPanel;
      for (int r = r0; r < r0 + rows; ++r) {
        k.rf[r] = normalize(k.xf + std::size_t(r) * d, k.x + std::size_t(r) * d, d);
        affine(k.a + std::size_t(r) * d, k.xf + std::size_t(r) * d, w + final_norm.gain, w + final_norm.bias, d);
      }
      float* z = k.y;
      gemm(z, kSymbols, rows_of(k.a + std::size_t(r0) * d, d), emb.forward, rows, kSymbols, d, false);
      for (int r = 0; r < rows; ++r, z += kSymbols) {
        const int t = (r0 + r) / k.share, b = k.first + (r0 + r) % k.share;
        const int target = targets[b * cfg.steps + t];
        vf top = splat(-1e30f), total{};
        for (int j = 0; j < kSymbols; j += kLanes) {
          const vf u = load(z + j) + load(w + output_bias + j);
          store(z + j, u);
          top = max(top, u);
        }
        float most = top[0];
        for (int j = 1; j < kLanes; ++j) most = top[j] > most ? top[j] : most;
        const float chosen = z[target];
        for (int j = 0; j < kSymbols; j += kLanes) {
          const vf e = exp(load(z + j) - most);
          store(z + j, e);
          total = total + e;
        }
        const float all = sum(total);
        losses[b] += double(most) - double(chosen) + log(double(all));
        if (!training) continue;
        for (int j = 0; j < kSymbols; j += kLanes) store(z + j, load(z + j) * (share / all));
        z[target] -= share;
        for (int j = 0; j < kSymbols; j += kLanes) add(bias_gradient + j, load(z + j));
        convert(k.logits + std::size_t(r0 + r) * kSymbols, z, kSymbols);
      }
    }
  }

  /** Raises to[channel] to the largest magnitudes of rows of d numbers. */
  void raise_channels(float* to, const float* rows, int count) const {
    for (int r = 0; r < count; ++r)
      for (int j = 0; j < d; j += kLanes) {
        const vf x = load(rows + std::size_t(r) * d + j);
        store(to + j, max(load(to + j), max(x, 0.0f - x)));
      }
  }
  /** Raises *to to the largest magnitude of n numbers. */
  static void raise(float* to, const float* x, std::size_t n) {
    vf most = splat(*to);
    for (std::size_t j = 0; j < n; j += kLanes) most = max(most, max(load(x + j), 0.0f - load(x + j)));
    for (int j = 0; j < kLanes; ++j) *to = most[j] > *to ? most[j] : *to;
  }

  /** What the layer has left behind of its last segment. k.y holds the attention's output, k.x the layer's. */
  void observe(Worker<E>& k, int l) {
    const Activations<E>& a = k.layer[l];
    float* const vectors = layer_ranges(k, l);
    float* const scalars = vectors + kRangeVectors * d;
    const std::size_t n = std::size_t(k.rows) * d;
    if (l > 0) raise_channels(vectors + kStartRange * d, a.x0, k.rows);
    if (at[l].attention) {
      raise_channels(vectors + kMemoryRange * d, a.x1, k.rows);
      raise_channels(vectors + kQueryRange * d, a.xq, k.rows);
      // what the norm has made of it, times the deviation: all but the mean
      for (int r = 0; r < k.rows; ++r) {
        float reach = 0;
        raise(&reach, a.xq + std::size_t(r) * d, d);
        scalars[kQueryReach] = reach / a.rq[r] > scalars[kQueryReach] ? reach / a.rq[r] : scalars[kQueryReach];
      }
      raise(scalars + kAttentionReach, k.y, n);
    }
    raise_channels(vectors + kBoomRange * d, a.x2, k.rows);
    raise(scalars + kBoomReach, a.z, n * cfg.boom);
    raise(scalars + kCellReach, a.c, n + std::size_t(k.share) * d);
    raise(scalars + kOutputReach, k.x, n);
    if (!cfg.moments) return;
    const std::size_t first = std::size_t(l) * kMoments;
    if (l > 0) add_converted_moment(k, first + kStartMoment, a.x0);
    add_moment(k, first + kHiddenMoment, a.h);
    if (at[l].attention) add_converted_moment(k, first + kMemoryMoment, a.x1);
    add_converted_moment(k, first + kBoomMoment, a.x2);
  }

  void add_converted_moment(Worker<E>& k, std::size_t index, const float* x) {
    convert(k.a, x, std::ptrdiff_t(k.rows) * d);
    add_moment(k, index, k.a);
  }
  /** Adds x x^T of all rows to a moment. */
  void add_moment(Worker<E>& k, std::size_t index, const E* x) {
    float* const to = k.moments + index * d * d;
    for (int r = 0; r < k.rows; r += kChunk) {
      const int n = k.rows - r < kChunk ? k.rows - r : kChunk;
      pack_rows(k.rows_packed, x + std::size_t(r) * d, d, n, d);
      gemm(to, d, columns_of(k.rows_packed, n), k.rows_packed, d, d, n, true);
    }
  }

  void forward(int index, State<E>& s, const TrainBatch& batch, bool training) {
    Worker<E>& k = workers[index];
    if (k.share == 0) return;
    reset(k, s, batch.resets);
    for (int l = 0; l < cfg.layers; ++l) {
      lstm(k, s, l, batch.inputs);
      if (at[l].attention) attention(k, s, l);
      boom(k, l);
      if (!training) observe(k, l);
    }
    softmax(k, batch.targets, training);
    if (training) return;
    raise_channels(k.ranges + ranges_length() - d, k.xf, k.rows);
    if (cfg.moments) add_converted_moment(k, std::size_t(cfg.layers) * kMoments, k.xf);
  }

  /** Moves the memory on by one segment. */
  void advance(int index, State<E>& s) {
    Worker<E>& k = workers[index];
    for (int b = k.first; b < k.first + k.share; ++b) {
      for (int l = 0; l < cfg.layers; ++l)
        if (at[l].attention) {
          E* key = keys_of(s, l, b);
          __builtin_memmove(key, key + std::ptrdiff_t(cfg.steps) * d, std::size_t(past) * d * sizeof(E));
        }
      s.valid[b] = s.valid[b] + cfg.steps < past ? s.valid[b] + cfg.steps : past;
    }
  }

  // ---- backward -----------------------------------------------------------------------------------------------------

  /** gradient[ny][nx] += dy^T x over `rows` rows (a multiple of 2), for one or two x of one dy. */
  void weight_gradient(Worker<E>& k, const E* dy, int ny, int rows, float* g0, const E* x0, float* g1, const E* x1) {
    for (int r = 0; r < rows; r += kChunk) {
      const int n = rows - r < kChunk ? rows - r : kChunk;
      pack_rows(k.wide_packed, dy + std::size_t(r) * ny, ny, n, ny);
      pack_rows(k.rows_packed, x0 + std::size_t(r) * d, d, n, d);
      gemm(g0, d, columns_of(k.wide_packed, n), k.rows_packed, ny, d, n, true);
      if (!g1) continue;
      pack_rows(k.rows_packed, x1 + std::size_t(r) * d, d, n, d);
      gemm(g1, d, columns_of(k.wide_packed, n), k.rows_packed, ny, d, n, true);
    }
  }

  /** Adds the gradients of a norm's gain and bias; dy becomes that of the normalized vector. */
  void affine_backward(Worker<E>& k, float* dy, const float* n, NormAt p) {
    float *gain = k.gradient + p.gain, *bias = k.gradient + p.bias;
    for (int j = 0; j < d; j += kLanes) {
      const vf g = load(dy + j);
      add(gain + j, g * load(n + j));
      add(bias + j, g);
      store(dy + j, g * load(w + p.gain + j));
    }
  }

  void boom_backward(Worker<E>& k, int l) {
    Activations<E>& a = k.layer[l];
    const LayerAt& p = at[l];
    const int n = cfg.boom * d;
    float* bias = k.gradient + p.bb;
    float* de = k.y;  // kPanel rows
    for (int r0 = 0; r0 < k.rows; r0 += kPanel) {
      const int rows = k.rows - r0 < kPanel ? k.rows - r0 : kPanel;
      E* dz = k.wide + std::size_t(r0) * n;
      for (int r = 0; r < rows; ++r) {
        const float* z = a.z + std::size_t(r0 + r) * n;
        const float* dx = k.x + std::size_t(r0 + r) * d;
        for (int i = 0; i < n; i += d)
          for (int j = 0; j < d; j += kLanes) {
            const vf u = load(z + i + j), s = sigmoid(1.702f * u);
            const vf g = load(dx + j) * (s + 1.702f * u * s * (1.0f - s));
            add(bias + i + j, g);
            store(dz + std::size_t(r) * n + i + j, g);
          }
        affine(k.a + std::size_t(r0 + r) * d, a.x2 + std::size_t(r0 + r) * d, w + p.boom.gain, w + p.boom.bias, d);
      }
      gemm(de, d, rows_of(dz, n), wb[l].backward, rows, d, n, false);
      for (int r = 0; r < rows; ++r) {
        const float* x2 = a.x2 + std::size_t(r0 + r) * d;
        float* dx = k.x + std::size_t(r0 + r) * d;
        affine_backward(k, de + r * d, x2, p.boom);
        affine_backward(k, dx, x2, p.residual);
        for (int j = 0; j < d; j += kLanes) add(dx + j, load(de + r * d + j));
        normalize_backward(dx, x2, a.r2[r0 + r], d);
      }
    }
    weight_gradient(k, k.wide, n, k.rows, k.gradient + p.wb, k.a, nullptr, nullptr);
  }

  /** k.x: gradient of the attention's output, becomes that of its input h. */
  void attention_backward(Worker<E>& k, State<E>& s, int l) {
    Activations<E>& a = k.layer[l];
    const LayerAt& p = at[l];
    const int T = cfg.steps;
    const std::ptrdiff_t ld = std::ptrdiff_t(k.share) * d;
    float* delta = k.xf;  // [share][T]
    E* dout = k.b;        // gradient of the weighted sum
    for (int r = 0; r < k.rows; ++r) {
      const float *dy = k.x + std::size_t(r) * d, *o = a.o + std::size_t(r) * d;
      vf dot{};
      for (int j = 0; j < d; j += kLanes) {
        const vf gate = sigmoid(load(w + p.gate_value + j)), g = load(dy + j), v = load(o + j);
        const vf through = g * gate;
        add(k.gradient + p.gate_value + j, through * v * (1.0f - gate));
        store(dout + std::size_t(r) * d + j, through);
        dot = dot + through * v;
      }
      delta[r % k.share * T + r / k.share] = sum(dot);
    }
    float* dq = k.y;
    for (int i = 0; i < k.share; ++i) {
      const E* key = keys_of(s, l, k.first + i);
      const float* prob = a.p + std::size_t(i) * keys * T;
      pack_columns(k.rows_packed, dout + std::size_t(i) * d, ld, d, T);
      gemm(k.s, T, rows_of(key, d), k.rows_packed, keys, T, d, false);
      for (int j = 0; j < keys; ++j)
        for (int t = 0; t < T; t += kLanes) {
          const std::size_t q = std::size_t(j) * T + t;
          store(k.small + q, load(prob + q) * (load(k.s + q) - load(delta + i * T + t)));
        }
      pack_rows(k.small2, k.small, T, keys, T);
      pack_rows(k.keys_packed, key, d, keys, d);
      gemm(dq + std::size_t(i) * d, ld, columns_of(k.small2, keys), k.keys_packed, T, d, keys, false);
      // The current segment's positions; older ones are detached.
      float* dm = k.dm + std::size_t(i) * d;
      pack_rows(k.rows_packed, a.q + std::size_t(i) * d, ld, T, d);
      gemm(dm, ld, rows_of(k.small + std::size_t(past) * T, T), k.rows_packed, T, d, T, false);
      convert(k.small, prob + std::size_t(past) * T, std::ptrdiff_t(T) * T);
      pack_rows(k.rows_packed, dout + std::size_t(i) * d, ld, T, d);
      gemm(dm, ld, rows_of(k.small, T), k.rows_packed, T, d, T, true);
    }
    float* gate_query = k.gradient + p.gate_query;
    float* gate_key = k.gradient + p.gate_key;
    for (int r = 0; r < k.rows; ++r) {
      float* g = dq + std::size_t(r) * d;
      const float* n = a.xq + std::size_t(r) * d;
      for (int j = 0; j < d; j += kLanes) {
        const vf q = load(n + j) * load(w + p.query.gain + j) + load(w + p.query.bias + j);
        const vf gated = load(g + j) * load(key_gate[l] + j), gq = gated * q;
        add(gate_query + j, gq * (1.0f - sigmoid(load(w + p.gate_query + j))));
        add(gate_key + j, gq * (1.0f - sigmoid(load(w + p.gate_key + j))));
        store(g + j, gated);
      }
      affine_backward(k, g, n, p.query);
      normalize_backward(g, n, a.rq[r], d);
      for (int j = 0; j < d; j += kLanes) add(k.gradient + p.bq + j, load(g + j));
      convert(k.b + std::size_t(r) * d, g, d);
      affine(k.a + std::size_t(r) * d, a.x1 + std::size_t(r) * d, w + p.mid.gain, w + p.mid.bias, d);
    }
    weight_gradient(k, k.b, d, k.rows, k.gradient + p.wq, k.a, nullptr, nullptr);
    gemm(k.x, d, rows_of(k.b, d), wq[l].backward, k.rows, d, d, true);
    for (int r = 0; r < k.rows; ++r) {
      float *g = k.x + std::size_t(r) * d, *dm = k.dm + std::size_t(r) * d;
      const float* n = a.x1 + std::size_t(r) * d;
      affine_backward(k, g, n, p.mid);
      affine_backward(k, dm, n, p.memory);
      for (int j = 0; j < d; j += kLanes) add(g + j, load(dm + j));
      normalize_backward(g, n, a.r1[r], d);
    }
  }

  /** k.x: gradient of h, becomes that of the layer's input (not in the first layer). */
  void lstm_backward(Worker<E>& k, int l, const std::uint8_t* inputs) {
    Activations<E>& a = k.layer[l];
    float* bias = k.gradient + at[l].bias;
    const std::size_t n = std::size_t(k.share) * d;
    float *dh = k.y, *dc = k.dm;
    zero(dh, n * sizeof(float));
    zero(dc, n * sizeof(float));
    for (int t = cfg.steps - 1; t >= 0; --t) {
      const std::size_t row = std::size_t(t) * k.share;
      E* dp = k.wide + row * 4 * d;
      for (int i = 0; i < k.share; ++i) {
        const float* g = a.gates + (row + i) * 4 * d;
        const float* dy = k.x + (row + i) * d;
        const float *before = a.c + (row + i) * d, *c = a.c + (row + k.share + i) * d;
        E* to = dp + std::size_t(i) * 4 * d;
        float* symbol = l == 0 ? k.table + inputs[(k.first + i) * cfg.steps + t] * 4 * d : nullptr;
        for (int j = 0; j < d; j += kLanes) {
          const vf in = load(g + j), forget = load(g + d + j), cell = load(g + 2 * d + j), out = load(g + 3 * d + j);
          const vf y = tanh(load(c + j)), gh = load(dy + j) + load(dh + i * d + j);
          const vf gc = load(dc + i * d + j) + gh * out * (1.0f - y * y);
          const vf gi = gc * cell * in * (1.0f - in), gf = gc * load(before + j) * forget * (1.0f - forget);
          const vf gg = gc * in * (1.0f - cell * cell), go = gh * y * out * (1.0f - out);
          store(dc + i * d + j, gc * forget);
          store(to + j, gi);
          store(to + d + j, gf);
          store(to + 2 * d + j, gg);
          store(to + 3 * d + j, go);
          float* sums = symbol ? symbol : bias;  // the first layer's bias gradient is the sum of its table's
          add(sums + j, gi);
          add(sums + d + j, gf);
          add(sums + 2 * d + j, gg);
          add(sums + 3 * d + j, go);
        }
      }
      if (t > 0) gemm(dh, d, rows_of(dp, 4 * d), hh[l].backward, k.share, d, 4 * d, false);
    }
    if (l > 0)
      for (int r = 0; r < k.rows; ++r)
        affine(k.a + std::size_t(r) * d, a.x0 + std::size_t(r) * d, w + at[l].start.gain, w + at[l].start.bias, d);
    weight_gradient(k, k.wide, 4 * d, k.rows, k.gradient + at[l].hh, a.h, l > 0 ? k.gradient + at[l].ih : nullptr, k.a);
    if (l == 0) return;
    gemm(k.x, d, rows_of(k.wide, 4 * d), ih[l].backward, k.rows, d, 4 * d, false);
    for (int r = 0; r < k.rows; ++r) {
      float* g = k.x + std::size_t(r) * d;
      affine_backward(k, g, a.x0 + std::size_t(r) * d, at[l].start);
      normalize_backward(g, a.x0 + std::size_t(r) * d, a.r0[r], d);
    }
  }

  void backward(int index, State<E>& s, const TrainBatch& batch) {
    Worker<E>& k = workers[index];
    if (k.share == 0) return;
    // k.a still holds the softmax's input.
    weight_gradient(k, k.logits, kSymbols, k.rows, k.gradient + embedding, k.a, nullptr, nullptr);
    gemm(k.x, d, rows_of(k.logits, kSymbols), emb.backward, k.rows, d, kSymbols, false);
    for (int r = 0; r < k.rows; ++r) {
      float* g = k.x + std::size_t(r) * d;
      affine_backward(k, g, k.xf + std::size_t(r) * d, final_norm);
      normalize_backward(g, k.xf + std::size_t(r) * d, k.rf[r], d);
    }
    for (int l = cfg.layers - 1; l >= 0; --l) {
      boom_backward(k, l);
      if (at[l].attention) attention_backward(k, s, l);
      lstm_backward(k, l, batch.inputs);
    }
  }

  /** From the gradient of the first layer's input products by symbol to those of its matrix, norm and embedding. */
  void table_gradient(int index) {
    Worker<E>& k = workers[index];
    const int begin = symbol_bound(index), end = symbol_bound(index + 1), n = 4 * d;
    float* bias = k.gradient + at[0].bias;
    for (int s = begin; s < end; ++s) {
      float* sum = k.table + s * n;  // only this worker reads its own row of this symbol
      for (int other = 0; other < cfg.workers; ++other)
        if (other != index)
          for (int j = 0; j < n; j += kLanes) add(sum + j, load(workers[other].table + s * n + j));
      for (int j = 0; j < n; j += kLanes) add(bias + j, load(sum + j));
      convert(k.wide + std::size_t(s - begin) * n, sum, n);
      affine(k.a + std::size_t(s - begin) * d, xe + s * d, w + at[0].start.gain, w + at[0].start.bias, d);
    }
    weight_gradient(k, k.wide, n, end - begin, k.gradient + at[0].ih, k.a, nullptr, nullptr);
    gemm(k.y, d, rows_of(k.wide, n), ih[0].backward, end - begin, d, n, false);
    for (int s = begin; s < end; ++s) {
      float* g = k.y + (s - begin) * d;
      affine_backward(k, g, xe + s * d, at[0].start);
      normalize_backward(g, xe + s * d, re[s], d);
      for (int j = 0; j < d; j += kLanes) add(k.gradient + embedding + s * d + j, load(g + j));
    }
  }

  // ---- optimizer ----------------------------------------------------------------------------------------------------

  std::size_t bound(int index) const { return count * index / cfg.workers / kPanel * kPanel; }
  std::size_t end_of(int index) const { return index + 1 == cfg.workers ? count : bound(index + 1); }

  void reduce(int index) {
    double total = 0;
    for (std::size_t i = bound(index); i < end_of(index); i += kPanel) {
      vf squares{};
      for (std::size_t j = i; j < i + kPanel; j += kLanes) {
        vf g = load(gradient + j);
        for (int other = 1; other < cfg.workers; ++other) g = g + load(workers[other].gradient + j);
        store(gradient + j, g);
        squares = squares + g * g;
      }
      total += double(sum(squares));
    }
    workers[index].squares = total;
  }

  double norm() const {
    double total = 0;
    for (int i = 0; i < cfg.workers; ++i) total += workers[i].squares;
    return __builtin_sqrt(total);
  }

  void update(int index, const Update& o) {
    const double length = norm();
    if (!(length < kLargestNorm)) return;  // the caller sees the norm, and the weights are still good
    const float clip = o.clip > 0 && length > double(o.clip) ? float(double(o.clip) / length) : 1.0f;
    const std::size_t begin = bound(index), end = end_of(index);
    for (int t = 0; t < tensor_count; ++t) {
      const std::size_t from = tensors[t].begin > begin ? tensors[t].begin : begin;
      const std::size_t to = tensors[t].end < end ? tensors[t].end : end;
      const float keep = tensors[t].matrix ? 1.0f - o.rate * o.decay : 1.0f;
      for (std::size_t i = from; i < to; ++i) {
        const float g = gradient[i] * clip;
        m[i] = o.beta1 * m[i] + (1.0f - o.beta1) * g;
        v[i] = o.beta2 * v[i] + (1.0f - o.beta2) * g * g;
        weights[i] = weights[i] * keep - o.rate * m[i] * o.correct1 / (__builtin_sqrtf(v[i] * o.correct2) + o.epsilon);
        ema[i] = o.ema * ema[i] + (1.0f - o.ema) * weights[i];
      }
    }
  }

  void use(Source source) { w = source == Source::kEma ? ema : weights; }

  void run(Phase phase, int index, const TrainBatch& batch) {
    Worker<E>& k = workers[index];
    switch (phase) {
      case Phase::kPack: pack(index); break;
      case Phase::kTable: input_table(index); break;
      case Phase::kTrain:
        zero(k.gradient, count * sizeof(float));
        zero(k.table, std::size_t(kSymbols) * 4 * d * sizeof(float));
        forward(index, train, batch, true);
        backward(index, train, batch);
        advance(index, train);
        break;
      case Phase::kTableGradient: table_gradient(index); break;
      case Phase::kReduce: reduce(index); break;
      case Phase::kUpdate: update(index, batch.update); break;
      case Phase::kEvaluate:
        forward(index, eval, batch, false);
        advance(index, eval);
        break;
    }
  }
};

template <class E>
void create(const TrainConfig& config, void* trainer, void* base, TrainLayout* layout) {
  Trainer<E>* t = static_cast<Trainer<E>*>(trainer);
  Arena arena(base);
  t->lay_out(config, arena);
  t->w = t->weights;
  *layout = {};
  layout->arena_bytes = arena.used();
  layout->parameters = t->count;
  if (!base) return;
  const auto at = [&](void* p) { return std::uint64_t(static_cast<char*>(p) - static_cast<char*>(base)); };
  layout->weights = at(t->weights);
  layout->gradient = at(t->gradient);
  layout->m = at(t->m);
  layout->v = at(t->v);
  layout->ema = at(t->ema);
  layout->state = at(t->train.h);
  layout->state_bytes = t->train.bytes;
  layout->ranges = at(t->ranges);
  layout->ranges_length = t->ranges_length();
  layout->moments = at(t->moments);
  layout->moments_length = t->moments_length();
}

template <class E>
constexpr TrainKernel kernel(const char* name, bool is_bf16) {
  return {name, is_bf16, sizeof(Trainer<E>), create<E>,
          [](void* t, Source source) { static_cast<Trainer<E>*>(t)->use(source); },
          [](void* t, Phase phase, int worker, const TrainBatch& batch) {
            static_cast<Trainer<E>*>(t)->run(phase, worker, batch);
          },
          [](void* t) -> const double* { return static_cast<Trainer<E>*>(t)->losses; },
          [](void* t) { return static_cast<Trainer<E>*>(t)->norm(); }, bare_product<E>};
}

constexpr TrainKernel kFloat = kernel<float>(SHACOMP_ISA_NAME, false);
#if defined(__AVX512BF16__)
constexpr TrainKernel kBf16 = kernel<bf16>(SHACOMP_ISA_NAME, true);
#endif

}  // namespace

const TrainKernel* train_kernel([[maybe_unused]] bool want_bf16) {
#if defined(__AVX512BF16__)
  if (want_bf16) return &kBf16;
#endif
  return &kFloat;
}

}  // namespace shacomp::SHACOMP_ISA
