/**
 * @file Node-API binding of the training kernels, for src/trainer/native.ts.
 *
 * Shapes and options are checked there; what could write outside the arena is checked here as well.
 */
#include <node_api.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "bindings/node/addon.h"
#include "core/aligned_memory.h"
#include "parallel/thread_pool.h"
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

constexpr std::size_t kAlignment = 64;

/** Kernels for this processor, best first; with bfloat16 products where asked for and present. */
std::vector<const TrainKernel*> supported(bool bf16) {
  std::vector<const TrainKernel*> list;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vnni");
  if (avx512 && __builtin_cpu_supports("avx512bf16")) list.push_back(avx512bf16::train_kernel(bf16));
  if (avx512) list.push_back(avx512::train_kernel(bf16));
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    list.push_back(avx2::train_kernel(bf16));
#endif
  list.push_back(baseline::train_kernel(bf16));
  return list;
}

Memory allocate(std::size_t size) { return allocate_aligned(size, kAlignment); }

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

napi_value text(napi_env env, const char* string) {
  napi_value value;
  napi_create_string_utf8(env, string, NAPI_AUTO_LENGTH, &value);
  return value;
}

/** The kernel named by a string, or null. */
const TrainKernel* kernel_named(napi_env env, napi_value value, bool bf16) {
  char name[32] = {};
  napi_get_value_string_utf8(env, value, name, sizeof name, nullptr);
  for (const TrainKernel* kernel : supported(bf16))
    if (std::strcmp(kernel->name, name) == 0) return kernel;
  return nullptr;
}

/** Data of a typed array of at least n elements, or null. */
void* elements(napi_env env, napi_value value, napi_typedarray_type wanted, std::size_t n) {
  napi_typedarray_type type;
  std::size_t length;
  void* data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) return nullptr;
  return type == wanted && length >= n ? data : nullptr;
}

Session* session(napi_env env, napi_value value) {
  void* data = nullptr;
  if (napi_get_value_external(env, value, &data) != napi_ok) return nullptr;
  return static_cast<Session*>(data);
}

