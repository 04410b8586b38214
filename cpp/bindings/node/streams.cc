/**
 * @file Node-API face of blocks whose streams are independent, for src/engines/native/streams.ts: they are
 * coded by the pool's threads while JavaScript goes on. Arguments but handles are checked there.
 */
#include <node_api.h>

#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "bindings/node/addon.h"
#include "bindings/node/network.h"
#include "parallel/stream_block.h"

namespace shacomp {

namespace {

constexpr napi_type_tag kStreamsTag = {0x53686163'6f6d7031, 0x53747265'616d7331};

/** A block and the network that it is coded with, which JavaScript keeps as long as `keeps` refers to it. */
struct StreamCoder {
  Network* network;
  napi_ref keeps = nullptr;
  std::unique_ptr<StreamBlock> block;  // null once closed
  bool busy = false;
};

/** Ends what a coder has; it is not busy. */
void release(napi_env env, StreamCoder& coder) {
  coder.block.reset();
  if (coder.keeps) napi_delete_reference(env, coder.keeps);
  coder.keeps = nullptr;
}

/** The open coder of a value that has nothing to do; null, with an exception, for any other. */
StreamCoder* idle_coder(napi_env env, napi_value value) {
  void* data = nullptr;
  const bool is = has_tag(env, value, kStreamsTag) && napi_get_value_external(env, value, &data) == napi_ok;
  auto* const coder = static_cast<StreamCoder*>(data);
  if (is && coder->block && !coder->busy) return coder;
  fail(env, "ERR_OPTIONS", "coding of streams: needs an open coder that is not at work");
  return nullptr;
}

/** Makes a coder of a network whose handle is `value`, which starts anew. */
napi_value open_coder(napi_env env, napi_value value, Network& network, std::unique_ptr<StreamBlock> block) {
  network.reset();
  auto coder = std::make_unique<StreamCoder>();
  coder->network = &network;
  coder->block = std::move(block);
  napi_value external = nullptr;
  const auto finalize = [](napi_env e, void* data, void*) {
    const std::unique_ptr<StreamCoder> dead(static_cast<StreamCoder*>(data));
    release(e, *dead);
  };
  if (napi_create_external(env, coder.get(), finalize, nullptr, &external) != napi_ok) return no_memory(env);
  StreamCoder& opened = *coder.release();
  if (napi_type_tag_object(env, external, &kStreamsTag) != napi_ok ||
      napi_create_reference(env, value, 1, &opened.keeps) != napi_ok)
    return no_memory(env);
  return external;
}

/** encodeStreams(network, block: Uint8Array): coder. Throws ERR_MEMORY_LIMIT, ERR_OPTIONS. */
napi_value encode_streams(napi_env env, napi_callback_info info) {
  const Arguments<2> a(env, info);
  size_t length = 0;
  Network* const network = network_handle(env, a.value[0]);
  const uint8_t* const block = a.array<uint8_t>(1, &length);
  if (!network || !block || length < static_cast<size_t>(network->streams))
    return fail(env, "ERR_OPTIONS",
                "coding of streams: needs an open network and a byte for each of its streams");
  return open_coder(env, a.value[0], *network,
                    std::make_unique<StreamBlock>(network->streams, block, length));
}

/**
 * decodeStreams(network, codes: Uint8Array, lengths: Uint32Array, length): coder of a block of `length`
 * bytes. Throws ERR_MEMORY_LIMIT, ERR_OPTIONS.
 */
napi_value decode_streams(napi_env env, napi_callback_info info) {
  const Arguments<4> a(env, info);
  size_t bytes = 0, count = 0, total = 0;
  Network* const network = network_handle(env, a.value[0]);
  const uint8_t* const codes = a.array<uint8_t>(1, &bytes);
  const uint32_t* const lengths = a.array<uint32_t>(2, &count);
  const size_t length = a.size(3);
  for (size_t i = 0; lengths && i < count; i++) total += lengths[i];
  if (!network || !codes || !lengths || total != bytes || length > UINT32_MAX ||
      count != static_cast<size_t>(network->streams) || length < count)
    return fail(env, "ERR_OPTIONS",
                "coding of streams: needs an open network and a code for each of its streams");
  return open_coder(env, a.value[0], *network,
                    std::make_unique<StreamBlock>(network->streams, codes, lengths, length));
}

/** Work on another thread, and the promise that it keeps. */
struct Advance {
  StreamCoder* coder;
  int steps;
  bool done = false;
  napi_ref keeps = nullptr;  // the coder, from the garbage collector
  napi_deferred promise = nullptr;
  napi_async_work work = nullptr;

  void run() noexcept {
    try {
      Network& network = *coder->network;
      const PackedModel& model = *network.model;
      std::vector<void*> scratch;
      for (const Memory& memory : network.scratch) scratch.push_back(memory.get());
      done = coder->block->advance(*model.kernels, model.memory.get(), network.state.get(),
                                   model.shape.window, steps, *network.pool, scratch);
    } catch (const std::bad_alloc&) {
    }
  }

