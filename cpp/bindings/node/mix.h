/** @file An open mixing coder as the addon's parts see it. */
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>

#include "mix/mix.h"

namespace shacomp {

/** A coder with its memory. */
struct MixHandle {
  void* memory = nullptr;
  size_t bytes = 0;
  size_t prepared = 0;  // bytes that the system has given
  Mix* mix = nullptr;
  size_t streams = 0;
  uint8_t* payload = nullptr;  // the decoder's input; null in encoders
  int64_t reported = 0;

  MixHandle() = default;
  MixHandle(const MixHandle&) = delete;
  MixHandle& operator=(const MixHandle&) = delete;
  ~MixHandle() { release(); }

  /** Zeroed memory. @throws std::bad_alloc */
  void allocate(size_t wanted);
  void release();
};

/** The open coder that a JavaScript value stands for; null for anything else, closed coders included. */
MixHandle* mix_handle(napi_env env, napi_value value);

/** Bytes of output so far, Infinity once it is longer than the block. */
napi_value encoded_size(napi_env env, const MixHandle& coder);

/** Bytes of payload used so far, Infinity once it is known to be damaged. */
napi_value decoded_position(napi_env env, const MixHandle& coder);

}  // namespace shacomp
