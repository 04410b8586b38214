/** @file Node-API binding of the training kernels. */
#include <node_api.h>

#include <cstring>
#include <memory>

#include "threads.h"
#include "train/train.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace shacomp {

#define X(isa)                                     \
  namespace isa {                                  \
  const TrainKernel* train_kernel(bool want_bf16); \
  }
SHACOMP_ISAS
#undef X

namespace {

/** The best kernel that this processor runs. */
const TrainKernel* choose(bool bf16) {
#if defined(__x86_64__)
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vnni");
  if (avx512 && __builtin_cpu_supports("avx512bf16")) return avx512bf16::train_kernel(bf16);
  if (avx512) return avx512::train_kernel(bf16);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::train_kernel(bf16);
#endif
  return baseline::train_kernel(bf16);
}

struct Session {
  const TrainKernel* kernel;
  TrainConfig config;
  TrainLayout layout;
  void* trainer;
  napi_ref arena;
  std::unique_ptr<ThreadPool> pool;

  void phase(Phase phase, const TrainBatch& batch, Source source) {
    pool->parallel_for(config.workers, [&](std::size_t worker) { kernel->run(trainer, phase, worker, batch, source); });
  }
};

napi_value fail(napi_env env, const char* message) {
  napi_throw_error(env, nullptr, message);
  return nullptr;
}

double number(napi_env env, napi_value object, const char* name) {
  napi_value value;
  double x = 0;
  if (napi_get_named_property(env, object, name, &value) == napi_ok) napi_get_value_double(env, value, &x);
  return x;
}

void set(napi_env env, napi_value object, const char* name, double x) {
  napi_value value;
  napi_create_double(env, x, &value);
  napi_set_named_property(env, object, name, value);
}

/** Bytes of a Uint8Array of at least n bytes, or null. */
const std::uint8_t* bytes(napi_env env, napi_value value, std::size_t n) {
  napi_typedarray_type type;
  std::size_t length;
  void* data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) return nullptr;
  return type == napi_uint8_array && length >= n ? static_cast<const std::uint8_t*>(data) : nullptr;
}

Session* session(napi_env env, napi_value value) {
  void* data = nullptr;
  if (napi_get_value_external(env, value, &data) != napi_ok) return nullptr;
  return static_cast<Session*>(data);
}

bool valid(const TrainConfig& c) {
  return c.width >= 64 && c.width <= 1024 && c.width % 64 == 0 && c.layers >= 1 && c.layers <= 32 && c.boom >= 1 &&
         c.boom <= 8 && c.steps >= 64 && c.steps % 64 == 0 && c.window >= c.steps && c.window % 2 == 0 &&
         c.window <= 1 << 16 && c.batch >= 1 && c.batch <= 4096 && c.workers >= 1 && c.workers <= 64;
}

/** trainCreate(config): { session, arena, kernel, parameters, weights, gradient, m, v, ema, state, stateBytes } (byte offsets in arena). */
napi_value create(napi_env env, napi_callback_info info) {
  std::size_t argc = 1;
  napi_value argv[1];
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  TrainConfig c{};
  c.width = int(number(env, argv[0], "width"));
  c.layers = int(number(env, argv[0], "layers"));
  c.boom = int(number(env, argv[0], "boom"));
  c.window = int(number(env, argv[0], "window"));
  c.attention = std::uint32_t(number(env, argv[0], "attention"));
  c.batch = int(number(env, argv[0], "batch"));
  c.steps = int(number(env, argv[0], "steps"));
  c.workers = int(number(env, argv[0], "workers"));
  c.bf16 = int(number(env, argv[0], "bf16"));
  if (!valid(c)) return fail(env, "training configuration out of range");
  auto owned = std::make_unique<Session>();
  owned->kernel = choose(c.bf16 != 0);
  owned->config = c;
  owned->kernel->create(c, nullptr, &owned->layout);
  const std::size_t size = owned->layout.arena_bytes;
  napi_value arena;
  void* data = nullptr;
  if (napi_create_arraybuffer(env, size, &data, &arena) != napi_ok || !data) return fail(env, "not enough memory to train");
  const std::size_t skip = (64 - reinterpret_cast<std::uintptr_t>(data) % 64) % 64;
#if defined(__linux__)
  const std::uintptr_t page = (reinterpret_cast<std::uintptr_t>(data) + 4095) & ~std::uintptr_t{4095};
  madvise(reinterpret_cast<void*>(page), size - (page - reinterpret_cast<std::uintptr_t>(data)), MADV_HUGEPAGE);
#endif
  owned->trainer = owned->kernel->create(c, static_cast<char*>(data) + skip, &owned->layout);
  owned->pool = std::make_unique<ThreadPool>(unsigned(c.workers));
  napi_create_reference(env, arena, 1, &owned->arena);
  Session* s = owned.release();
  napi_value result, handle, name;
  napi_create_object(env, &result);
  napi_create_external(
      env, s,
      [](napi_env e, void* p, void*) {
        auto* dead = static_cast<Session*>(p);
        napi_delete_reference(e, dead->arena);
        delete dead;
      },
      nullptr, &handle);
  napi_set_named_property(env, result, "session", handle);
  napi_set_named_property(env, result, "arena", arena);
  napi_create_string_utf8(env, s->kernel->name, NAPI_AUTO_LENGTH, &name);
  napi_set_named_property(env, result, "kernel", name);
  set(env, result, "bf16", s->kernel->bf16);
  set(env, result, "parameters", double(s->layout.parameters));
  set(env, result, "weights", double(s->layout.weights + skip));
  set(env, result, "gradient", double(s->layout.gradient + skip));
  set(env, result, "m", double(s->layout.m + skip));
  set(env, result, "v", double(s->layout.v + skip));
  set(env, result, "ema", double(s->layout.ema + skip));
  set(env, result, "state", double(s->layout.state + skip));
  set(env, result, "stateBytes", double(s->layout.state_bytes));
  return result;
}

