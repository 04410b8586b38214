/** @file An open network as the addon's parts see it. */
#pragma once

#include <node_api.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "core/aligned_memory.h"
#include "network/network.h"
#include "parallel/thread_governor.h"
#include "parallel/thread_pool.h"

namespace shacomp {

struct PackedModel {
  const NetworkKernels* kernels;
  Shape shape;
  Memory memory;
};

struct Network {
  std::shared_ptr<const PackedModel> model;
  int streams;
  Position position;
  Memory state;
  std::vector<Memory> scratch;  // one per thread
  std::shared_ptr<ThreadPool> pool;
  size_t size;              // bytes of state and scratch
  ThreadGovernor governor;  // of steps that are coded at once, since the last reset
  bool busy = false;        // another thread works with it (streams.cc)

  /** Cold state of all streams. */
  void reset() {
    position = {};
    governor = {};
    model->kernels->reset_state(model->memory.get(), state.get(), streams);
  }

  /**
   * Runs streams [first, first + count) for some steps, the first of them `from` steps after the position,
   * which stays. Arrays as in NetworkKernels::run. Calls for different streams may run at the same time, on
   * different threads.
   */
  void run(int first, int count, int from, int steps, const uint8_t* bytes, uint32_t* frequencies,
           size_t thread) {
    Position start = position;
    start.advance(from, model->shape.window);
    model->kernels->run(model->memory.get(), state.get(), streams, start, first, count, steps, bytes,
                        frequencies, scratch[thread].get());
  }
};

/** The open network that a JavaScript value stands for; null for anything else, closed networks included. */
Network* network_handle(napi_env env, napi_value value);

}  // namespace shacomp
