/**
 * @file Node-API binding of the training kernels, for src/trainer/native.ts.
 *
 * Shapes and options are checked there; what could write outside the arena is checked here as well.
 */
#include <node_api.h>

#include <cstring>
#include <memory>
#include <vector>

#include "bindings/node/addon.h"
#include "core/aligned_memory.h"
#include "core/cpu.h"
#include "parallel/thread_pool.h"
#include "train/train.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace shacomp {

namespace {

/** Kernels for this processor, best first; with bfloat16 products where asked for and present. */
std::vector<const TrainKernel*> supported(bool bf16) {
  std::vector<const TrainKernel*> list;
#define X(isa) \
  if (runs_here(#isa)) list.insert(list.begin(), isa::train_kernel(bf16));
  SHACOMP_TRAIN_ISAS
#undef X
  return list;
}

struct Session {
  const TrainKernel* kernel;
  TrainConfig config;
  TrainLayout layout;
  Memory trainer;
  napi_ref arena;
};

/** Runs phases of a session. Its threads are there for one call of JavaScript: nobody closes a session. */
class Workers {
 public:
  Workers(Session& session, const TrainBatch& batch)
      : session_(session), batch_(batch), pool_(ThreadPool::shared(unsigned(session.config.workers))) {}

  void run(Phase phase, Source source) {
    session_.kernel->use(session_.trainer.get(), source);
    pool_->parallel_for(session_.config.workers, [&](std::size_t worker) {
      session_.kernel->run(session_.trainer.get(), phase, int(worker), batch_);
    });
  }

 private:
  Session& session_;
  const TrainBatch& batch_;
  const std::shared_ptr<ThreadPool> pool_;
};

napi_value wrong(napi_env env, const char* message) { return fail(env, "ERR_OPTIONS", message); }

/** A number of an object; 0 where it is none. */
double property(napi_env env, napi_value object, const char* name) {
  napi_value value;
  double x = 0;
  if (napi_get_named_property(env, object, name, &value) == napi_ok) napi_get_value_double(env, value, &x);
  return x;
}

void set(napi_env env, napi_value object, const char* name, double x) {
  napi_set_named_property(env, object, name, number(env, x));
}

/** Reads a configuration; false if it is out of range. */
bool read_config(napi_env env, napi_value object, TrainConfig& c) {
  const auto read = [&](const char* name, double low, double high, int multiple) {
    const double x = property(env, object, name);
    const bool good = x >= low && x <= high && x == int(x) && int(x) % multiple == 0;
    return good ? int(x) : -1;
  };
  c.width = read("width", 64, 1024, 64);
  c.layers = read("layers", 1, 32, 1);
  c.boom = read("boom", 1, 8, 1);
  c.window = read("window", 64, 1 << 16, 2);
  c.attention = std::uint32_t(property(env, object, "attention"));
  c.batch = read("batch", 1, 4096, 1);
  c.steps = read("steps", 64, c.window, 64);
  c.workers = read("workers", 1, 64, 1);
  c.bf16 = read("bf16", 0, 1, 1);
  c.moments = read("moments", 0, 1, 1);
  for (int x : {c.width, c.layers, c.boom, c.window, c.batch, c.steps, c.workers, c.bf16, c.moments})
    if (x < 0) return false;
  return c.workers <= c.batch;
}

/** trainKernels(): names of the instruction sets that run here, best first. */
napi_value kernels(napi_env env, napi_callback_info) { return names_of(env, supported(false)); }

/** Arguments (isa, config), measured. */
bool read_session(napi_env env, napi_callback_info info, Session& s) {
  const Arguments<2> a(env, info);
  if (!read_config(env, a.value[1], s.config)) return false;
  s.kernel = named(supported(s.config.bf16 != 0), a.string(0));
  if (!s.kernel) return false;
  s.trainer = allocate_aligned(s.kernel->trainer_bytes);
  s.kernel->create(s.config, s.trainer.get(), nullptr, &s.layout);
  return true;
}

/** trainBytes(isa, config): memory of a session. */
napi_value bytes(napi_env env, napi_callback_info info) {
  Session s{};
  if (!read_session(env, info, s)) return wrong(env, "trainBytes: wrong arguments");
  return number(env, double(s.layout.arena_bytes));
}

/**
 * trainCreate(isa, config): { session, arena, bf16, parameters, weights, gradient, m, v, ema, state,
 * stateBytes, ranges, rangesLength, moments, momentsLength }, with byte offsets in the ArrayBuffer `arena`.
 */
napi_value create(napi_env env, napi_callback_info info) {
  auto owned = std::make_unique<Session>();
  if (!read_session(env, info, *owned)) return wrong(env, "trainCreate: wrong arguments");
  const std::size_t size = owned->layout.arena_bytes + kAlignment;
  void* data = nullptr;
  const napi_value arena = new_array_buffer(env, size, &data);
  if (!arena) return no_memory(env);
  const std::size_t skip = static_cast<char*>(aligned(data)) - static_cast<char*>(data);
#if defined(__linux__)
  const std::uintptr_t page = (reinterpret_cast<std::uintptr_t>(data) + 4095) & ~std::uintptr_t{4095};
  madvise(reinterpret_cast<void*>(page), size - (page - reinterpret_cast<std::uintptr_t>(data)),
          MADV_HUGEPAGE);
#endif
  owned->kernel->create(owned->config, owned->trainer.get(), aligned(data), &owned->layout);
  if (napi_create_reference(env, arena, 1, &owned->arena) != napi_ok) return no_memory(env);
  napi_value result, handle;
  const auto finalize = [](napi_env e, void* p, void*) {
    auto* dead = static_cast<Session*>(p);
    napi_delete_reference(e, dead->arena);
    delete dead;
  };
  if (napi_create_object(env, &result) != napi_ok ||
      napi_create_external(env, owned.get(), finalize, nullptr, &handle) != napi_ok) {
    napi_delete_reference(env, owned->arena);
    return no_memory(env);
  }
  const Session* s = owned.release();
  napi_set_named_property(env, result, "session", handle);
  napi_set_named_property(env, result, "arena", arena);
  const TrainLayout& l = s->layout;
  set(env, result, "bf16", s->kernel->bf16);
  set(env, result, "parameters", double(l.parameters));
  set(env, result, "weights", double(l.weights + skip));
  set(env, result, "gradient", double(l.gradient + skip));
  set(env, result, "m", double(l.m + skip));
  set(env, result, "v", double(l.v + skip));
  set(env, result, "ema", double(l.ema + skip));
  set(env, result, "state", double(l.state + skip));
  set(env, result, "stateBytes", double(l.state_bytes));
  set(env, result, "ranges", double(l.ranges + skip));
  set(env, result, "rangesLength", double(l.ranges_length));
  set(env, result, "moments", double(l.moments + skip));
  set(env, result, "momentsLength", double(l.moments_length));
  return result;
}

/** Reads the bytes of a segment from argument 1 on. */
template <size_t N>
bool read_batch(const Arguments<N>& a, const Session* s, TrainBatch& batch) {
  const std::size_t n = std::size_t(s->config.batch) * s->config.steps;
  batch.inputs = a.template array_of<uint8_t>(1, n);
  batch.targets = a.template array_of<uint8_t>(2, n);
  batch.resets = a.template array_of<uint8_t>(3, s->config.batch);
  return batch.inputs && batch.targets && batch.resets;
}

/**
 * trainStep(session, inputs, targets, resets, update): { loss, norm }, the loss in nats per byte. The update
 * is a Float32Array in the order of struct Update; with a rate < 0 only the gradient is computed.
 */
napi_value step(napi_env env, napi_callback_info info) {
  const Arguments<5> a(env, info);
  Session* s = a.external<Session>(0);
  TrainBatch batch{};
  const float* update = a.array_of<float>(4, sizeof(Update) / sizeof(float));
  if (!s || !update || !read_batch(a, s, batch)) return wrong(env, "trainStep: wrong arguments");
  std::memcpy(&batch.update, update, sizeof(Update));
  Workers workers(*s, batch);
  for (Phase phase : kPreparePhases) workers.run(phase, Source::kWeights);
  for (Phase phase : kGradientPhases) workers.run(phase, Source::kWeights);
  if (batch.update.rate >= 0) workers.run(Phase::kUpdate, Source::kWeights);
  double loss = 0;
  for (int b = 0; b < s->config.batch; ++b) loss += s->kernel->losses(s->trainer.get())[b];
  napi_value result;
  napi_create_object(env, &result);
  set(env, result, "loss", loss / (double(s->config.batch) * s->config.steps));
  set(env, result, "norm", s->kernel->norm(s->trainer.get()));
  return result;
}

/**
 * trainEvaluate(session, inputs, targets, resets, losses, ema, prepare): loss in nats of every sequence into
 * losses.
 */
napi_value evaluate(napi_env env, napi_callback_info info) {
  const Arguments<7> a(env, info);
  Session* s = a.external<Session>(0);
  TrainBatch batch{};
  double* losses = s ? a.array_of<double>(4, s->config.batch) : nullptr;
  if (!losses || !read_batch(a, s, batch)) return wrong(env, "trainEvaluate: wrong arguments");
  const bool prepare = a.boolean(6, true);
  const Source source = a.boolean(5) ? Source::kEma : Source::kWeights;
  Workers workers(*s, batch);
  if (prepare)
    for (Phase phase : kPreparePhases) workers.run(phase, source);
  workers.run(Phase::kEvaluate, source);
  std::memcpy(losses, s->kernel->losses(s->trainer.get()), sizeof(double) * s->config.batch);
  return nullptr;
}

/**
 * trainBenchmark(isa, bf16, repeats): operations done by the bare inner loop of the products, on this thread.
 */
napi_value benchmark(napi_env env, napi_callback_info info) {
  const Arguments<3> a(env, info);
  const TrainKernel* kernel = named(supported(a.boolean(1)), a.string(0));
  if (!kernel) return wrong(env, "trainBenchmark: wrong arguments");
  return number(env, kernel->bare_product(a.integer(2)));
}

}  // namespace

void register_train(napi_env env, napi_value exports) {
  add_export<kernels>(env, exports, "trainKernels");
  add_export<bytes>(env, exports, "trainBytes");
  add_export<create>(env, exports, "trainCreate");
  add_export<step>(env, exports, "trainStep");
  add_export<evaluate>(env, exports, "trainEvaluate");
  add_export<benchmark>(env, exports, "trainBenchmark");
}

}  // namespace shacomp
