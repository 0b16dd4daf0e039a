// Loads, stores and atomics of translated kernels: alignment and the bounds of shared memory are always checked, the
// rest (buffers, races, values never written) in the checked build.
#pragma once

#include "bitwise.h"
#include "convert.h"

#ifndef LLMC_EMULATOR_CHECKED
#define LLMC_EMULATOR_CHECKED 0
#endif

namespace llmc::emu {

/// So many instructions of a straight piece of code.
#define LLMC_COUNT(n) \
  if constexpr (LLMC_EMULATOR_CHECKED) self->instructions += n

/// A branch is taken.
#define LLMC_JUMP(line) \
  if (__builtin_expect(++self->jumps > kMostJumps, 0)) self->services->fault(self, "runs forever", 0, line)

enum class Space { kGeneric, kGlobal, kShared, kLocal, kParam, kConst };

/// The host memory of `bytes` at an address; faults on a misaligned address and outside the launch's shared memory.
template <Space S, u32 Bytes, Access Kind>
LLMC_DEVICE u8* place(Thread* self, u64 address, u32 line) {
  if (__builtin_expect(address % Bytes != 0, 0)) self->services->fault(self, "misaligned address", address, line);
  u8* memory = (u8*)address;
  if constexpr (S == Space::kShared) {
    u32 offset = (u32)address;
    if (__builtin_expect(offset - kSharedBase > self->sharedEnd - kSharedBase - Bytes, 0))
      self->services->fault(self, "outside the launch's shared memory", address, line);
    memory = self->shared + offset;
  }
  if constexpr (LLMC_EMULATOR_CHECKED && (S == Space::kShared || S == Space::kGlobal || S == Space::kGeneric))
    self->services->access(self, memory, Bytes, Kind, line);
  return memory;
}

template <class T>
LLMC_DEVICE Raw<T> loadAt(const u8* memory, u32 index) {
  Raw<T> value;
  __builtin_memcpy(&value, memory + index * sizeof(value), sizeof(value));
  return value;
}
template <class T>
LLMC_DEVICE void storeAt(u8* memory, u32 index, Raw<T> value) {
  __builtin_memcpy(memory + index * sizeof(value), &value, sizeof(value));
}

LLMC_DEVICE u64 sharedToGeneric(Thread* self, u32 address) { return (u64)(self->shared + address); }
LLMC_DEVICE u64 genericToShared(Thread* self, u64 address) { return address - (u64)self->shared; }
LLMC_DEVICE bool isShared(Thread* self, u64 address) {
  u64 offset = address - (u64)self->shared;
  return offset >= kSharedBase && offset < self->sharedEnd;
}

enum class Atomic { kAdd, kMin, kMax, kAnd, kOr, kXor, kExchange, kInc, kDec };

template <class T, Atomic A>
LLMC_DEVICE Raw<T> combine(Raw<T> old, Raw<T> value) {
  if constexpr (A == Atomic::kAdd) return opAdd<T, 0>(old, value);
  if constexpr (A == Atomic::kMin) return opMin<T, 0>(old, value);
  if constexpr (A == Atomic::kMax) return opMax<T, 0>(old, value);
  if constexpr (A == Atomic::kAnd) return old & value;
  if constexpr (A == Atomic::kOr) return old | value;
  if constexpr (A == Atomic::kXor) return old ^ value;
  if constexpr (A == Atomic::kExchange) return value;
  if constexpr (A == Atomic::kInc) return old >= value ? 0 : old + 1;
  if constexpr (A == Atomic::kDec) return old == 0 || old > value ? value : old - 1;
}

/// Other blocks may run on other OS threads, so device atomics are host atomics.
template <Space S, class T, Atomic A>
LLMC_DEVICE Raw<T> atomic(Thread* self, u64 address, Raw<T> value, u32 line) {
  auto* memory = (Raw<T>*)place<S, sizeof(Raw<T>), Access::kAtomic>(self, address, line);
  Raw<T> old = __atomic_load_n(memory, __ATOMIC_SEQ_CST);
  while (!__atomic_compare_exchange_n(memory, &old, combine<T, A>(old, value), false, __ATOMIC_SEQ_CST,
                                      __ATOMIC_SEQ_CST)) {
  }
  return old;
}
template <Space S, class T>
LLMC_DEVICE Raw<T> compareAndSwap(Thread* self, u64 address, Raw<T> expected, Raw<T> value, u32 line) {
  auto* memory = (Raw<T>*)place<S, sizeof(Raw<T>), Access::kAtomic>(self, address, line);
  __atomic_compare_exchange_n(memory, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}

}  // namespace llmc::emu
