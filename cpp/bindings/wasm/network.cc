/**
 * @file The network for src/engines/wasm/engine.ts. Memory is handed in by JavaScript, which asks for sizes
 * first.
 */
#include "network/network.h"
#include "bindings/wasm/export.h"
#include "core/arena.h"

namespace shacomp {

namespace {

constexpr const NetworkKernels& kernels = wasm::network_kernels;

struct Network {
  const void* model;
  Shape shape;
  int streams;
  Position position;
  void* state;
  void* scratch;
};

/** Lays a network out; with a measuring arena only the size counts. */
Network* place_network(Arena& arena, const Shape& shape, int streams) {
  Network* const network = arena.take<Network>(1);
  void* const state = arena.take<uint8_t>(kernels.state_size(shape, streams));
  void* const scratch = arena.take<uint8_t>(kernels.scratch_size(shape));
  if (network) *network = {nullptr, shape, streams, {}, state, scratch};
  return network;
}

}  // namespace

extern "C" {

EXPORT(network_model_size) size_t network_model_size(const uint8_t* file) {
  return kernels.model_size(read_shape(file));
}

EXPORT(network_pack) void network_pack(const uint8_t* file, void* model) { kernels.pack_model(file, model); }

/** Bytes of one network; as a double because a large one does not fit this memory, nor its size 32 bits. */
EXPORT(network_size)
double network_size(int width, int layers, int boom, int window, uint32_t attention, int streams) {
  const Shape shape = {width, layers, boom, window, attention};
  const double per_stream = static_cast<double>(kernels.state_size(shape, 1));
  if (per_stream * streams > 4e9) return per_stream * streams;
  Arena arena(nullptr);
  place_network(arena, shape, streams);
  return static_cast<double>(arena.used());
}

EXPORT(network_open)
Network* network_open(const uint8_t* file, const void* model, int streams, void* memory) {
  Arena arena(memory);
  Network* const network = place_network(arena, read_shape(file), streams);
  network->model = model;
  kernels.reset_state(model, network->state, streams);
  return network;
}

EXPORT(network_reset) void network_reset(Network* network) {
  network->position = {};
  kernels.reset_state(network->model, network->state, network->streams);
}

EXPORT(network_run)
void network_run(Network* network, const uint8_t* bytes, int steps, uint32_t* frequencies) {
  kernels.run(network->model, network->state, network->streams, network->position, 0, network->streams, steps,
              bytes, frequencies, network->scratch);
  network->position.advance(steps, network->shape.window);
}

/** Name of the product kernel of the model's benchmarked matrix, ended by a 0. */
EXPORT(network_product_name) const char* network_product_name(const Network* network) {
  return kernels.product_name(network->model);
}

EXPORT(network_benchmark_dot) double network_benchmark_dot(const Network* network, int repeats) {
  return kernels.bare_dot(network->model, repeats);
}

EXPORT(network_benchmark_product)
int32_t network_benchmark_product(Network* network, int columns, int repeats) {
  return kernels.product(network->model, columns, repeats, network->scratch);
}

}  // extern "C"
}  // namespace shacomp
