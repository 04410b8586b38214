/** @file Interface of the training kernels: forward, backward and AdamW of the SHA-RNN (docs/model.md, section 1). */
#pragma once

#include <cstddef>
#include <cstdint>

namespace shacomp {

struct TrainConfig {
  std::int32_t width, layers, boom, window;
  /** bit l: layer l has attention */
  std::uint32_t attention;
  /** sequences, and bytes of each in one segment (a multiple of 64, at most `window`) */
  std::int32_t batch, steps;
  /** threads; each owns a share of the sequences */
  std::int32_t workers;
  /** products of bfloat16 operands where the instruction set has them */
  std::int32_t bf16;
};

/** Where JavaScript finds the parameters in the arena: byte offsets of float32 vectors in `parameters(arch)` order. */
struct TrainLayout {
  std::size_t arena_bytes, parameters;
  std::size_t weights, gradient, m, v, ema;
  /** what the sequences carry from segment to segment, as bytes */
  std::size_t state, state_bytes;
};

/** One optimizer step. Everything is per segment; bytes are sequence-major [batch][steps]. */
struct TrainBatch {
  const std::uint8_t *inputs, *targets, *resets;
  float rate, beta1, beta2, epsilon, decay, clip, ema;
  /** number of this step, from 1 (Adam's bias correction) */
  double time;
};

enum class Source : std::int32_t { kWeights, kEma };

/** The phases of a step. All workers finish one before any starts the next. */
enum class Phase : std::int32_t { kPack, kTable, kTrain, kTableGradient, kReduce, kUpdate, kEvaluate };

/** The same code compiled for one instruction set. */
struct TrainKernel {
  const char* name;
  bool bf16;
  /** Lays out the arena; with `arena` null it only measures. The arena must be 64-byte aligned and zeroed. */
  void* (*create)(const TrainConfig&, void* arena, TrainLayout*);
  void (*run)(void* trainer, Phase, std::size_t worker, const TrainBatch&, Source);
  /** Sum of the loss in nats of every sequence in the last segment, [batch]. */
  const double* (*losses)(void* trainer);
  /** Global norm of the last gradient, before clipping. */
  double (*norm)(void* trainer);
};

}  // namespace shacomp
