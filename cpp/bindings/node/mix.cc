/** @file Node-API face of the mixing coder. */
#include <node_api.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "bindings/node/addon.h"
#include "bindings/node/mix.h"
#include "core/arena.h"

namespace shacomp {

namespace {

constexpr napi_type_tag MIX_TAG = {0x53686163'6f6d7031, 0x4d69784d'69784d69};
constexpr size_t PAGE = 4096;
/** Bytes of memory that the system is asked for at a time: some milliseconds. */
constexpr size_t PREPARED = size_t{4} << 20;
#if defined(__linux__)
constexpr size_t HUGE_PAGE = size_t{2} << 20;
#endif

}  // namespace

/** On Linux in huge pages where the system gives them, since the tables are hit at random. */
void MixHandle::allocate(size_t wanted) {
#if defined(__linux__)
  bytes = (wanted + PAGE - 1) / PAGE * PAGE;
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  memory = at;
  if (bytes > 4 * HUGE_PAGE) madvise(memory, bytes, MADV_HUGEPAGE);
#else
  bytes = align_up(wanted);
  memory = std::calloc(1, bytes + kAlignment);
  if (!memory) throw std::bad_alloc();
#endif
}

void MixHandle::release() {
  if (memory) {
#if defined(__linux__)
    munmap(memory, bytes);
#else
    std::free(memory);
#endif
  }
  std::free(payload);
  memory = nullptr;
  payload = nullptr;
  mix = nullptr;
}

MixHandle* mix_handle(napi_env env, napi_value value) {
  void* data = nullptr;
  if (!has_tag(env, value, MIX_TAG) || napi_unwrap(env, value, &data) != napi_ok) return nullptr;
  auto* h = static_cast<MixHandle*>(data);
  return h && h->mix ? h : nullptr;
}

namespace {

napi_value size_or_infinity(napi_env env, size_t size) {
  return number(env, size == SIZE_MAX ? __builtin_inf() : static_cast<double>(size));
}

}  // namespace

napi_value encoded_size(napi_env env, const MixHandle& coder) {
  return size_or_infinity(env, mix_size(coder.mix));
}

napi_value decoded_position(napi_env env, const MixHandle& coder) {
  return size_or_infinity(env, mix_position(coder.mix));
}

namespace {

/** mixBytes(profile, length, streams): bytes of memory, 0 where an argument is out of range. */
napi_value mix_bytes_js(napi_env env, napi_callback_info info) {
  Arguments<3> a(env, info);
  const size_t profile = a.size(0);
  return number(env, profile < MIX_PROFILES
                         ? static_cast<double>(mix_bytes(static_cast<int>(profile), a.size(1), a.size(2)))
                         : 0.0);
}

void finalize(napi_env env, void* data, void*) {
  auto* h = static_cast<MixHandle*>(data);
  int64_t total;
  if (h->mix) napi_adjust_external_memory(env, -h->reported, &total);
  delete h;
}

/**
 * mixOpen(profile, length, streams, payload?, isa?): a coder of one block; with a payload a decoder.
 * Throws ERR_OPTIONS, ERR_MEMORY_LIMIT, ERR_ENGINE_UNAVAILABLE.
 */
napi_value mix_open_js(napi_env env, napi_callback_info info) {
  Arguments<5> a(env, info);
  const size_t profile = a.size(0), length = a.size(1), streams = a.size(2);
  const size_t bytes = profile < MIX_PROFILES ? mix_bytes(static_cast<int>(profile), length, streams) : 0;
  if (bytes == 0)
    return fail(env, "ERR_OPTIONS", "mixing coder: profile, block length or number of streams out of range");
  const std::string isa = a.string(4);
  size_t payload_size = 0;
  const uint8_t* payload = nullptr;
  if (a.given(3) && !(payload = a.array<uint8_t>(3, &payload_size)))
    return fail(env, "ERR_OPTIONS", "mixing coder: the payload must be a Uint8Array");

  auto h = std::make_unique<MixHandle>();
  h->allocate(bytes);
  h->mix = mix_create(aligned(h->memory), static_cast<int>(profile), length, streams,
                      isa.empty() ? nullptr : isa.c_str());
  if (!h->mix)
    return fail(env, "ERR_ENGINE_UNAVAILABLE",
                "mixing coder: this machine lacks the instruction set asked for");
  h->streams = streams;
  if (payload) {
    h->payload = static_cast<uint8_t*>(std::malloc(payload_size + 1));
    if (!h->payload) throw std::bad_alloc();
    std::memcpy(h->payload, payload, payload_size);
    mix_begin_decode(h->mix, h->payload, payload_size);
  }
  h->reported = static_cast<int64_t>(bytes + payload_size);
  napi_value object = nullptr;
  if (napi_create_object(env, &object) != napi_ok || napi_type_tag_object(env, object, &MIX_TAG) != napi_ok ||
      napi_wrap(env, object, h.get(), finalize, nullptr, nullptr) != napi_ok)
    return no_memory(env);
  int64_t total;
  napi_adjust_external_memory(env, h.release()->reported, &total);
  return object;
}

/**
 * mixPrepare(coder): has the system give the next piece of the memory, before symbols reach for all of it at
 * random; whether all is there.
 */
napi_value mix_prepare_js(napi_env env, napi_callback_info info) {
  Arguments<1> a(env, info);
  MixHandle* h = mix_handle(env, a.value[0]);
  if (!h) return fail(env, "ERR_OPTIONS", "mixPrepare: needs an open coder");
  const size_t end = std::min(h->bytes, h->prepared + PREPARED);
  auto* memory = static_cast<volatile uint8_t*>(h->memory);
  for (size_t at = h->prepared; at < end; at += PAGE) memory[at] = memory[at];
  h->prepared = end;
  return boolean(env, end == h->bytes);
}

/** Checks symbols (count of them) and frequencies (count x 256 or absent). */
template <size_t N>
bool symbols_and_frequencies(const Arguments<N>& a, size_t at, size_t count, const uint32_t** frequencies) {
  *frequencies = nullptr;
  if (!a.given(at)) return true;
  size_t length = 0;
  *frequencies = a.template array<uint32_t>(at, &length);
  return *frequencies && length / 256 >= count;
}

/**
 * mixEncode(coder, symbols, frequencies?, odds?, likeliest?, chances?): bytes of output so far, Infinity once
 * it is longer than the block.
 */
napi_value mix_encode_js(napi_env env, napi_callback_info info) {
  Arguments<6> a(env, info);
  MixHandle* h = mix_handle(env, a.value[0]);
  size_t count = 0;
  const uint8_t* symbols = a.array<uint8_t>(1, &count);
  const uint32_t* frequencies;
  if (!h || !symbols || !symbols_and_frequencies(a, 2, count, &frequencies))
    return fail(env, "ERR_OPTIONS",
                "mixEncode: needs an open coder, a Uint8Array and 256 frequencies for each of its bytes");
  uint16_t* odds = nullptr;
  if (a.given(3)) {
    size_t room = 0;
    odds = a.array<uint16_t>(3, &room);
    if (!odds || room / 8 < count)
      return fail(env, "ERR_OPTIONS", "mixEncode: needs room for the odds of 8 bits for each byte");
  }
  uint8_t* likeliest = nullptr;
  uint16_t* chances = nullptr;
  if (a.given(4)) {
    size_t room = 0, beside = 0;
    likeliest = a.array<uint8_t>(4, &room);
    chances = a.array<uint16_t>(5, &beside);
    if (!likeliest || !chances || std::min(room, beside) / MIX_LIKELIEST < count)
      return fail(env, "ERR_OPTIONS", "mixEncode: needs room for the likeliest values of each byte");
  }
  mix_encode(h->mix, symbols, count, frequencies, odds, likeliest, chances);
  return encoded_size(env, *h);
}

/** mixFinish(coder): the payload as a Uint8Array; undefined if it would be longer than the block. */
napi_value mix_finish_js(napi_env env, napi_callback_info info) {
  Arguments<1> a(env, info);
  MixHandle* h = mix_handle(env, a.value[0]);
  if (!h) return fail(env, "ERR_OPTIONS", "mixFinish: needs an open coder");
  const size_t size = mix_finish(h->mix);
  napi_value out = nullptr, buffer = nullptr;
  if (size == SIZE_MAX) {
    napi_get_undefined(env, &out);
    return out;
  }
  void* data = nullptr;
  if (!(buffer = new_array_buffer(env, size, &data))) return no_memory(env);
  if (size) std::memcpy(data, mix_output(h->mix), size);
  napi_create_typedarray(env, napi_uint8_array, size, buffer, 0, &out);
  return out;
}

/**
 * mixDecode(coder, symbols, count, frequencies?): fills symbols[0..count); returns bytes of payload used so
 * far, Infinity once it is damaged.
 */
napi_value mix_decode_js(napi_env env, napi_callback_info info) {
  Arguments<4> a(env, info);
  MixHandle* h = mix_handle(env, a.value[0]);
  size_t length = 0;
  uint8_t* symbols = a.array<uint8_t>(1, &length);
  const size_t count = a.size(2);
  const uint32_t* frequencies;
  if (!h || !h->payload || !symbols || count > length || !symbols_and_frequencies(a, 3, count, &frequencies))
    return fail(env, "ERR_OPTIONS",
                "mixDecode: needs an open decoder, room for the bytes and 256 frequencies for each");
  mix_decode(h->mix, symbols, count, frequencies);
  return decoded_position(env, *h);
}

/**
 * mixEnds(coder): whether a decoder's payload is exactly what an encoder makes of the bytes decoded so far.
 */
napi_value mix_ends_js(napi_env env, napi_callback_info info) {
  Arguments<1> a(env, info);
  MixHandle* h = mix_handle(env, a.value[0]);
  if (!h || !h->payload) return fail(env, "ERR_OPTIONS", "mixEnds: needs an open decoder");
  return boolean(env, mix_ends(h->mix));
}

/** mixClose(coder): frees its memory now. */
napi_value mix_close_js(napi_env env, napi_callback_info info) {
  Arguments<1> a(env, info);
  if (MixHandle* h = mix_handle(env, a.value[0])) {
    int64_t total;
    napi_adjust_external_memory(env, -h->reported, &total);
    h->release();
  }
  return nullptr;
}

}  // namespace

void register_mix(napi_env env, napi_value exports) {
  add_export<mix_bytes_js>(env, exports, "mixBytes");
  add_export<mix_open_js>(env, exports, "mixOpen");
  add_export<mix_prepare_js>(env, exports, "mixPrepare");
  add_export<mix_encode_js>(env, exports, "mixEncode");
  add_export<mix_finish_js>(env, exports, "mixFinish");
  add_export<mix_decode_js>(env, exports, "mixDecode");
  add_export<mix_ends_js>(env, exports, "mixEnds");
  add_export<mix_close_js>(env, exports, "mixClose");
}

}  // namespace shacomp
