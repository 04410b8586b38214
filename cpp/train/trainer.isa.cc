/**
 * @file Forward, backward and AdamW of the SHA-RNN (docs/model.md, section 1): the phases, and the table of
 * functions.
 */
#include "core/isa.h"
#include "train/adamw.h"
#include "train/backward.h"
#include "train/forward.h"
#include "train/layout.h"
#include "train/muon.h"

namespace shacomp::SHACOMP_ISA {
namespace {

template <class E>
void Trainer<E>::run(Phase phase, int index, const TrainBatch& batch) {
  Worker<E>& k = workers[index];
  switch (phase) {
    case Phase::kPack: pack(index); break;
    case Phase::kTable: input_table(index); break;
    case Phase::kTrain:
      zero(k.gradient, count * sizeof(float));
      zero(k.table_gradient.data, k.table_gradient.size() * sizeof(float));
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
  layout->state = at(t->train.hidden.data);
  layout->state_bytes = t->train.bytes;
  layout->ranges = at(t->ranges);
  layout->ranges_length = t->ranges_length();
  layout->moments = at(t->moments);
  layout->moments_length = t->moments_length();
}

template <class E>
constexpr TrainKernel kernel(const char* name, bool is_bf16) {
  return {name,
          is_bf16,
          sizeof(Trainer<E>),
          create<E>,
          [](void* t, Source source) { static_cast<Trainer<E>*>(t)->use(source); },
          [](void* t, Phase phase, int worker, const TrainBatch& batch) {
            static_cast<Trainer<E>*>(t)->run(phase, worker, batch);
          },
          [](void* t) -> const double* { return static_cast<Trainer<E>*>(t)->losses; },
          [](void* t) { return static_cast<Trainer<E>*>(t)->norm(); },
          bare_product<E>};
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
