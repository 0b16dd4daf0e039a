// All that may wait for what hangs is done by a thread of its own; nobody waits for that one longer than some seconds.
#include "runtime/main/serve_watch.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>

#include "runtime/device/thread_list.h"
#include "runtime/main/output.h"

namespace llmc::rt {
namespace {

constexpr double kIoSeconds = 5;
constexpr std::chrono::seconds kFarewell{4};
constexpr double kAnswersSeconds = 1;  ///< until answers have ended

/// To stderr, past stdio, whose lock somebody who hangs may hold; given up where nobody reads.
void say(std::string_view text) {
  constexpr int kMilliseconds = 500;
  constexpr size_t kPiece = 4096;  // PIPE_BUF: a pipe that is ready takes it without a wait
  while (!text.empty()) {
    pollfd out{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&out, 1, kMilliseconds) <= 0) return;
    const ssize_t written = ::write(STDERR_FILENO, text.data(), std::min(text.size(), kPiece));
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

serving::WatchLimits watchLimitsOf(uint32_t seconds) {
  return {static_cast<double>(seconds), std::min(static_cast<double>(seconds), kIoSeconds)};
}

Status stallStatus(const serving::Stall& stall) {
  const std::string what = stall.what == serving::Stall::What::kIo
                               ? "I/O thread " + std::to_string(stall.io) + " has done nothing"
                               : "a step has made no progress";
  // The last sign came at some time between two looks.
  char time[120];
  std::snprintf(time, sizeof time, " for %.1f to %.1f s (at most %g s, looked at every %g s)", stall.seconds,
                stall.seconds + stall.period, stall.limit, stall.period);
  const std::string text = what + time;
  return Status::error(ErrorKind::kWatchdog, "SV_STUCK", text, "--watchdog-seconds N allows more; 0: any time");
}

serving::LifeSigns ServeWatch::look() {
  serving::LifeSigns signs = loop_.signs();
  signs.io = server_.ioSigns();
  return signs;
}

void ServeWatch::giveUp(const Status& status) {
  say(errorLine(status));
  loop_.condemn(status, [](std::string text) {
    text += threadList();
    text.erase(text.find_last_not_of('\n') + 1);
    say(noticeLine(text));
  });
  // Those that the loop could not tell hear of it from the server; then the bytes leave.
  if (!server_.waitUntilIdle(kAnswersSeconds)) {
    server_.cutAnswers();
    (void)server_.waitUntilIdle(kAnswersSeconds);
  }
  server_.askIo();
  const auto owes = [](const server::IoSign& sign) { return sign.asked != sign.answered; };
  for (int i = 0; i < 20; ++i) {
    const auto signs = server_.ioSigns();
    if (std::none_of(signs.begin(), signs.end(), owes)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void ServeWatch::stuck(const serving::Stall& stall) {
  const Status status = stallStatus(stall);
  std::promise<void> done;
  std::thread([this, &status, &done] {
    giveUp(status);
    done.set_value();
  }).detach();
  (void)done.get_future().wait_for(kFarewell);
  ::_exit(exitStatus(status.kind()));
}

}  // namespace llmc::rt
