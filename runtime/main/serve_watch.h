// The watchdog of a server: what it looks at, and the end of a process that hangs.
#pragma once

#include "runtime/server/server.h"
#include "runtime/serving/engine_loop.h"
#include "runtime/serving/watchdog.h"

namespace llmc::rt {

/// stuck() ends the process with status 72, after a dump on stderr and errors to all clients as far as some seconds
/// suffice.
class ServeWatch final : public serving::Watched {
 public:
  /// Both live as long as the watchdog runs.
  ServeWatch(serving::EngineLoop& loop, server::Server& server) : loop_(loop), server_(server) {}
  serving::LifeSigns look() override;
  void ask() override { server_.askIo(); }
  [[noreturn]] void stuck(const serving::Stall& stall) override;

 private:
  void giveUp(const Status& status);

  serving::EngineLoop& loop_;
  server::Server& server_;
};

/// `seconds`: of --watchdog-seconds. Requires: not 0.
serving::WatchLimits watchLimitsOf(uint32_t seconds);

/// SV_STUCK (72): what hangs, and since when.
Status stallStatus(const serving::Stall& stall);

}  // namespace llmc::rt