bool read_batch(napi_env env, const Session* s, napi_value* argv, TrainBatch& batch) {
  const std::size_t n = std::size_t(s->config.batch) * s->config.steps;
  batch.inputs = bytes(env, argv[0], n);
  batch.targets = bytes(env, argv[1], n);
  batch.resets = bytes(env, argv[2], s->config.batch);
  return batch.inputs && batch.targets && batch.resets;
}

/**
 * trainStep(session, inputs, targets, resets, { rate, beta1, beta2, epsilon, decay, clip, ema, time }): { loss, norm }, the
 * loss in nats per byte. With rate < 0 only the gradient is computed.
 */
napi_value step(napi_env env, napi_callback_info info) {
  std::size_t argc = 5;
  napi_value argv[5];
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  Session* s = argc == 5 ? session(env, argv[0]) : nullptr;
  TrainBatch batch{};
  if (!s || !read_batch(env, s, argv + 1, batch)) return fail(env, "trainStep: wrong arguments");
  batch.rate = float(number(env, argv[4], "rate"));
  batch.beta1 = float(number(env, argv[4], "beta1"));
  batch.beta2 = float(number(env, argv[4], "beta2"));
  batch.epsilon = float(number(env, argv[4], "epsilon"));
  batch.decay = float(number(env, argv[4], "decay"));
  batch.clip = float(number(env, argv[4], "clip"));
  batch.ema = float(number(env, argv[4], "ema"));
  batch.time = number(env, argv[4], "time");
  for (Phase phase : {Phase::kPack, Phase::kTable, Phase::kTrain, Phase::kTableGradient, Phase::kReduce})
    s->phase(phase, batch, Source::kWeights);
  if (batch.rate >= 0) s->phase(Phase::kUpdate, batch, Source::kWeights);
  double loss = 0;
  for (int b = 0; b < s->config.batch; ++b) loss += s->kernel->losses(s->trainer)[b];
  napi_value result;
  napi_create_object(env, &result);
  set(env, result, "loss", loss / (double(s->config.batch) * s->config.steps));
  set(env, result, "norm", s->kernel->norm(s->trainer));
  return result;
}

/** trainEvaluate(session, inputs, targets, resets, losses, ema, prepare): loss in nats of every sequence into losses. */
napi_value evaluate(napi_env env, napi_callback_info info) {
  std::size_t argc = 7;
  napi_value argv[7];
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  Session* s = argc == 7 ? session(env, argv[0]) : nullptr;
  TrainBatch batch{};
  if (!s || !read_batch(env, s, argv + 1, batch)) return fail(env, "trainEvaluate: wrong arguments");
  napi_typedarray_type type;
  std::size_t length = 0;
  void* losses = nullptr;
  napi_get_typedarray_info(env, argv[4], &type, &length, &losses, nullptr, nullptr);
  if (!losses || type != napi_float64_array || length < std::size_t(s->config.batch))
    return fail(env, "trainEvaluate: wrong arguments");
  bool ema = false, prepare = true;
  napi_get_value_bool(env, argv[5], &ema);
  napi_get_value_bool(env, argv[6], &prepare);
  const Source source = ema ? Source::kEma : Source::kWeights;
  if (prepare) {
    s->phase(Phase::kPack, batch, source);
    s->phase(Phase::kTable, batch, source);
  }
  s->phase(Phase::kEvaluate, batch, source);
  std::memcpy(losses, s->kernel->losses(s->trainer), sizeof(double) * s->config.batch);
  return nullptr;
}

}  // namespace

void register_train(napi_env env, napi_value exports) {
  const napi_property_descriptor properties[] = {
      {"trainCreate", nullptr, create, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"trainStep", nullptr, step, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"trainEvaluate", nullptr, evaluate, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties);
}

}  // namespace shacomp