/** Reads a configuration; false if it is out of range. */
bool read_config(napi_env env, napi_value object, TrainConfig& c) {
  const auto read = [&](const char* name, double low, double high, int multiple) {
    const double x = number(env, object, name);
    const bool good = x >= low && x <= high && x == int(x) && int(x) % multiple == 0;
    return good ? int(x) : -1;
  };
  c.width = read("width", 64, 1024, 64);
  c.layers = read("layers", 1, 32, 1);
  c.boom = read("boom", 1, 8, 1);
  c.window = read("window", 64, 1 << 16, 2);
  c.attention = std::uint32_t(number(env, object, "attention"));
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
napi_value kernels(napi_env env, napi_callback_info) {
  napi_value list;
  napi_create_array(env, &list);
  std::uint32_t i = 0;
  for (const TrainKernel* kernel : supported(false)) napi_set_element(env, list, i++, text(env, kernel->name));
  return list;
}

/** Arguments (isa, config), measured. */
bool read_session(napi_env env, napi_callback_info info, Session& s) {
  std::size_t argc = 2;
  napi_value argv[2];
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  if (argc != 2 || !read_config(env, argv[1], s.config)) return false;
  s.kernel = kernel_named(env, argv[0], s.config.bf16 != 0);
  if (!s.kernel) return false;
  s.trainer = allocate(s.kernel->trainer_bytes);
  s.kernel->create(s.config, s.trainer.get(), nullptr, &s.layout);
  return true;
}

/** trainBytes(isa, config): memory of a session. */
napi_value bytes(napi_env env, napi_callback_info info) {
  Session s{};
  if (!read_session(env, info, s)) return wrong(env, "trainBytes: wrong arguments");
  napi_value result;
  napi_create_double(env, double(s.layout.arena_bytes), &result);
  return result;
}

/**
 * trainCreate(isa, config): { session, arena, bf16, parameters, weights, gradient, m, v, ema, state, stateBytes, ranges,
 * rangesLength, moments, momentsLength }, with byte offsets in the ArrayBuffer `arena`.
 */
napi_value create(napi_env env, napi_callback_info info) {
  auto owned = std::make_unique<Session>();
  if (!read_session(env, info, *owned)) return wrong(env, "trainCreate: wrong arguments");
  const std::size_t size = owned->layout.arena_bytes + kAlignment;
  void* data = nullptr;
  const napi_value arena = new_array_buffer(env, size, &data);
  if (!arena) return no_memory(env);
  const std::size_t skip = -reinterpret_cast<std::uintptr_t>(data) % kAlignment;
#if defined(__linux__)
  const std::uintptr_t page = (reinterpret_cast<std::uintptr_t>(data) + 4095) & ~std::uintptr_t{4095};
  madvise(reinterpret_cast<void*>(page), size - (page - reinterpret_cast<std::uintptr_t>(data)), MADV_HUGEPAGE);
#endif
  owned->kernel->create(owned->config, owned->trainer.get(), static_cast<char*>(data) + skip, &owned->layout);
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

bool read_batch(napi_env env, const Session* s, napi_value* argv, TrainBatch& batch) {
  const std::size_t n = std::size_t(s->config.batch) * s->config.steps;
  const auto read = [&](napi_value value, std::size_t length) {
    return static_cast<const std::uint8_t*>(elements(env, value, napi_uint8_array, length));
  };
  batch.inputs = read(argv[0], n);
  batch.targets = read(argv[1], n);
  batch.resets = read(argv[2], s->config.batch);
  return batch.inputs && batch.targets && batch.resets;
}

/**
 * trainStep(session, inputs, targets, resets, { rate, beta1, beta2, epsilon, decay, clip, ema, correct1, correct2 }):
 * { loss, norm }, the loss in nats per byte. With rate < 0 only the gradient is computed.
 */
napi_value step(napi_env env, napi_callback_info info) {
  std::size_t argc = 5;
  napi_value argv[5];
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  Session* s = argc == 5 ? session(env, argv[0]) : nullptr;
  TrainBatch batch{};
  if (!s || !read_batch(env, s, argv + 1, batch)) return wrong(env, "trainStep: wrong arguments");
  const auto option = [&](const char* name) { return float(number(env, argv[4], name)); };
  batch.rate = option("rate");
  batch.beta1 = option("beta1");
  batch.beta2 = option("beta2");
  batch.epsilon = option("epsilon");
  batch.decay = option("decay");
  batch.clip = option("clip");
  batch.ema = option("ema");
  batch.correct1 = option("correct1");
  batch.correct2 = option("correct2");
  Workers workers(*s, batch);
  for (Phase phase : kPreparePhases) workers.run(phase, Source::kWeights);
  for (Phase phase : kGradientPhases) workers.run(phase, Source::kWeights);
  if (batch.rate >= 0) workers.run(Phase::kUpdate, Source::kWeights);
  double loss = 0;
  for (int b = 0; b < s->config.batch; ++b) loss += s->kernel->losses(s->trainer.get())[b];
  napi_value result;
  napi_create_object(env, &result);
  set(env, result, "loss", loss / (double(s->config.batch) * s->config.steps));
  set(env, result, "norm", s->kernel->norm(s->trainer.get()));
  return result;
}

/** trainEvaluate(session, inputs, targets, resets, losses, ema, prepare): loss in nats of every sequence into losses. */
napi_value evaluate(napi_env env, napi_callback_info info) {
  std::size_t argc = 7;
  napi_value argv[7];
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  Session* s = argc == 7 ? session(env, argv[0]) : nullptr;
  TrainBatch batch{};
  void* losses = s ? elements(env, argv[4], napi_float64_array, s->config.batch) : nullptr;
  if (!losses || !read_batch(env, s, argv + 1, batch)) return wrong(env, "trainEvaluate: wrong arguments");
  bool ema = false, prepare = true;
  napi_get_value_bool(env, argv[5], &ema);
  napi_get_value_bool(env, argv[6], &prepare);
  const Source source = ema ? Source::kEma : Source::kWeights;
  Workers workers(*s, batch);
  if (prepare)
    for (Phase phase : kPreparePhases) workers.run(phase, source);
  workers.run(Phase::kEvaluate, source);
  std::memcpy(losses, s->kernel->losses(s->trainer.get()), sizeof(double) * s->config.batch);
  return nullptr;
}

/** trainBenchmark(isa, bf16, repeats): operations done by the bare inner loop of the products, on this thread. */
napi_value benchmark(napi_env env, napi_callback_info info) {
  std::size_t argc = 3;
  napi_value argv[3];
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  bool bf16 = false;
  std::int32_t repeats = 0;
  napi_get_value_bool(env, argv[1], &bf16);
  napi_get_value_int32(env, argv[2], &repeats);
  const TrainKernel* kernel = kernel_named(env, argv[0], bf16);
  if (!kernel) return wrong(env, "trainBenchmark: wrong arguments");
  napi_value result;
  napi_create_double(env, kernel->bare_product(repeats), &result);
  return result;
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
