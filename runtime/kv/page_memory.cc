// Pages of the host.
#include "runtime/kv/page_memory.h"

#include <cstring>

#include "runtime/device/memory.h"

namespace llmc::rt {
namespace {

class HostPages : public PageMemory {
 public:
  explicit HostPages(Arena arena) : arena_(std::move(arena)) {}
  uint8_t* base() const override { return arena_.data(); }
  bool onDevice() const override { return false; }
  Status copy(uint8_t* to, const uint8_t* from, uint64_t bytes) override {
    std::memcpy(to, from, bytes);
    return Status::ok();
  }
  Status fill(uint8_t* to, uint8_t value, uint64_t bytes) override {
    std::memset(to, value, bytes);
    return Status::ok();
  }
  Status wait() override { return Status::ok(); }

 private:
  Arena arena_;
};

}  // namespace

Result<std::unique_ptr<PageMemory>> hostPages(uint64_t bytes) {
  auto arena = Arena::map(bytes, "the KV cache");
  if (!arena)
    return Status::error(arena.status().kind(), arena.status().code(), arena.status().message(),
                         "--kv-memory SIZE asks for less; else " + arena.status().hint());
  return std::unique_ptr<PageMemory>(std::make_unique<HostPages>(arena.take()));
}

}  // namespace llmc::rt
