// Fibres: stacks that share one OS thread and hand the processor to each other by an explicit switch.
#pragma once

#include <cstddef>
#include <cstdint>

namespace llmc::emu {

/// Saves the running fibre's stack pointer to `*save` and goes on at `to`.
extern "C" void llmcEmulatorSwitch(void** save, void* to);

/// Stacks of equal size with a guard page below each. Not thread-safe; one object for each OS thread.
class FibreStacks {
 public:
  explicit FibreStacks(uint32_t count);
  ~FibreStacks();
  FibreStacks(const FibreStacks&) = delete;
  FibreStacks& operator=(const FibreStacks&) = delete;

  bool isOk() const { return memory_ != nullptr; }
  /// A stack pointer from which llmcEmulatorSwitch starts `entry(argument)`, which must never return.
  void* prepare(uint32_t index, void (*entry)(void*), void* argument);
  /// The upper end of a stack, for a fibre that will not go on.
  void* top(uint32_t index) const { return memory_ + kStackBytes * (index + 1) - 256; }
  bool contains(const void* address) const { return address >= memory_ && address < memory_ + kStackBytes * count_; }

  static constexpr size_t kStackBytes = size_t{128} << 10;

 private:
  uint32_t count_;
  std::byte* memory_ = nullptr;
};

}  // namespace llmc::emu
