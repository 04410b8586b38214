/**
 * @file What the parts of the native addon share: errors with codes, arguments that are checked, exports that
 * never throw.
 */
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <string>
#include <vector>

namespace shacomp {

/** Throws an error with one of the codes of src/errors.ts. */
inline napi_value fail(napi_env env, const char* code, const char* message) noexcept {
  bool pending = false;
  napi_value ignored;
  // JavaScript's own error for the same thing, without a code
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending)
    napi_get_and_clear_last_exception(env, &ignored);
  napi_throw_error(env, code, message);
  return nullptr;
}

inline napi_value no_memory(napi_env env) noexcept {
  return fail(env, "ERR_MEMORY_LIMIT",
              "the system has no memory left: close programs, or use a lower level or smaller blocks");
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

/**
 * Adds a function to the addon's exports; none is added in another way, since no exception of C++ may leave
 * one.
 */
template <napi_callback function>
void add_export(napi_env env, napi_value exports, const char* name) noexcept {
  napi_value value = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, guarded<function>, nullptr, &value) == napi_ok)
    napi_set_named_property(env, exports, name, value);
}

/**
 * An ArrayBuffer, zeroed; null if there is no memory for it (napi_create_arraybuffer would end the process).
 */
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

/**
 * Whether a value carries the tag: it is what its maker says, and nothing else that JavaScript could hand
 * over.
 */
inline bool has_tag(napi_env env, napi_value value, const napi_type_tag& tag) {
  bool has = false;
  return napi_check_object_type_tag(env, value, &tag, &has) == napi_ok && has;
}

inline napi_value text(napi_env env, const char* string) {
  napi_value out = nullptr;
  napi_create_string_utf8(env, string, NAPI_AUTO_LENGTH, &out);
  return out;
}

inline napi_value boolean(napi_env env, bool value) {
  napi_value out = nullptr;
  napi_get_boolean(env, value, &out);
  return out;
}

/** The names of kernels, as an array. */
template <class Kernels>
napi_value names_of(napi_env env, const std::vector<const Kernels*>& kernels) {
  napi_value list = nullptr;
  napi_create_array(env, &list);
  uint32_t i = 0;
  for (const Kernels* k : kernels) napi_set_element(env, list, i++, text(env, k->name));
  return list;
}

/** The kernels of that name; null without them. */
template <class Kernels>
const Kernels* named(const std::vector<const Kernels*>& kernels, const std::string& name) {
  for (const Kernels* k : kernels)
    if (name == k->name) return k;
  return nullptr;
}

/** What Node-API calls a typed array of T. */
template <class T>
struct ArrayOf;
template <>
struct ArrayOf<uint8_t> {
  static constexpr napi_typedarray_type type = napi_uint8_array;
};
template <>
struct ArrayOf<uint16_t> {
  static constexpr napi_typedarray_type type = napi_uint16_array;
};
template <>
struct ArrayOf<uint32_t> {
  static constexpr napi_typedarray_type type = napi_uint32_array;
};
template <>
struct ArrayOf<float> {
  static constexpr napi_typedarray_type type = napi_float32_array;
};
template <>
struct ArrayOf<double> {
  static constexpr napi_typedarray_type type = napi_float64_array;
};

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
  /** 0 where it is no number. */
  int integer(size_t i) const {
    int32_t v = 0;
    napi_get_value_int32(env, value[i], &v);
    return v;
  }
  bool boolean(size_t i, bool otherwise = false) const {
    bool v = otherwise;
    napi_get_value_bool(env, value[i], &v);
    return v;
  }
  /** The object of an external; null if it is another thing. */
  template <class T>
  T* external(size_t i) const {
    void* v = nullptr;
    return napi_get_value_external(env, value[i], &v) == napi_ok ? static_cast<T*>(v) : nullptr;
  }
  /** The elements of a typed array of T; null if it is another thing. `length` in elements. */
  template <class T>
  T* array(size_t i, size_t* length) const {
    bool is = false;
    napi_typedarray_type actual;
    void* data = nullptr;
    if (napi_is_typedarray(env, value[i], &is) != napi_ok || !is) return nullptr;
    if (napi_get_typedarray_info(env, value[i], &actual, length, &data, nullptr, nullptr) != napi_ok)
      return nullptr;
    if (actual != ArrayOf<T>::type) return nullptr;
    static double empty;
    return static_cast<T*>(data ? data : &empty);
  }
  /** The elements of a typed array of at least `least` T; null if it is another thing. */
  template <class T>
  T* array_of(size_t i, size_t least) const {
    size_t length = 0;
    T* const data = array<T>(i, &length);
    return length >= least ? data : nullptr;
  }
  std::string string(size_t i) const {
    char text[32] = "";
    size_t length = 0;
    return napi_get_value_string_utf8(env, value[i], text, sizeof text, &length) == napi_ok
               ? std::string(text, length)
               : std::string();
  }
  bool given(size_t i) const {
    napi_valuetype type = napi_undefined;
    napi_typeof(env, value[i], &type);
    return type != napi_undefined && type != napi_null;
  }
};

}  // namespace shacomp
