/**
 * @file The training kernels for src/trainer/wasm.ts: one thread, float32 products. Memory is handed in by
 * JavaScript, which asks for sizes first and checks what it passes.
 */
#include "train/train.h"
#include "bindings/wasm/export.h"
#include "core/arena.h"

namespace shacomp {

namespace {

/** At the start of a session's memory; the trainer, the bytes of one segment and the arena follow. */
struct Session {
  TrainConfig config;
  TrainLayout layout;
  Update update;
  void* trainer;
  /** inputs and targets, [batch][steps] each, and resets, [batch] */
  std::uint8_t* bytes;
  std::uint8_t* arena;

  TrainBatch batch() const {
    TrainBatch b{};
    const std::size_t n = std::size_t(config.batch) * config.steps;
    b.inputs = bytes;
    b.targets = bytes + n;
    b.resets = bytes + 2 * n;
    b.update = update;
    return b;
  }

  void run(Phase phase, const TrainBatch& batch, Source source) const {
    wasm::train_kernel(false)->use(trainer, source);
    wasm::train_kernel(false)->run(trainer, phase, 0, batch);
  }
};

}  // namespace

extern "C" {

/** Bytes that `train_measure` works in. */
EXPORT(train_scratch) std::size_t train_scratch() {
  return align_up(sizeof(Session)) + align_up(wasm::train_kernel(false)->trainer_bytes);
}

/** Begins a session in `train_scratch` bytes of aligned memory; returns how many it needs in all, zeroed. */
EXPORT(train_measure)
double train_measure(Session* s, int width, int layers, int boom, int window, unsigned attention, int batch,
                     int steps, int moments) {
  s->config = {width, layers, boom, window, attention, batch, steps, 1, 0, moments};
  s->trainer = reinterpret_cast<std::uint8_t*>(s) + align_up(sizeof(Session));
  s->bytes = reinterpret_cast<std::uint8_t*>(s) + train_scratch();
  wasm::train_kernel(false)->create(s->config, s->trainer, nullptr, &s->layout);
  const std::uint64_t bytes = align_up(2 * std::uint64_t(batch) * steps + batch);
  s->arena = s->bytes + bytes;
  return double(train_scratch() + bytes + s->layout.arena_bytes);
}

/** Completes a session for which there is enough memory. */
EXPORT(train_open) void train_open(Session* s) {
  wasm::train_kernel(false)->create(s->config, s->trainer, s->arena, &s->layout);
}

/** Where the bytes of a segment go. */
EXPORT(train_bytes) std::uint8_t* train_bytes(const Session* s) { return s->bytes; }

/** Where the vectors lie: weights, gradient, m, v, ema, state, ranges, moments. */
EXPORT(train_vector) const void* train_vector(const Session* s, int which) {
  const TrainLayout& l = s->layout;
  const std::uint64_t at[] = {l.weights, l.gradient, l.m, l.v, l.ema, l.state, l.ranges, l.moments};
  return s->arena + at[which];
}

EXPORT(train_state_bytes) std::size_t train_state_bytes(const Session* s) { return s->layout.state_bytes; }

EXPORT(train_ranges_length) std::size_t train_ranges_length(const Session* s) {
  return s->layout.ranges_length;
}

EXPORT(train_moments_length) std::size_t train_moments_length(const Session* s) {
  return s->layout.moments_length;
}

/** Loss of every sequence in the last segment, nats. */
EXPORT(train_losses) const double* train_losses(const Session* s) {
  return wasm::train_kernel(false)->losses(s->trainer);
}

/** Where the numbers of an update go, float32. */
EXPORT(train_update) float* train_update(Session* s) { return &s->update.rate; }

/** One step; with a rate < 0 the gradient only. Returns the gradient's norm. */
EXPORT(train_step) double train_step(const Session* s) {
  const TrainBatch batch = s->batch();
  for (Phase phase : kPreparePhases) s->run(phase, batch, Source::kWeights);
  for (Phase phase : kGradientPhases) s->run(phase, batch, Source::kWeights);
  if (s->update.rate >= 0) s->run(Phase::kUpdate, batch, Source::kWeights);
  return wasm::train_kernel(false)->norm(s->trainer);
}

EXPORT(train_evaluate) void train_evaluate(const Session* s, int ema, int prepare) {
  const TrainBatch batch = s->batch();
  const Source source = ema ? Source::kEma : Source::kWeights;
  if (prepare)
    for (Phase phase : kPreparePhases) s->run(phase, batch, source);
  s->run(Phase::kEvaluate, batch, source);
}

}  // extern "C"
}  // namespace shacomp
