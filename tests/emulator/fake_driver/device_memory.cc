// Guarded buffers.
#include "tests/emulator/fake_driver/device_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tests/emulator/fake_driver/settings.h"

namespace llmc::emu {

void* DeviceMemory::allocate(uint64_t bytes) {
  // Kernels may read 4 KiB behind a weight and rows behind a tensor, which the runtime allocates; nothing more.
  const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), rounded = (bytes + 255) / 256 * 256;
  if (bytes == 0 || rounded > settings().memoryBytes - used_) return nullptr;
  const uint64_t inner = (rounded + page - 1) / page * page, mapped = inner + 2 * page;
  void* base = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  auto* first = static_cast<std::byte*>(base) + page;
  if (mprotect(first, inner, PROT_READ | PROT_WRITE) != 0) {
    munmap(base, mapped);
    return nullptr;
  }
  std::byte* address = first + (inner - rounded);
  std::memset(first, 0xff, inner);
  device_[(uint64_t)address] = {bytes, base, mapped};
  map_.add(address, bytes, "allocation " + std::to_string(serial_++));
  used_ += rounded;
  return address;
}

bool DeviceMemory::free(void* address) {
  auto found = device_.find((uint64_t)address);
  if (found == device_.end()) return false;
  munmap(found->second.base, found->second.mapped);
  map_.remove(address);
  used_ -= (found->second.bytes + 255) / 256 * 256;
  device_.erase(found);
  return true;
}

void* DeviceMemory::allocateHost(uint64_t bytes) {
  void* memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (!memory) return nullptr;
  std::memset(memory, 0xff, bytes);
  host_[(uint64_t)memory] = {bytes, memory, 0};
  return memory;
}

bool DeviceMemory::freeHost(void* address) {
  if (host_.erase((uint64_t)address) == 0) return false;
  std::free(address);
  return true;
}

DeviceMemory::Place DeviceMemory::place(uint64_t address, uint64_t bytes, bool* bad) const {
  for (const auto* ranges : {&device_, &host_}) {
    auto next = ranges->upper_bound(address);
    if (next == ranges->begin()) continue;
    auto found = std::prev(next);
    const uint64_t offset = address - found->first;
    if (offset >= found->second.bytes) continue;
    if (bytes > found->second.bytes - offset) *bad = true;
    return ranges == &device_ ? Place::kDevice : Place::kPinned;
  }
  return Place::kPageable;
}

}  // namespace llmc::emu
