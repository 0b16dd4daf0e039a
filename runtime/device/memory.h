// Anonymous memory for activations and KV pages: huge-page aligned, zero until first touched, given back on
// destruction.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "runtime/base/status.h"

namespace llmc::rt {

inline constexpr uint64_t kHugePageBytes = 2u << 20;

/// A private anonymous mapping, which children made by fork() do not have: untrusted work runs in such children. Pages
/// cost physical memory only once touched and read as zero until written. Move only.
class Arena {
 public:
  Arena() = default;
  /// `bytes` long, aligned to 2 MiB, huge pages asked for when `hugePages`. `what` names it in the error RT_MEMORY
  /// (69).
  static Result<Arena> map(uint64_t bytes, std::string_view what, bool hugePages = true);

  Arena(Arena&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Arena& operator=(Arena&& other) noexcept;
  ~Arena();

  uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }  ///< bytes

 private:
  uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
};

/// Has the kernel find the physical memory of a range now, which else its first use waits for. The content stays; a
/// kernel that cannot (before 5.14) does nothing. `at`: a multiple of the page size.
void populate(uint8_t* at, uint64_t bytes);

/// "1.50 GiB", "96.0 MiB", "512 B": for messages.
std::string formatBytes(uint64_t bytes);

}  // namespace llmc::rt