  void end(napi_env env) {
    coder->busy = coder->network->busy = false;
    if (done) {
      const size_t coded = coder->block->coded();
      napi_resolve_deferred(env, promise,
                            number(env, coded == SIZE_MAX ? __builtin_inf() : static_cast<double>(coded)));
    } else {
      napi_value error = nullptr;
      no_memory(env);
      napi_get_and_clear_last_exception(env, &error);
      napi_reject_deferred(env, promise, error);
    }
    napi_delete_reference(env, keeps);
    napi_delete_async_work(env, work);
  }
};

/**
 * advanceStreams(coder, steps): Promise<number>, as StreamCoder.advance. Throws ERR_OPTIONS; rejects with
 * ERR_MEMORY_LIMIT.
 */
napi_value advance_streams(napi_env env, napi_callback_info info) {
  const Arguments<2> a(env, info);
  StreamCoder* const coder = idle_coder(env, a.value[0]);
  if (!coder) return nullptr;
  const size_t steps = a.size(1);
  if (steps > coder->block->left() || !coder->network->state || coder->network->busy)
    return fail(env, "ERR_OPTIONS", "coding of streams: there are not so many steps left");
  auto advance = std::make_unique<Advance>();
  advance->coder = coder;
  advance->steps = static_cast<int>(steps);
  napi_value promise = nullptr;
  const auto execute = [](napi_env, void* data) { static_cast<Advance*>(data)->run(); };
  const auto complete = [](napi_env e, napi_status, void* data) {
    const std::unique_ptr<Advance> ended(static_cast<Advance*>(data));
    ended->end(e);
  };
  if (napi_create_reference(env, a.value[0], 1, &advance->keeps) != napi_ok ||
      napi_create_async_work(env, nullptr, text(env, "shacomp"), execute, complete, advance.get(),
                             &advance->work) != napi_ok ||
      napi_create_promise(env, &advance->promise, &promise) != napi_ok ||
      napi_queue_async_work(env, advance->work) != napi_ok)
    return no_memory(env);
  coder->busy = coder->network->busy = true;
  advance.release();
  return promise;
}

/**
 * finishStreams(coder, lengths?: Uint32Array): the codes, one behind the other, and their lengths; or the
 * decoded block; an ArrayBuffer, or undefined if the codes are together longer than the block or do not end
 * as an encoder ends them.
 */
napi_value finish_streams(napi_env env, napi_callback_info info) {
  const Arguments<2> a(env, info);
  StreamCoder* const coder = idle_coder(env, a.value[0]);
  if (!coder) return nullptr;
  StreamBlock& block = *coder->block;
  void* data = nullptr;
  if (block.decodes()) {
    if (!block.ends()) return nullptr;
    const napi_value buffer = new_array_buffer(env, block.length(), &data);
    if (!buffer) return no_memory(env);
    std::memcpy(data, block.block(), block.length());
    return buffer;
  }
  const size_t streams = static_cast<size_t>(block.streams());
  uint32_t* const lengths = a.array_of<uint32_t>(1, streams);
  if (!lengths || block.left() > 0)
    return fail(env, "ERR_OPTIONS",
                "coding of streams: needs room for the lengths of all codes, and all steps done");
  block.finish();
  size_t total = 0;
  for (size_t s = 0; s < streams; s++) total += block.code_length(static_cast<int>(s));
  if (total > block.length()) return nullptr;
  const napi_value buffer = new_array_buffer(env, total, &data);
  if (!buffer) return no_memory(env);
  auto* at = static_cast<uint8_t*>(data);
  for (size_t s = 0; s < streams; s++) {
    const size_t length = block.code_length(static_cast<int>(s));
    if (length > 0) std::memcpy(at, block.code(static_cast<int>(s)), length);
    lengths[s] = static_cast<uint32_t>(length);
    at += length;
  }
  return buffer;
}

/** closeStreams(coder): frees its memory now instead of at garbage collection. */
napi_value close_streams(napi_env env, napi_callback_info info) {
  StreamCoder* const coder = idle_coder(env, Arguments<1>(env, info).value[0]);
  if (coder) release(env, *coder);
  return nullptr;
}

/** streamBytes(length, streams, threads): memory of a coder, the network not counted. */
napi_value stream_bytes(napi_env env, napi_callback_info info) {
  const Arguments<3> a(env, info);
  return number(env, static_cast<double>(StreamBlock::most_bytes(a.size(0), a.size(1), a.size(2))));
}

}  // namespace

void register_streams(napi_env env, napi_value exports) {
  add_export<encode_streams>(env, exports, "encodeStreams");
  add_export<decode_streams>(env, exports, "decodeStreams");
  add_export<advance_streams>(env, exports, "advanceStreams");
  add_export<finish_streams>(env, exports, "finishStreams");
  add_export<close_streams>(env, exports, "closeStreams");
  add_export<stream_bytes>(env, exports, "streamBytes");
}

}  // namespace shacomp
