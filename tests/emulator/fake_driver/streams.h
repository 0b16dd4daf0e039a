// Streams, events and graphs of the fake driver: queues whose work runs when somebody waits for it, and no work behind
// what is waited for.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <variant>
#include <vector>

#include "tests/emulator/fake_driver/code.h"
#include "tests/emulator/fake_driver/device_memory.h"

namespace llmc::emu {

struct CopyWork {
  uint64_t to, from, bytes;
  std::shared_ptr<std::vector<std::byte>> staged;  ///< of pageable memory, copied when it was queued
  bool watched = false;                            ///< pinned memory that must not change before it is copied
  uint64_t digest = 0;                             ///< of it, when it was queued
};
struct FillWork {
  uint64_t to, bytes;
  uint8_t value;
};
struct LaunchWork {
  std::shared_ptr<CodeModule> module;
  std::string kernel;
  Dim3 grid, block;
  uint32_t sharedBytes;
  std::vector<std::byte> params;
  bool early;  ///< may start before what is before it has ended
};
struct DriverEvent {
  uint64_t recorded = 0, reached = 0;  ///< how often; equal when the last one has been reached
  struct DriverStream* stream = nullptr;
  std::chrono::steady_clock::time_point when;
};
struct RecordWork {
  DriverEvent* event;
  uint64_t serial;
};
struct WaitWork {
  DriverEvent* event;
  uint64_t serial;
};
using Work = std::variant<CopyWork, FillWork, LaunchWork, RecordWork, WaitWork>;

struct DriverGraph {
  std::vector<Work> work;
};
struct DriverStream {
  std::vector<Work> queue;
  std::unique_ptr<DriverGraph> capture;  ///< while recording
  bool captureBroken = false;
};

/// Where a drain ends: behind the record of `event` number `serial`. No event: at the end of the queue.
struct DrainEnd {
  const DriverEvent* event = nullptr;
  uint64_t serial = 0;
};

/// Runs work of a stream; kSuccess, or the fault that the device now has for good. `why` is for people.
int drain(DriverStream& stream, const DeviceMemory& memory, std::string* why, const DrainEnd& end = {});
/// Whether a copy that waits in the queue reads or writes any of `bytes` at `address`.
bool copiesTouch(const std::vector<Work>& queue, uint64_t address, uint64_t bytes);
/// Of memory that the host may read; cheap, and different for what differs in a word.
uint64_t digestOf(uint64_t address, uint64_t bytes);

}  // namespace llmc::emu
