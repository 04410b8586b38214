/** @file What the parts of the native addon share: errors with codes, arguments that are checked, exports that never throw. */
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <string>

namespace shacomp {

/** Throws an error with one of the codes of src/errors.ts. */
inline napi_value fail(napi_env env, const char* code, const char* message) noexcept {
  bool pending = false;
  napi_value ignored;
  // JavaScript's own error for the same thing, without a code
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) napi_get_and_clear_last_exception(env, &ignored);
  napi_throw_error(env, code, message);
  return nullptr;
}

inline napi_value no_memory(napi_env env) noexcept {
  return fail(env, "ERR_MEMORY_LIMIT", "the system has no memory left: close programs, or use a lower level or smaller blocks");
}

/** Makes an exception of C++ one of JavaScript. */
template <napi_callback function>
napi_value guarded(napi_env env, napi_callback_info info) noexcept {
  try {
    return function(env, info);
  } catch (const std::bad_alloc&) {
    return no_memory(env);
  } catch (const std::exception& error) {
    return fail(env, nullptr, error.what());
  } catch (...) {
    return fail(env, nullptr, "the native addon failed");
  }
}

/** Adds a function to the addon's exports; none is added in another way, since no exception of C++ may leave one. */
template <napi_callback function>
void add_export(napi_env env, napi_value exports, const char* name) noexcept {
  napi_value value = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, guarded<function>, nullptr, &value) == napi_ok)
    napi_set_named_property(env, exports, name, value);
}

/** An ArrayBuffer, zeroed; null if there is no memory for it (napi_create_arraybuffer would end the process). */
inline napi_value new_array_buffer(napi_env env, size_t size, void** data) noexcept {
  napi_value global, constructor, length, buffer = nullptr;
  size_t actual = 0;
  const bool made = napi_get_global(env, &global) == napi_ok &&
                    napi_get_named_property(env, global, "ArrayBuffer", &constructor) == napi_ok &&
                    napi_create_double(env, static_cast<double>(size), &length) == napi_ok &&
                    napi_new_instance(env, constructor, 1, &length, &buffer) == napi_ok &&
                    napi_get_arraybuffer_info(env, buffer, data, &actual) == napi_ok && actual == size;
  return made ? buffer : nullptr;
}

inline napi_value number(napi_env env, double value) {
  napi_value out = nullptr;
  napi_create_double(env, value, &out);
  return out;
}

/** Whether a value carries the tag: it is what its maker says, and nothing else that JavaScript could hand over. */
inline bool has_tag(napi_env env, napi_value value, const napi_type_tag& tag) {
  bool has = false;
  return napi_check_object_type_tag(env, value, &tag, &has) == napi_ok && has;
}

/** Arguments of a call, missing ones undefined. */
template <size_t N>
struct Arguments {
  napi_value value[N];
  napi_env env;
  Arguments(napi_env e, napi_callback_info info) : env(e) {
    size_t count = N;
    napi_get_cb_info(env, info, &count, value, nullptr, nullptr);
  }

  size_t size(size_t i) const {
    double v = -1;
    napi_get_value_double(env, value[i], &v);
    return v >= 0 && v <= 9007199254740991.0 ? static_cast<size_t>(v) : SIZE_MAX;
  }
  /** The elements of a typed array of `type`; null if it is another thing. `length` in elements. */
  void* array(size_t i, napi_typedarray_type type, size_t* length) const {
    bool is = false;
    napi_typedarray_type actual;
    void* data = nullptr;
    if (napi_is_typedarray(env, value[i], &is) != napi_ok || !is) return nullptr;
    if (napi_get_typedarray_info(env, value[i], &actual, length, &data, nullptr, nullptr) != napi_ok || actual != type)
      return nullptr;
    static uint8_t empty[4];
    return data ? data : empty;
  }
  std::string string(size_t i) const {
    char text[32] = "";
    size_t length = 0;
    return napi_get_value_string_utf8(env, value[i], text, sizeof text, &length) == napi_ok ? std::string(text, length) : std::string();
  }
  bool given(size_t i) const {
    napi_valuetype type = napi_undefined;
    napi_typeof(env, value[i], &type);
    return type != napi_undefined && type != napi_null;
  }
};

}  // namespace shacomp
