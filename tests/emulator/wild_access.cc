// The handler of SIGSEGV and SIGBUS.
#include "tests/emulator/wild_access.h"

#include <csignal>
#include <cstdio>
#include <mutex>
#include <ucontext.h>
#include <vector>

#include "tests/emulator/block.h"

namespace llmc::emu {
namespace {

thread_local Block* runningBlock = nullptr;
struct sigaction previousSegv, previousBus;

/// Leaves the fibre that did it for the scheduler, by way of the switch, on the upper end of its own stack: what it has
/// there is not needed any more, and the lower end may be what overflowed.
void onFault(int signal, siginfo_t* info, void* raw) {
  Block* block = runningBlock;
  const struct sigaction& previous = signal == SIGSEGV ? previousSegv : previousBus;
  WildAccess landing;
  if (block && block->wildAccess(info->si_addr, &landing)) {
    auto& registers = static_cast<ucontext_t*>(raw)->uc_mcontext.gregs;
    registers[REG_RSP] = (greg_t)landing.stack;
    registers[REG_RDI] = (greg_t)landing.save;
    registers[REG_RSI] = (greg_t)landing.scheduler;
    registers[REG_RIP] = (greg_t)&llmcEmulatorSwitch;
    return;
  }
  if (previous.sa_flags & SA_SIGINFO) return previous.sa_sigaction(signal, info, raw);
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) return previous.sa_handler(signal);
  sigaction(signal, &previous, nullptr);  // the access happens again, and ends the process
}

}  // namespace

void catchWildAccesses() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = onFault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &previousSegv);
    sigaction(SIGBUS, &action, &previousBus);
  });
}

void setRunningBlock(Block* block) {
  // The handler needs a stack of its own: a fibre's may be what has run out.
  static thread_local std::vector<char> stack;
  if (stack.empty()) {
    stack.resize(64 << 10);
    stack_t alternate = {};
    alternate.ss_sp = stack.data();
    alternate.ss_size = stack.size();
    sigaltstack(&alternate, nullptr);
  }
  runningBlock = block;
}

}  // namespace llmc::emu
