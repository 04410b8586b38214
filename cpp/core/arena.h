/** @file Placing arrays in one block of memory. */
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/isa.h"

namespace shacomp {

/** Of all arrays: a line of the cache, and more than any vector needs. */
constexpr size_t kAlignment = 64;

ALWAYS_INLINE constexpr uint64_t align_up(uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/** The first aligned address from `p` on. */
ALWAYS_INLINE void* aligned(void* p) {
  return reinterpret_cast<void*>(align_up(reinterpret_cast<uintptr_t>(p)));
}

/**
 * Hands out consecutive aligned arrays. From a null base it only measures: `used()` is the size to ask for,
 * which may be more than an address has bits for.
 */
class Arena {
 public:
  ALWAYS_INLINE explicit Arena(void* base) : base_(static_cast<uint8_t*>(base)) {}

  template <class T>
  ALWAYS_INLINE T* take(uint64_t count) {
    T* const array = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += align_up(count * sizeof(T));
    return array;
  }

  ALWAYS_INLINE uint64_t used() const { return used_; }

 private:
  uint8_t* base_;
  uint64_t used_ = 0;
};

}  // namespace shacomp
