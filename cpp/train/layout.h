/** @file Where the trainer's parameters, state and scratch lie in the arena. */
#pragma once
#include "train/trainer.h"

namespace shacomp::SHACOMP_ISA {
namespace {

template <class T>
Matrix<T> take_matrix(Arena& arena, std::int64_t rows, int cols) {
  return matrix(arena.take<T>(std::uint64_t(rows) * cols), int(rows), cols);
}

template <class E>
Packed<E> take_packed(Arena& arena, std::size_t n) {
  E* const forward = arena.take<E>(n);
  return {forward, arena.take<E>(n)};
}

/** @param room rows that there is memory for */
inline Normalized take_normalized(Arena& arena, int rows, std::uint64_t room, int d) {
  float* const value = arena.take<float>(room * d);
  return {matrix(value, rows, d), arena.take<float>(room)};
}

/** Takes n more elements for a tensor of the parameters; returns their offset. */
template <class E>
std::size_t Trainer<E>::tensor(std::size_t n, bool matrix, bool square) {
  tensors[tensor_count++] = {count, count + n, matrix, square};
  count += n;
  return count - n;
}

template <class E>
NormAt Trainer<E>::norm_at() {
  const std::size_t gain = tensor(d, false);
  return {gain, tensor(d, false)};
}

template <class E>
void Trainer<E>::lay_out_parameters() {
  count = 0;
  tensor_count = 0;
  const std::size_t n = d;
  embedding = tensor(kSymbols * n, true);
  for (int l = 0; l < cfg.layers; ++l) {
    LayerAt& a = at[l];
    a.attention = cfg.attention >> l & 1;
    a.start = norm_at();
    a.ih = tensor(4 * n * n, true, true);
    a.hh = tensor(4 * n * n, true, true);
    a.bias = tensor(4 * n, false);
    if (a.attention) {
      a.memory = norm_at();
      a.mid = norm_at();
      a.wq = tensor(n * n, true, true);
      a.bq = tensor(n, false);
      a.query = norm_at();
      a.gate_query = tensor(n, false);
      a.gate_key = tensor(n, false);
      a.gate_value = tensor(n, false);
    }
    a.residual = norm_at();
    a.boom = norm_at();
    a.wb = tensor(cfg.boom * n * n, true, true);
    a.bb = tensor(cfg.boom * n, false);
  }
  final_norm = norm_at();
  output_bias = tensor(kSymbols, false);
}

template <class E>
State<E> Trainer<E>::lay_out_state(Arena& arena) {
  State<E> s;
  const std::uint64_t begin = arena.used();
  std::int64_t attentions = 0;
  for (int l = 0; l < cfg.layers; ++l) attentions += at[l].attention;
  s.hidden = take_matrix<E>(arena, std::int64_t(cfg.layers) * cfg.batch, d);
  s.cell = take_matrix<float>(arena, std::int64_t(cfg.layers) * cfg.batch, d);
  s.keys = take_matrix<E>(arena, attentions * cfg.batch * keys, d);
  s.valid = arena.take<int>(cfg.batch);
  s.bytes = std::size_t(arena.used() - begin);
  return s;
}

template <class E>
Matrix<E> Trainer<E>::keys_of(const State<E>& s, int l, int sequence) const {
  std::ptrdiff_t before = 0;
  for (int i = 0; i < l; ++i) before += at[i].attention;
  return matrix(s.keys[(before * cfg.batch + sequence) * keys], keys, d);
}

template <class E>
void Trainer<E>::lay_out(const TrainConfig& config, Arena& arena) {
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
    ih[l] = take_packed<E>(arena, 4 * square);
    hh[l] = take_packed<E>(arena, 4 * square);
    wb[l] = take_packed<E>(arena, cfg.boom * square);
    if (at[l].attention) wq[l] = take_packed<E>(arena, square);
    key_gate[l] = arena.take<float>(d);
  }
  emb = take_packed<E>(arena, std::size_t(kSymbols) * d);
  symbols = take_normalized(arena, kSymbols, kSymbols, d);
  table = take_matrix<float>(arena, kSymbols, 4 * d);
  train = lay_out_state(arena);
  eval = lay_out_state(arena);
  losses = arena.take<double>(cfg.batch);
  ranges = arena.take<float>(std::uint64_t(cfg.workers) * ranges_length());
  moments = arena.take<float>(std::uint64_t(cfg.workers) * moments_length());
  for (int i = 0; i < cfg.workers; ++i) lay_out_worker(arena, i);
}

template <class E>
void Trainer<E>::lay_out_worker(Arena& arena, int index) {
  Worker<E>& k = workers[index];
  k.first = int(std::int64_t(cfg.batch) * index / cfg.workers);
  k.share = int(std::int64_t(cfg.batch) * (index + 1) / cfg.workers) - k.first;
  k.rows = k.share * cfg.steps;
  // At least one row per symbol: the embedding's products use the same scratch.
  const std::uint64_t room = k.rows > kSymbols ? k.rows : kSymbols;
  const auto floats = [&](int cols) { return matrix(arena.take<float>(room * cols), k.rows, cols); };
  const auto elements = [&](int cols) { return matrix(arena.take<E>(room * cols), k.rows, cols); };
  for (int l = 0; l < cfg.layers; ++l) {
    Activations<E>& a = k.layer[l];
    a.gates = floats(4 * d);
    a.cell = matrix(arena.take<float>((room + k.share) * d), k.rows + k.share, d);
    a.hidden = matrix(arena.take<E>((room + k.share) * d), k.rows + k.share, d);
    a.start = take_normalized(arena, k.rows, room, d);
    if (at[l].attention) {
      a.mid = take_normalized(arena, k.rows, room, d);
      a.query = take_normalized(arena, k.rows, room, d);
      a.attended = floats(d);
      a.weights = matrix(arena.take<float>(room * keys), k.share * keys, cfg.steps);
      a.gated_query = elements(d);
    }
    a.boom = take_normalized(arena, k.rows, room, d);
    a.sums = floats(cfg.boom * d);
  }
  k.x = floats(d);
  k.y = floats(d);
  k.memory_gradient = floats(d);
  k.last = take_normalized(arena, k.rows, room, d);
  k.top = arena.take<float>(cfg.steps);
  k.total = arena.take<float>(cfg.steps);
  k.scores = take_matrix<float>(arena, keys, cfg.steps);
  // the weights of a matrix pass through a
  const std::uint64_t weight_rows = wide;
  k.a = matrix(arena.take<E>((room > weight_rows ? room : weight_rows) * d), k.rows, d);
  k.b = elements(d);
  k.wide = arena.take<E>(room * wide);
  k.wide_packed = arena.take<E>(std::uint64_t(kChunk) * wide);
  k.rows_packed = arena.take<E>(std::uint64_t(kChunk) * d + std::uint64_t(cfg.steps) * d);
  k.small = take_matrix<E>(arena, keys, cfg.steps);
  k.small_packed = arena.take<E>(std::uint64_t(keys) * cfg.steps);
  k.keys_packed = arena.take<E>(std::uint64_t(keys) * d);
  k.logits = elements(kSymbols);
  k.gradient = index == 0 ? gradient : arena.take<float>(count);
  k.table_gradient = take_matrix<float>(arena, kSymbols, 4 * d);
  const std::uint64_t square = std::uint64_t(d) * d;
  k.muon_step = arena.take<float>(square);
  k.muon_product = arena.take<float>(square);
  k.muon_fourth = arena.take<float>(square);
  k.muon_elements = arena.take<E>(square);
  k.muon_square = arena.take<E>(square);
  k.muon_packed = arena.take<E>(square);
  // null while measuring
  k.ranges = ranges ? ranges + std::size_t(index) * ranges_length() : nullptr;
  k.moments = moments ? moments + std::size_t(index) * moments_length() : nullptr;
}

}  // namespace
}  // namespace shacomp::SHACOMP_ISA
