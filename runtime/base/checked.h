// Checked integer arithmetic for numbers that come from files or requests: every sum and product says when it does not
// fit.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>

namespace llmc::rt {

/// a + b, or nothing when it overflows T.
template <std::integral T>
[[nodiscard]] constexpr std::optional<T> checkedAdd(T a, T b) {
  T r;
  if (__builtin_add_overflow(a, b, &r)) return std::nullopt;
  return r;
}

/// a * b, or nothing when it overflows T.
template <std::integral T>
[[nodiscard]] constexpr std::optional<T> checkedMul(T a, T b) {
  T r;
  if (__builtin_mul_overflow(a, b, &r)) return std::nullopt;
  return r;
}

/// value as To, or nothing when To cannot hold it.
template <std::integral To, std::integral From>
[[nodiscard]] constexpr std::optional<To> checkedCast(From value) {
  To r;
  if (__builtin_add_overflow(value, From{0}, &r)) return std::nullopt;
  return r;
}

/// True when [offset, offset + size) lies inside [0, total), all of one unit, as bytes; never wraps.
[[nodiscard]] constexpr bool rangeInside(uint64_t offset, uint64_t size, uint64_t total) {
  return offset <= total && size <= total - offset;
}

/// value rounded up to a multiple of `unit` (> 0), or nothing when that overflows.
[[nodiscard]] constexpr std::optional<uint64_t> checkedRoundUp(uint64_t value, uint64_t unit) {
  auto sum = checkedAdd(value, unit - 1);
  if (!sum) return std::nullopt;
  return *sum / unit * unit;
}

}  // namespace llmc::rt
