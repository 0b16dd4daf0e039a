// The switch between fibres (x86-64 System V) and their stacks.
#include "tests/emulator/fibre.h"

#include <sys/mman.h>
#include <unistd.h>

#if !defined(__x86_64__)
#error "the emulator's fibre switch is written for x86-64"
#endif

// A new stack holds the six callee-saved registers and the address of llmcEmulatorStart, which moves the argument (rbx)
// to its place and calls the entry (r12).
asm(R"(
.text
.globl llmcEmulatorSwitch
.type llmcEmulatorSwitch,@function
llmcEmulatorSwitch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size llmcEmulatorSwitch, .-llmcEmulatorSwitch
.globl llmcEmulatorStart
.type llmcEmulatorStart,@function
llmcEmulatorStart:
  mov %rbx, %rdi
  call *%r12
  ud2
.size llmcEmulatorStart, .-llmcEmulatorStart
)");

extern "C" void llmcEmulatorStart();

namespace llmc::emu {

FibreStacks::FibreStacks(uint32_t count) : count_(count) {
  void* memory =
      mmap(nullptr, kStackBytes * count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return;
  memory_ = static_cast<std::byte*>(memory);
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  for (uint32_t i = 0; i < count; ++i) mprotect(memory_ + kStackBytes * i, page, PROT_NONE);
}

FibreStacks::~FibreStacks() {
  if (memory_) munmap(memory_, kStackBytes * count_);
}

void* FibreStacks::prepare(uint32_t index, void (*entry)(void*), void* argument) {
  // Stacks start at different lines of the caches' sets, or a thousand of them would evict each other.
  size_t skew = (index % 61) * 64;
  auto** top = reinterpret_cast<void**>(memory_ + kStackBytes * (index + 1) - 64 - skew);
  *--top = nullptr;  // two words: the stack is aligned to 16 at the call
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&llmcEmulatorStart);  // returned to by the switch
  *--top = nullptr;                                      // rbp
  *--top = argument;                                     // rbx
  *--top = reinterpret_cast<void*>(entry);               // r12
  for (int i = 0; i < 3; ++i) *--top = nullptr;          // r13 to r15
  return top;
}

}  // namespace llmc::emu
