/** @file Reading the image of a model. */
#pragma once
#include "core/arena.h"

namespace shacomp {

/** Reads little-endian numbers of any alignment, in file order. */
class Reader {
 public:
  ALWAYS_INLINE explicit Reader(const uint8_t* at) : at_(at) {}

  ALWAYS_INLINE const uint8_t* bytes(size_t n) {
    const uint8_t* const here = at_;
    at_ += n;
    return here;
  }
  template <class T>
  ALWAYS_INLINE T number() {
    T value;
    __builtin_memcpy(&value, bytes(sizeof(T)), sizeof(T));
    return value;
  }
  template <class T>
  ALWAYS_INLINE void numbers(T* out, size_t n) {
    __builtin_memcpy(out, bytes(n * sizeof(T)), n * sizeof(T));
  }

 private:
  const uint8_t* at_;
};

}  // namespace shacomp
