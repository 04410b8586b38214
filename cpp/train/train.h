/**
 * @file Interface of the training kernels: forward, backward and AdamW of the SHA-RNN (docs/model.md, section
 * 1).
 */
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
  /** `kEvaluate` collects second moments */
  std::int32_t moments;
};

/**
 * Where the caller finds things in the arena: byte offsets of float32 vectors in `parameters(arch)` order.
 */
struct TrainLayout {
  std::uint64_t arena_bytes, parameters;
  std::uint64_t weights, gradient, m, v, ema;
  /** what the sequences carry from segment to segment, as bytes */
  std::uint64_t state, state_bytes;
  /** float32 [workers][ranges_length]: see RangeVector */
  std::uint64_t ranges, ranges_length;
  /** float32 [workers][moments_length]: see MomentSite; none unless asked for */
  std::uint64_t moments, moments_length;
};

/**
 * `kEvaluate` raises these to the largest magnitudes that it meets, for calibration. Per layer, by channel,
 * the normalized inputs of the LSTM, the memory, the query (after its norm) and the boom layer: 4 d; then the
 * layer's output, the attention's output, the query before its norm, the boom layer's sums, the cell: 5
 * numbers. At the end the normalized input of the softmax layer: d.
 */
constexpr int kRangeVectors = 4, kRangeScalars = 5;
enum RangeVector { kStartRange, kMemoryRange, kQueryRange, kBoomRange };
enum RangeScalar { kOutputReach, kAttentionReach, kQueryReach, kBoomReach, kCellReach };

/**
 * `kEvaluate` adds to these x x^T of the inputs x of the products, [d][d] each: per layer the LSTM's
 * normalized input and state before, the memory, the boom layer's input; at the end the softmax layer's.
 * Those that a layer does not have stay zero.
 */
constexpr int kMoments = 4;
enum MomentSite { kStartMoment, kHiddenMoment, kMemoryMoment, kBoomMoment };

/**
 * One step of AdamW, or of Muon and AdamW; JavaScript writes it as float32 numbers in this order (UPDATE in
 * src/trainer/kernels.ts has the meanings).
 */
struct Update {
  float rate, beta1, beta2, epsilon, decay, clip, ema, momentum, correct1, correct2;
};

/** One segment, bytes sequence-major [batch][steps], and what is to be done with its gradient. */
struct TrainBatch {
  const std::uint8_t *inputs, *targets, *resets;
  Update update;
};

enum class Source : std::int32_t { kWeights, kEma };

/** The phases of a step. All workers finish one before any starts the next. */
enum class Phase : std::int32_t { kPack, kTable, kTrain, kTableGradient, kReduce, kUpdate, kEvaluate };

/** What `kTrain` and `kEvaluate` need first, after every change of the weights. */
constexpr Phase kPreparePhases[] = {Phase::kPack, Phase::kTable};
/** From a prepared network to the gradient and its norm; `kUpdate` may follow. */
constexpr Phase kGradientPhases[] = {Phase::kTrain, Phase::kTableGradient, Phase::kReduce};

/** The same code compiled for one instruction set. */
struct TrainKernel {
  const char* name;
  bool bf16;
  /** Size of a trainer: pointers into its arena. */
  std::size_t trainer_bytes;
  /**
   * Makes a trainer in `trainer_bytes` bytes of memory and lays out its arena. With `arena` null it only
   * measures (`arena_bytes`, `parameters`). Both must be 64-byte aligned, the arena zeroed.
   */
  void (*create)(const TrainConfig&, void* trainer, void* arena, TrainLayout*);
  /** Which weights the phases after it use; not while a worker runs. */
  void (*use)(void* trainer, Source);
  void (*run)(void* trainer, Phase, int worker, const TrainBatch&);
  /** Sum of the loss in nats of every sequence in the last segment, [batch]. */
  const double* (*losses)(void* trainer);
  /** Global norm of the last gradient, before clipping. */
  double (*norm)(void* trainer);
  /** For the benchmark: operations of `repeats` products that stay in registers and the first-level cache. */
  double (*bare_product)(int repeats);
};

/** The trainer of an instruction set, with bfloat16 products where asked for and present. */
#define X(isa)                                     \
  namespace isa {                                  \
  const TrainKernel* train_kernel(bool want_bf16); \
  }
SHACOMP_TRAIN_ISAS
#undef X

}  // namespace shacomp
