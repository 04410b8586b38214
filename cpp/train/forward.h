/**
 * @file The forward pass: losses, what the backward pass needs, and in evaluation what calibration observes.
 */
#pragma once
#include "train/trainer.h"

namespace shacomp::SHACOMP_ISA {
namespace {

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

// ---- shared preparation -----------------------------------------------------------------------------------

/** Packs a matrix [rows][d] of the parameters. */
template <class E>
void Trainer<E>::pack_matrix(Worker<E>& k, Packed<E>& to, std::size_t offset, int rows) {
  const Matrix<E> weights = matrix(k.a.data, rows, d);
  convert(weights.data, w + offset, weights.size());
  pack_columns(to.forward, weights);
  pack_rows(to.backward, weights);
}

template <class E>
void Trainer<E>::pack(int index) {
  Worker<E>& k = workers[index];
  int job = 0;
  const auto mine = [&] { return job++ % cfg.workers == index; };
  if (mine()) pack_matrix(k, emb, embedding, kSymbols);
  for (int l = 0; l < cfg.layers; ++l) {
    const LayerAt& p = at[l];
    if (mine()) pack_matrix(k, ih[l], p.ih, 4 * d);
    if (mine()) pack_matrix(k, hh[l], p.hh, 4 * d);
    if (mine()) pack_matrix(k, wb[l], p.wb, cfg.boom * d);
    if (!p.attention) continue;
    if (mine()) pack_matrix(k, wq[l], p.wq, d);
    if (mine())
      for (int i = 0; i < d; i += kLanes)
        store(key_gate[l] + i,
              sigmoid(load(w + p.gate_query + i)) * sigmoid(load(w + p.gate_key + i)) * qscale);
  }
}

template <class E>
void Trainer<E>::input_table(int index) {
  Worker<E>& k = workers[index];
  const int begin = symbol_bound(index), n = symbol_bound(index + 1) - begin;
  const Matrix<E> inputs = matrix(k.a.data, n, d);
  for (int i = 0; i < n; ++i) {
    float* value = symbols.value[begin + i];
    symbols.scale[begin + i] = normalize(value, w + embedding + std::size_t(begin + i) * d, d);
    affine(inputs[i], value, at[0].start);
  }
  gemm(table.slice(begin, n), rows_of(inputs), ih[0].forward, false);
}

// ---- layers -----------------------------------------------------------------------------------------------

template <class E>
void Trainer<E>::reset(Worker<E>& k, State<E>& s, const std::uint8_t* resets) {
  for (int b = k.first; b < k.first + k.share; ++b) {
    if (!resets[b]) continue;
    s.valid[b] = 0;
    for (int l = 0; l < cfg.layers; ++l) {
      zero(s.hidden[state_row(l, b)], d * sizeof(E));
      zero(s.cell[state_row(l, b)], d * sizeof(float));
    }
  }
}

template <class E>
void Trainer<E>::lstm(Worker<E>& k, State<E>& s, int l, const std::uint8_t* inputs) {
  Activations<E>& a = k.layer[l];
  const float* bias = w + at[l].bias;
  const int state = state_row(l, k.first);
  const std::size_t n = std::size_t(k.share) * d;
  __builtin_memcpy(a.hidden[0], s.hidden[state], n * sizeof(E));
  __builtin_memcpy(a.cell[0], s.cell[state], n * sizeof(float));
  if (l > 0) {
    for (int r = 0; r < k.rows; ++r) {
      a.start.scale[r] = normalize(a.start.value[r], k.x[r], d);
      affine(k.a[r], a.start.value[r], at[l].start);
    }
    gemm(a.gates, rows_of(k.a), ih[l].forward, false);
  }
  const Normalized& output = at[l].attention ? a.mid : a.boom;
  float* h = k.y[0];  // one row of scratch
  for (int t = 0; t < cfg.steps; ++t) {
    const int row = t * k.share;
    const Matrix<float> gates = a.gates.slice(row, k.share);
    if (l == 0)
      for (int i = 0; i < k.share; ++i)
        __builtin_memcpy(gates[i], table[inputs[(k.first + i) * cfg.steps + t]], 4 * d * sizeof(float));
    gemm(gates, rows_of(a.hidden.slice(row, k.share)), hh[l].forward, true);
    for (int i = 0; i < k.share; ++i) {
      float* g = gates[i];
      const float* before = a.cell[row + i];
      float* c = a.cell[row + k.share + i];
      E* hidden = a.hidden[row + k.share + i];
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
        store(hidden + j, y);
        store(h + j, y);
      }
      output.scale[row + i] = normalize(output.value[row + i], h, d);
    }
  }
  __builtin_memcpy(s.hidden[state], a.hidden[k.rows], n * sizeof(E));
  __builtin_memcpy(s.cell[state], a.cell[k.rows], n * sizeof(float));
}

/** Softmax over the positions of p[keys][steps], of those that a step may see. */
template <class E>
void Trainer<E>::softmax_columns(Worker<E>& k, Matrix<float> p, int valid) {
  const int steps = p.cols, from = past - valid;
  float *top = k.top, *total = k.total;
  for (int t = 0; t < steps; t += kLanes) {
    store(top + t, splat(-1e30f));
    store(total + t, vf{});
  }
  zero(p.data, std::size_t(from) * steps * sizeof(float));
  for (int j = from; j < keys; ++j) {
    float* row = p[j];
    for (int t = 0; t < j - past; ++t) row[t] = -1e30f;
    for (int t = 0; t < steps; t += kLanes) store(top + t, max(load(top + t), load(row + t)));
  }
  for (int j = from; j < keys; ++j) {
    float* row = p[j];
    for (int t = 0; t < steps; t += kLanes) {
      const vf e = exp(load(row + t) - load(top + t));
      store(row + t, e);
      add(total + t, e);
    }
  }
  for (int t = 0; t < steps; t += kLanes) store(total + t, 1.0f / load(total + t));
  for (int j = from; j < keys; ++j) {
    float* row = p[j];
    for (int t = 0; t < j - past; ++t) row[t] = 0;
    for (int t = 0; t < steps; t += kLanes) store(row + t, load(row + t) * load(total + t));
  }
}

template <class E>
void Trainer<E>::attention(Worker<E>& k, State<E>& s, int l) {
  Activations<E>& a = k.layer[l];
  const LayerAt& p = at[l];
  for (int r = 0; r < k.rows; ++r) {
    const float* n = a.mid.value[r];
    affine(keys_of(s, l, k.first + r % k.share)[past + r / k.share], n, p.memory);
    affine(k.y[r], n, p.mid);
    convert(k.a[r], k.y[r], d);
  }
  gemm(a.query.value, rows_of(k.a), wq[l].forward, false);
  for (int r = 0; r < k.rows; ++r) {
    float* n = a.query.value[r];
    for (int j = 0; j < d; j += kLanes) add(n + j, load(w + p.bq + j));
    a.query.scale[r] = normalize(n, n, d);
    E* gated = a.gated_query[r];
    for (int j = 0; j < d; j += kLanes)
      store(gated + j,
            (load(n + j) * load(w + p.query.gain + j) + load(w + p.query.bias + j)) * load(key_gate[l] + j));
  }
  for (int i = 0; i < k.share; ++i) {
    const Matrix<E> memory = keys_of(s, l, k.first + i);
    const Matrix<float> weights = a.weights.slice(i * keys, keys);
    pack_columns(k.rows_packed, a.gated_query.every(k.share, i));
    gemm(weights, rows_of(memory), k.rows_packed, false);
    softmax_columns(k, weights, s.valid[k.first + i]);
    convert(k.small.data, weights.data, weights.size());
    pack_rows(k.small_packed, k.small);
    pack_rows(k.keys_packed, memory);
    gemm(a.attended.every(k.share, i), columns_of(k.small_packed, keys), k.keys_packed, false);
  }
  for (int r = 0; r < k.rows; ++r) {
    float* y = k.y[r];
    const float* o = a.attended[r];
    for (int j = 0; j < d; j += kLanes) add(y + j, sigmoid(load(w + p.gate_value + j)) * load(o + j));
    a.boom.scale[r] = normalize(a.boom.value[r], y, d);
  }
}

/** x = LN(y; residual) + sum of the chunks of gelu(W LN(y; boom) + b). */
template <class E>
void Trainer<E>::boom(Worker<E>& k, int l) {
  Activations<E>& a = k.layer[l];
  const LayerAt& p = at[l];
  for (int r0 = 0; r0 < k.rows; r0 += kBoomRows) {
    const int rows = k.rows - r0 < kBoomRows ? k.rows - r0 : kBoomRows;
    const Matrix<E> inputs = k.a.slice(0, rows);
    for (int r = 0; r < rows; ++r) affine(inputs[r], a.boom.value[r0 + r], p.boom);
    const Matrix<float> sums = a.sums.slice(r0, rows);
    gemm(sums, rows_of(inputs), wb[l].forward, false);
    for (int r = 0; r < rows; ++r) {
      float *x = k.x[r0 + r], *z = sums[r];
      affine(x, a.boom.value[r0 + r], p.residual);
      for (int j = 0; j < d; j += kLanes) {
        vf total = load(x + j);
        for (int i = j; i < sums.cols; i += d) {
          const vf u = load(z + i) + load(w + p.bb + i);
          store(z + i, u);
          total = total + u * sigmoid(1.702f * u);
        }
        store(x + j, total);
      }
    }
  }
}

/** Losses, and in training the gradient of the logits. */
template <class E>
void Trainer<E>::softmax(Worker<E>& k, const std::uint8_t* targets, bool training) {
  for (int i = 0; i < k.share; ++i) losses[k.first + i] = 0;
  const float share = 1.0f / (float(cfg.batch) * cfg.steps);
  float* bias_gradient = k.gradient + output_bias;
  for (int r0 = 0; r0 < k.rows; r0 += kPanel) {
    const int rows = k.rows - r0 < kPanel ? k.rows - r0 : kPanel;
    for (int r = r0; r < r0 + rows; ++r) {
      k.last.scale[r] = normalize(k.last.value[r], k.x[r], d);
      affine(k.a[r], k.last.value[r], final_norm);
    }
    const Matrix<float> logits = matrix(k.y.data, rows, kSymbols);
    gemm(logits, rows_of(k.a.slice(r0, rows)), emb.forward, false);
    for (int r = 0; r < rows; ++r) {
      float* z = logits[r];
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
      convert(k.logits[r0 + r], z, kSymbols);
    }
  }
}

// ---- what calibration observes ----------------------------------------------------------------------------

/** Raises *to to the largest magnitude of n numbers. */
inline void raise(float* to, const float* x, std::size_t n) {
  vf most = splat(*to);
  for (std::size_t j = 0; j < n; j += kLanes) most = max(most, max(load(x + j), 0.0f - load(x + j)));
  for (int j = 0; j < kLanes; ++j) *to = most[j] > *to ? most[j] : *to;
}

/** Raises to[channel] to the largest magnitudes of a matrix's columns. */
template <class E>
void Trainer<E>::raise_channels(float* to, Matrix<float> m) const {
  for (int r = 0; r < m.rows; ++r)
    for (int j = 0; j < m.cols; j += kLanes) {
      const vf x = load(m[r] + j);
      store(to + j, max(load(to + j), max(x, 0.0f - x)));
    }
}

/** What the layer has left behind of its last segment. */
template <class E>
void Trainer<E>::observe(Worker<E>& k, int l) {
  const Activations<E>& a = k.layer[l];
  float* const vectors = layer_ranges(k, l);
  float* const scalars = vectors + kRangeVectors * d;
  if (l > 0) raise_channels(vectors + kStartRange * d, a.start.value);
  if (at[l].attention) {
    raise_channels(vectors + kMemoryRange * d, a.mid.value);
    raise_channels(vectors + kQueryRange * d, a.query.value);
    // what the norm has made of it, times the deviation: all but the mean
    for (int r = 0; r < k.rows; ++r) {
      float reach = 0;
      raise(&reach, a.query.value[r], d);
      reach /= a.query.scale[r];
      scalars[kQueryReach] = reach > scalars[kQueryReach] ? reach : scalars[kQueryReach];
    }
    raise(scalars + kAttentionReach, k.y.data, k.y.size());
  }
  raise_channels(vectors + kBoomRange * d, a.boom.value);
  raise(scalars + kBoomReach, a.sums.data, a.sums.size());
  raise(scalars + kCellReach, a.cell.data, a.cell.size());
  raise(scalars + kOutputReach, k.x.data, k.x.size());
  if (!cfg.moments) return;
  const std::size_t first = std::size_t(l) * kMoments;
  if (l > 0) add_converted_moment(k, first + kStartMoment, a.start.value);
  add_moment(k, first + kHiddenMoment, a.hidden.slice(0, k.rows));
  if (at[l].attention) add_converted_moment(k, first + kMemoryMoment, a.mid.value);
  add_converted_moment(k, first + kBoomMoment, a.boom.value);
}

template <class E>
void Trainer<E>::add_converted_moment(Worker<E>& k, std::size_t index, Matrix<float> x) {
  convert(k.a.data, x.data, x.size());
  add_moment(k, index, k.a);
}

/** Adds x x^T of all rows to a moment. */
template <class E>
void Trainer<E>::add_moment(Worker<E>& k, std::size_t index, Matrix<E> x) {
  const Matrix<float> to = matrix(k.moments + index * d * d, d, d);
  for (int r = 0; r < x.rows; r += kChunk) {
    const int n = x.rows - r < kChunk ? x.rows - r : kChunk;
    pack_rows(k.rows_packed, x.slice(r, n));
    gemm(to, columns_of(k.rows_packed, n), k.rows_packed, true);
  }
}

// ---- one segment ------------------------------------------------------------------------------------------

template <class E>
void Trainer<E>::forward(int index, State<E>& s, const TrainBatch& batch, bool training) {
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
  raise_channels(k.ranges + ranges_length() - d, k.last.value);
  if (cfg.moments) add_converted_moment(k, std::size_t(cfg.layers) * kMoments, k.last.value);
}

/** Moves the memory on by one segment. */
template <class E>
void Trainer<E>::advance(int index, State<E>& s) {
  Worker<E>& k = workers[index];
  for (int b = k.first; b < k.first + k.share; ++b) {
    for (int l = 0; l < cfg.layers; ++l)
      if (at[l].attention) {
        const Matrix<E> memory = keys_of(s, l, b);
        __builtin_memmove(memory[0], memory[cfg.steps], std::size_t(past) * d * sizeof(E));
      }
    s.valid[b] = s.valid[b] + cfg.steps < past ? s.valid[b] + cfg.steps : past;
  }
}

}  // namespace
}  // namespace shacomp::SHACOMP_ISA
