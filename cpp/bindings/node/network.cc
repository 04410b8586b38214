/**
 * @file The native engine's functions for src/engines/native/engine.ts.
 *
 * Arguments are checked there: these functions are called by that file alone.
 */
#include <node_api.h>

#include <algorithm>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "bindings/node/addon.h"
#include "bindings/node/network.h"
#include "core/cpu.h"
#include "parallel/pipeline.h"

namespace shacomp {

namespace {

constexpr napi_type_tag kNetworkTag = {0x53686163'6f6d7031, 0x4e657477'6f726b31};

/** Fewest streams that are worth a thread of their own. */
constexpr int kStreamsPerThread = 2;

/** Instruction sets of this processor, best first. */
std::vector<const NetworkKernels*> supported() {
  std::vector<const NetworkKernels*> list;
#define X(isa) \
  if (runs_here(#isa)) list.insert(list.begin(), &isa::network_kernels);
  SHACOMP_NETWORK_ISAS
#undef X
  return list;
}

napi_value no_such_isa(napi_env env) { return fail(env, "ERR_OPTIONS", "unknown instruction set"); }

/** Tells JavaScript's garbage collector of memory that its objects hold or, below 0, no longer hold. */
void report(napi_env env, int64_t bytes) {
  int64_t total;
  napi_adjust_external_memory(env, bytes, &total);
}

/**
 * Makes a C++ object, which holds `object->size` bytes, a value of JavaScript; null, with an exception, if
 * that fails.
 */
template <class T>
napi_value wrap(napi_env env, std::unique_ptr<T> object) {
  napi_value external = nullptr;
  const auto finalize = [](napi_env e, void* data, void*) {
    auto* const dead = static_cast<T*>(data);
    report(e, -static_cast<int64_t>(dead->size));
    delete dead;
  };
  if (napi_create_external(env, object.get(), finalize, nullptr, &external) != napi_ok) return no_memory(env);
  report(env, static_cast<int64_t>(object.release()->size));
  return external;
}

/** networkIsas(): names of the instruction sets that run here, best first. */
napi_value network_isas(napi_env env, napi_callback_info) { return names_of(env, supported()); }

/** What JavaScript has of a model: networks share it. */
struct ModelHandle {
  std::shared_ptr<const PackedModel> model;
  size_t size;
};

/** packModel(image: Uint8Array, isa: string): model. Throws ERR_MEMORY_LIMIT, ERR_OPTIONS. */
napi_value pack_model(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const uint8_t* const image = arguments.array_of<uint8_t>(0, 0);
  auto model = std::make_shared<PackedModel>();
  model->kernels = named(supported(), arguments.string(1));
  if (!model->kernels) return no_such_isa(env);
  model->shape = read_shape(image);
  const size_t size = model->kernels->model_size(model->shape);
  model->memory = allocate_aligned(size);
  model->kernels->pack_model(image, model->memory.get());
  return wrap(env, std::unique_ptr<ModelHandle>(new ModelHandle{std::move(model), size}));
}

/** Threads for that many streams: one for each and one that codes what they predict. */
int useful_threads(int streams, int threads) { return std::min(threads, streams + 1); }

/**
 * networkBytes(isa, width, layers, boom, window, attention, streams, threads): memory of an open network, the
 * packed model not counted. Throws ERR_OPTIONS.
 */
napi_value network_bytes(napi_env env, napi_callback_info info) {
  const Arguments<8> arguments(env, info);
  const NetworkKernels* const kernels = named(supported(), arguments.string(0));
  if (!kernels) return no_such_isa(env);
  const Shape shape = {arguments.integer(1), arguments.integer(2), arguments.integer(3), arguments.integer(4),
                       static_cast<uint32_t>(arguments.integer(5))};
  const int streams = arguments.integer(6);
  const int threads = useful_threads(streams, arguments.integer(7));
  const double scratch = static_cast<double>(kernels->scratch_size(shape));
  return number(env, static_cast<double>(kernels->state_size(shape, streams)) + threads * scratch);
}

/** openNetwork(model, streams, threads): network. Throws ERR_MEMORY_LIMIT. */
napi_value open_network(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const auto& model = arguments.external<ModelHandle>(0)->model;
  auto network = std::make_unique<Network>();
  network->model = model;
  network->streams = arguments.integer(1);
  const int threads = useful_threads(network->streams, arguments.integer(2));
  network->size = model->kernels->state_size(model->shape, network->streams);
  network->state = allocate_aligned(network->size);
  const size_t scratch = model->kernels->scratch_size(model->shape);
  for (int i = 0; i < threads; i++) {
    network->scratch.push_back(allocate_aligned(scratch));
    network->size += scratch;
  }
  network->pool = ThreadPool::shared(static_cast<unsigned>(threads));
  network->reset();
  napi_value external = wrap(env, std::move(network));
  if (external && napi_type_tag_object(env, external, &kNetworkTag) != napi_ok) return no_memory(env);
  return external;
}

/** For callers that do not wait for what they began. */
napi_value at_work(napi_env env) {
  return fail(env, "ERR_OPTIONS", "the network is at work: wait for its coder");
}

/** resetNetwork(network) */
napi_value reset_network(napi_env env, napi_callback_info info) {
  Network& network = *Arguments<1>(env, info).external<Network>(0);
  if (network.busy) return at_work(env);
  network.reset();
  return nullptr;
}

/** runNetwork(network, bytes: Uint8Array, steps, frequencies: Uint32Array) */
napi_value run_network(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  Network& network = *arguments.external<Network>(0);
  if (network.busy) return at_work(env);
  const uint8_t* const bytes = arguments.array_of<uint8_t>(1, 0);
  const int steps = arguments.integer(2);
  uint32_t* const frequencies = arguments.array_of<uint32_t>(3, 0);
  const int most = (network.streams + kStreamsPerThread - 1) / kStreamsPerThread;
  const StreamGroups parts{network.streams, std::min(static_cast<int>(network.scratch.size()), most)};
  network.pool->parallel_for(static_cast<size_t>(parts.groups), [&](size_t i) {
    const int part = static_cast<int>(i);
    network.run(parts.first(part), parts.size(part), 0, steps, bytes, frequencies, i);
  });
  network.position.advance(steps, network.model->shape.window);
  return nullptr;
}

/**
 * closeNetwork(network): frees its memory, and threads that nobody else needs, now instead of at garbage
 * collection.
 */
napi_value close_network(napi_env env, napi_callback_info info) {
  Network& network = *Arguments<1>(env, info).external<Network>(0);
  if (network.busy) return at_work(env);
  report(env, -static_cast<int64_t>(network.size));
  network.size = 0;
  network.state.reset();
  network.scratch.clear();
  network.pool.reset();
  network.model.reset();
  return nullptr;
}

/** productName(model): the kernel that the first layer's recurrent product takes. */
napi_value product_name(napi_env env, napi_callback_info info) {
  const PackedModel& model = *Arguments<1>(env, info).external<ModelHandle>(0)->model;
  return text(env, model.kernels->product_name(model.memory.get()));
}

/** benchmarkDot(model, repeats): multiply-adds done by the bare inner loop of that kernel. */
napi_value benchmark_dot(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const PackedModel& model = *arguments.external<ModelHandle>(0)->model;
  return number(env, model.kernels->bare_dot(model.memory.get(), arguments.integer(1)));
}

/** benchmarkProduct(model, columns, repeats): multiply-adds done by the first layer's recurrent product. */
napi_value benchmark_product(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const PackedModel& model = *arguments.external<ModelHandle>(0)->model;
  const int columns = arguments.integer(1);
  const int repeats = arguments.integer(2);
  const Memory scratch = allocate_aligned(model.kernels->scratch_size(model.shape));
  model.kernels->product(model.memory.get(), columns, repeats, scratch.get());
  const double d = model.shape.width;
  return number(env, 4 * d * d * columns * repeats);
}

}  // namespace

Network* network_handle(napi_env env, napi_value value) {
  void* data = nullptr;
  if (!has_tag(env, value, kNetworkTag) || napi_get_value_external(env, value, &data) != napi_ok)
    return nullptr;
  auto* const network = static_cast<Network*>(data);
  return network->state && !network->busy ? network : nullptr;
}

void register_network(napi_env env, napi_value exports) {
  add_export<network_isas>(env, exports, "networkIsas");
  add_export<pack_model>(env, exports, "packModel");
  add_export<network_bytes>(env, exports, "networkBytes");
  add_export<open_network>(env, exports, "openNetwork");
  add_export<reset_network>(env, exports, "resetNetwork");
  add_export<run_network>(env, exports, "runNetwork");
  add_export<close_network>(env, exports, "closeNetwork");
  add_export<product_name>(env, exports, "productName");
  add_export<benchmark_dot>(env, exports, "benchmarkDot");
  add_export<benchmark_product>(env, exports, "benchmarkProduct");
}

}  // namespace shacomp
