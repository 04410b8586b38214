/**
 * @file A few training steps in memory of exactly the size that is asked for, by one worker and by several on
 * threads.
 */
#include <cmath>
#include <vector>

#include "parallel/thread_pool.h"
#include "test/check.h"
#include "train/train.h"

using namespace shacomp;
using test::zeroed;

namespace {

/** The loss of the last of some steps, in nats per byte. */
double train(const TrainKernel* kernel, int workers, int steps) {
  const TrainConfig config{64, 2, 1, 128, 1, 3, 64, workers, kernel->bf16};
  const Memory trainer = zeroed(kernel->trainer_bytes);
  TrainLayout layout{};
  kernel->create(config, trainer.get(), nullptr, &layout);
  const Memory arena = zeroed(layout.arena_bytes);
  const Memory own = zeroed(kernel->trainer_bytes);
  kernel->create(config, own.get(), arena.get(), &layout);
  test::Random random(3);
  auto* const weights = reinterpret_cast<float*>(static_cast<char*>(arena.get()) + layout.weights);
  for (uint64_t i = 0; i < layout.parameters; i++)
    weights[i] = (static_cast<float>(random.below(2001)) - 1000.0f) / 10000.0f;
  ThreadPool pool(static_cast<unsigned>(workers));
  const size_t bytes = static_cast<size_t>(config.batch) * config.steps;
  const std::vector<uint8_t> text(bytes + 1, 'a');
  const std::vector<uint8_t> resets(config.batch, 1);
  double loss = 0;
  for (int step = 1; step <= steps; step++) {
    TrainBatch batch{};
    batch.inputs = text.data();
    batch.targets = text.data() + 1;
    batch.resets = resets.data();
    batch.update = {
        .rate = 0.01f,
        .beta1 = 0.9f,
        .beta2 = 0.99f,
        .epsilon = 1e-8f,
        .decay = 0,
        .clip = 1,
        .ema = 0.9f,
        .correct1 = static_cast<float>(1 / (1 - std::pow(0.9, step))),
        .correct2 = static_cast<float>(1 / (1 - std::pow(0.99, step))),
    };
    const auto phase = [&](Phase p) {
      kernel->use(own.get(), Source::kWeights);
      pool.parallel_for(static_cast<size_t>(workers),
                        [&](size_t worker) { kernel->run(own.get(), p, static_cast<int>(worker), batch); });
    };
    for (const Phase p : kPreparePhases) phase(p);
    for (const Phase p : kGradientPhases) phase(p);
    phase(Phase::kUpdate);
    loss = 0;
    for (int b = 0; b < config.batch; b++) loss += kernel->losses(own.get())[b];
    loss /= static_cast<double>(bytes);
    CHECK(std::isfinite(loss) && std::isfinite(kernel->norm(own.get())));
  }
  return loss;
}

}  // namespace

int main() {
#define X(isa)                                             \
  if (runs_here(#isa)) {                                   \
    for (const bool bf16 : {false, true}) {                \
      const TrainKernel* kernel = isa::train_kernel(bf16); \
      const double first = train(kernel, 1, 1);            \
      CHECK(train(kernel, 1, 8) < first);                  \
      CHECK(std::abs(train(kernel, 3, 1) - first) < 0.05); \
    }                                                      \
  }
  SHACOMP_TRAIN_ISAS
#undef X
}
