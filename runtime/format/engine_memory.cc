// mmap, mprotect and munmap with errors as Status.
#include "runtime/format/engine_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace llmc::rt {
namespace {

constexpr uint64_t kHugePage = 2u << 20;

Status noMemory(uint64_t size) {
  return Status::error(ErrorKind::kUnavailable, "EN_MEMORY",
                       "cannot map " + std::to_string(size) + " bytes: " + std::strerror(errno),
                       "free memory or raise the limit (ulimit -v)");
}

}  // namespace

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Result<Mapping> Mapping::ofFile(int fd, uint64_t offset, uint64_t size) {
  Mapping mapping;
  if (size == 0) return mapping;
  void* at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, static_cast<off_t>(offset));
  if (at == MAP_FAILED) return noMemory(size);
  mapping.data_ = static_cast<std::byte*>(at);
  mapping.size_ = size;
  return mapping;
}

Result<Mapping> Mapping::anonymous(uint64_t size, bool huge) {
  Mapping mapping;
  if (size == 0) return mapping;
  uint64_t slack = huge ? kHugePage : 0;
  void* at = ::mmap(nullptr, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return noMemory(size);
  auto address = reinterpret_cast<uintptr_t>(at);
  if (huge) {
    // Cut the slack off on both sides so that the first byte starts a huge page.
    uint64_t head = (kHugePage - address % kHugePage) % kHugePage;
    uint64_t pages = (size + 4095) / 4096 * 4096;
    if (head > 0) ::munmap(at, head);
    address += head;
    uint64_t tail = (slack - head + size + 4095) / 4096 * 4096 - pages;
    if (tail > 0) ::munmap(reinterpret_cast<void*>(address + pages), tail);
    ::madvise(reinterpret_cast<void*>(address), size, MADV_HUGEPAGE);
  }
  mapping.data_ = reinterpret_cast<std::byte*>(address);
  mapping.size_ = size;
  return mapping;
}

void Mapping::preferHugePages() const {
  if (data_ != nullptr) ::madvise(data_, size_, MADV_HUGEPAGE);
}

void Mapping::keepFromChildren() const {
  if (data_ != nullptr) ::madvise(data_, size_, MADV_DONTFORK);
}

Status Mapping::sealReadOnly() {
  if (data_ != nullptr && ::mprotect(data_, size_, PROT_READ) != 0) return noMemory(size_);
  return Status::ok();
}

Status Mapping::sealExecutable() {
  if (data_ != nullptr && ::mprotect(data_, size_, PROT_READ | PROT_EXEC) != 0)
    return Status::error(ErrorKind::kUnavailable, "EN_MEMORY",
                         std::string("cannot make code executable: ") + std::strerror(errno),
                         "the system forbids executable memory");
  return Status::ok();
}

}  // namespace llmc::rt
