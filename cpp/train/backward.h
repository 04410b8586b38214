/** @file The backward pass: the gradient of a segment's loss, truncated at the segment's start. */
#pragma once
#include "train/trainer.h"

namespace shacomp::SHACOMP_ISA {
namespace {

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

/**
 * gradient[dy.cols][d] += dy^T x over all rows (a multiple of 2), for one or, if g1 is not null, two x of one
 * dy.
 */
template <class E>
void Trainer<E>::weight_gradient(Worker<E>& k, Matrix<E> dy, float* g0, Matrix<E> x0, float* g1,
                                 Matrix<E> x1) {
  for (int r = 0; r < dy.rows; r += kChunk) {
    const int n = dy.rows - r < kChunk ? dy.rows - r : kChunk;
    pack_rows(k.wide_packed, dy.slice(r, n));
    pack_rows(k.rows_packed, x0.slice(r, n));
    gemm(matrix(g0, dy.cols, d), columns_of(k.wide_packed, n), k.rows_packed, true);
    if (!g1) continue;
    pack_rows(k.rows_packed, x1.slice(r, n));
    gemm(matrix(g1, dy.cols, d), columns_of(k.wide_packed, n), k.rows_packed, true);
  }
}

/** Adds the gradients of a norm's gain and bias; dy becomes that of the normalized vector. */
template <class E>
void Trainer<E>::affine_backward(Worker<E>& k, float* dy, const float* n, NormAt p) {
  float *gain = k.gradient + p.gain, *bias = k.gradient + p.bias;
  for (int j = 0; j < d; j += kLanes) {
    const vf g = load(dy + j);
    add(gain + j, g * load(n + j));
    add(bias + j, g);
    store(dy + j, g * load(w + p.gain + j));
  }
}

/** k.x: gradient of the layer's output, becomes that of the boom layer's input. */
template <class E>
void Trainer<E>::boom_backward(Worker<E>& k, int l) {
  Activations<E>& a = k.layer[l];
  const LayerAt& p = at[l];
  float* bias = k.gradient + p.bb;
  const Matrix<E> sums_gradient = matrix(k.wide, k.rows, cfg.boom * d);
  for (int r0 = 0; r0 < k.rows; r0 += kBoomRows) {
    const int rows = k.rows - r0 < kBoomRows ? k.rows - r0 : kBoomRows;
    const Matrix<E> dz = sums_gradient.slice(r0, rows);
    for (int r = 0; r < rows; ++r) {
      const float *z = a.sums[r0 + r], *dx = k.x[r0 + r];
      E* to = dz[r];
      for (int i = 0; i < dz.cols; i += d)
        for (int j = 0; j < d; j += kLanes) {
          const vf u = load(z + i + j), s = sigmoid(1.702f * u);
          const vf g = load(dx + j) * (s + 1.702f * u * s * (1.0f - s));
          add(bias + i + j, g);
          store(to + i + j, g);
        }
      affine(k.a[r0 + r], a.boom.value[r0 + r], p.boom);
    }
    const Matrix<float> de = k.y.slice(0, rows);
    gemm(de, rows_of(dz), wb[l].backward, false);
    for (int r = 0; r < rows; ++r) {
      const float* n = a.boom.value[r0 + r];
      float* dx = k.x[r0 + r];
      affine_backward(k, de[r], n, p.boom);
      affine_backward(k, dx, n, p.residual);
      for (int j = 0; j < d; j += kLanes) add(dx + j, load(de[r] + j));
      normalize_backward(dx, n, a.boom.scale[r0 + r], d);
    }
  }
  weight_gradient(k, sums_gradient, k.gradient + p.wb, k.a, nullptr, {});
}

/** k.x: gradient of the attention's output, becomes that of its input h. */
template <class E>
void Trainer<E>::attention_backward(Worker<E>& k, State<E>& s, int l) {
  Activations<E>& a = k.layer[l];
  const LayerAt& p = at[l];
  const int steps = cfg.steps;
  const Matrix<float> delta =
      matrix(k.last.value.data, k.share, steps);  // of the softmax: weights times gradient
  const Matrix<E> attended_gradient = k.b;
  for (int r = 0; r < k.rows; ++r) {
    const float *dy = k.x[r], *o = a.attended[r];
    E* to = attended_gradient[r];
    vf dot{};
    for (int j = 0; j < d; j += kLanes) {
      const vf gate = sigmoid(load(w + p.gate_value + j)), g = load(dy + j), v = load(o + j);
      const vf through = g * gate;
      add(k.gradient + p.gate_value + j, through * v * (1.0f - gate));
      store(to + j, through);
      dot = dot + through * v;
    }
    delta[r % k.share][r / k.share] = sum(dot);
  }
  const Matrix<float> query_gradient = k.y;
  for (int i = 0; i < k.share; ++i) {
    const Matrix<E> memory = keys_of(s, l, k.first + i);
    const Matrix<float> weights = a.weights.slice(i * keys, keys);
    pack_columns(k.rows_packed, attended_gradient.every(k.share, i));
    gemm(k.scores, rows_of(memory), k.rows_packed, false);
    for (int j = 0; j < keys; ++j)
      for (int t = 0; t < steps; t += kLanes)
        store(k.small[j] + t, load(weights[j] + t) * (load(k.scores[j] + t) - load(delta[i] + t)));
    pack_rows(k.small_packed, k.small);
    pack_rows(k.keys_packed, memory);
    gemm(query_gradient.every(k.share, i), columns_of(k.small_packed, keys), k.keys_packed, false);
    // The current segment's positions; older ones are detached.
    const Matrix<float> dm = k.memory_gradient.every(k.share, i);
    pack_rows(k.rows_packed, a.gated_query.every(k.share, i));
    gemm(dm, rows_of(k.small.slice(past, steps)), k.rows_packed, false);
    const Matrix<E> current = k.small.slice(0, steps);
    convert(current.data, weights[past], current.size());
    pack_rows(k.rows_packed, attended_gradient.every(k.share, i));
    gemm(dm, rows_of(current), k.rows_packed, true);
  }
  float* gate_query = k.gradient + p.gate_query;
  float* gate_key = k.gradient + p.gate_key;
  for (int r = 0; r < k.rows; ++r) {
    float* g = query_gradient[r];
    const float* n = a.query.value[r];
    for (int j = 0; j < d; j += kLanes) {
      const vf q = load(n + j) * load(w + p.query.gain + j) + load(w + p.query.bias + j);
      const vf gated = load(g + j) * load(key_gate[l] + j), gq = gated * q;
      add(gate_query + j, gq * (1.0f - sigmoid(load(w + p.gate_query + j))));
      add(gate_key + j, gq * (1.0f - sigmoid(load(w + p.gate_key + j))));
      store(g + j, gated);
    }
    affine_backward(k, g, n, p.query);
    normalize_backward(g, n, a.query.scale[r], d);
    for (int j = 0; j < d; j += kLanes) add(k.gradient + p.bq + j, load(g + j));
    convert(k.b[r], g, d);
    affine(k.a[r], a.mid.value[r], p.mid);
  }
  weight_gradient(k, k.b, k.gradient + p.wq, k.a, nullptr, {});
  gemm(k.x, rows_of(k.b), wq[l].backward, true);
  for (int r = 0; r < k.rows; ++r) {
    float *g = k.x[r], *dm = k.memory_gradient[r];
    const float* n = a.mid.value[r];
    affine_backward(k, g, n, p.mid);
    affine_backward(k, dm, n, p.memory);
    for (int j = 0; j < d; j += kLanes) add(g + j, load(dm + j));
    normalize_backward(g, n, a.mid.scale[r], d);
  }
}

/** k.x: gradient of h, becomes that of the layer's input (not in the first layer). */
template <class E>
void Trainer<E>::lstm_backward(Worker<E>& k, int l, const std::uint8_t* inputs) {
  Activations<E>& a = k.layer[l];
  const LayerAt& p = at[l];
  float* bias = k.gradient + p.bias;
  const Matrix<E> gates_gradient = matrix(k.wide, k.rows, 4 * d);
  // of the step behind, [share][d]
  const Matrix<float> dh = matrix(k.y.data, k.share, d), dc = matrix(k.memory_gradient.data, k.share, d);
  zero(dh.data, dh.size() * sizeof(float));
  zero(dc.data, dc.size() * sizeof(float));
  for (int t = cfg.steps - 1; t >= 0; --t) {
    const int row = t * k.share;
    const Matrix<E> dp = gates_gradient.slice(row, k.share);
    for (int i = 0; i < k.share; ++i) {
      const float *g = a.gates[row + i], *dy = k.x[row + i];
      const float *before = a.cell[row + i], *c = a.cell[row + k.share + i];
      float *h_gradient = dh[i], *c_gradient = dc[i];
      E* to = dp[i];
      float* symbol = l == 0 ? k.table_gradient[inputs[(k.first + i) * cfg.steps + t]] : nullptr;
      for (int j = 0; j < d; j += kLanes) {
        const vf in = load(g + j), forget = load(g + d + j), cell = load(g + 2 * d + j),
                 out = load(g + 3 * d + j);
        const vf y = tanh(load(c + j)), gh = load(dy + j) + load(h_gradient + j);
        const vf gc = load(c_gradient + j) + gh * out * (1.0f - y * y);
        const vf gi = gc * cell * in * (1.0f - in), gf = gc * load(before + j) * forget * (1.0f - forget);
        const vf gg = gc * in * (1.0f - cell * cell), go = gh * y * out * (1.0f - out);
        store(c_gradient + j, gc * forget);
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
    if (t > 0) gemm(dh, rows_of(dp), hh[l].backward, false);
  }
  if (l == 0) {
    weight_gradient(k, gates_gradient, k.gradient + p.hh, a.hidden, nullptr, {});
    return;
  }
  for (int r = 0; r < k.rows; ++r) affine(k.a[r], a.start.value[r], p.start);
  weight_gradient(k, gates_gradient, k.gradient + p.hh, a.hidden, k.gradient + p.ih, k.a);
  gemm(k.x, rows_of(gates_gradient), ih[l].backward, false);
  for (int r = 0; r < k.rows; ++r) {
    affine_backward(k, k.x[r], a.start.value[r], p.start);
    normalize_backward(k.x[r], a.start.value[r], a.start.scale[r], d);
  }
}

template <class E>
void Trainer<E>::backward(int index, State<E>& s, const TrainBatch& batch) {
  Worker<E>& k = workers[index];
  if (k.share == 0) return;
  // k.a still holds the softmax's input.
  weight_gradient(k, k.logits, k.gradient + embedding, k.a, nullptr, {});
  gemm(k.x, rows_of(k.logits), emb.backward, false);
  for (int r = 0; r < k.rows; ++r) {
    affine_backward(k, k.x[r], k.last.value[r], final_norm);
    normalize_backward(k.x[r], k.last.value[r], k.last.scale[r], d);
  }
  for (int l = cfg.layers - 1; l >= 0; --l) {
    boom_backward(k, l);
    if (at[l].attention) attention_backward(k, s, l);
    lstm_backward(k, l, batch.inputs);
  }
}

/**
 * From the gradient of the first layer's input products by symbol to those of its matrix, norm and embedding.
 */
template <class E>
void Trainer<E>::table_gradient(int index) {
  Worker<E>& k = workers[index];
  const int begin = symbol_bound(index), n = symbol_bound(index + 1) - begin;
  const NormAt start = at[0].start;
  float* bias = k.gradient + at[0].bias;
  const Matrix<E> products = matrix(k.wide, n, 4 * d), inputs = matrix(k.a.data, n, d);
  for (int i = 0; i < n; ++i) {
    const int s = begin + i;
    float* sum = k.table_gradient[s];  // only this worker reads its own row of this symbol
    for (int other = 0; other < cfg.workers; ++other)
      if (other != index)
        for (int j = 0; j < 4 * d; j += kLanes) add(sum + j, load(workers[other].table_gradient[s] + j));
    for (int j = 0; j < 4 * d; j += kLanes) add(bias + j, load(sum + j));
    convert(products[i], sum, 4 * d);
    affine(inputs[i], symbols.value[s], start);
  }
  weight_gradient(k, products, k.gradient + at[0].ih, inputs, nullptr, {});
  const Matrix<float> gradients = matrix(k.y.data, n, d);
  gemm(gradients, rows_of(products), ih[0].backward, false);
  for (int i = 0; i < n; ++i) {
    const int s = begin + i;
    float* g = gradients[i];
    affine_backward(k, g, symbols.value[s], start);
    normalize_backward(g, symbols.value[s], symbols.scale[s], d);
    for (int j = 0; j < d; j += kLanes) add(k.gradient + embedding + std::size_t(s) * d + j, load(g + j));
  }
}

}  // namespace
}  // namespace shacomp::SHACOMP_ISA
