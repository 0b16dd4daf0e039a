// Each thread has a connection to itself over loopback: sending costs what it costs a server, and nobody else reads.
#include "runtime/main/token_teller.h"

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "runtime/device/cpu_topology.h"

namespace llmc::rt {
namespace {

/// As many as the server has, and an event of about the size that a token has there.
constexpr size_t kThreads = 2, kEventBytes = 250;

/// The two ends of a connection over 127.0.0.1; false when there is none.
bool connectPair(int (&ends)[2]) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const at = reinterpret_cast<sockaddr*>(&address);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool listens = listener >= 0 && bind(listener, at, size) == 0 && listen(listener, 1) == 0 &&
                       getsockname(listener, at, &size) == 0;
  ends[0] = listens ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
  if (ends[0] >= 0 && connect(ends[0], at, size) == 0) ends[1] = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (listener >= 0) close(listener);
  return ends[1] >= 0;
}

}  // namespace

class TokenTeller::Thread {
 public:
  Thread() {
    wake_ = eventfd(0, EFD_CLOEXEC);
    if (wake_ >= 0 && connectPair(ends_)) thread_ = std::thread([this] { run(); });
  }
  ~Thread() {
    if (thread_.joinable()) {
      ended_.store(true);
      wake();
      thread_.join();
    }
    for (const int fd : {wake_, ends_[0], ends_[1]})
      if (fd >= 0) close(fd);
  }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  bool good() const { return thread_.joinable(); }
  void keepOff(std::span<const int> workers) {
    const std::lock_guard lock(mutex_);
    workers_.assign(workers.begin(), workers.end());
    moves_.store(true);
  }
  void tell(uint32_t tokens) {
    tokens_.fetch_add(tokens);
    wake();
  }
  uint64_t told() const { return told_.load(); }

 private:
  void wake() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
  }
  void run() {
    char event[kEventBytes] = {}, back[1 << 14];
    uint64_t count = 0;
    while (!ended_.load() && read(wake_, &count, sizeof count) == sizeof count) {
      if (moves_.exchange(false)) {
        const std::lock_guard lock(mutex_);
        keepOffCpus(workers_);
      }
      const uint32_t tokens = tokens_.exchange(0);
      for (uint32_t i = 0; i < tokens; ++i) {
        if (send(ends_[0], event, sizeof event, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) told_.fetch_add(1);
        while (recv(ends_[1], back, sizeof back, MSG_DONTWAIT) == sizeof back) {
        }
      }
    }
  }

  int wake_ = -1;
  int ends_[2] = {-1, -1};  ///< what is sent into the first comes out of the second
  std::mutex mutex_;
  std::vector<int> workers_;  ///< under mutex_
  std::atomic<bool> moves_{false}, ended_{false};
  std::atomic<uint32_t> tokens_{0};
  std::atomic<uint64_t> told_{0};
  std::thread thread_;
};

TokenTeller::TokenTeller() {
  for (size_t i = 0; i < kThreads; ++i) threads_.push_back(std::make_unique<Thread>());
}

TokenTeller::~TokenTeller() = default;

Result<std::unique_ptr<TokenTeller>> TokenTeller::create() {
  std::unique_ptr<TokenTeller> teller(new TokenTeller);
  for (const auto& thread : teller->threads_)
    if (!thread->good())
      return Status::error(ErrorKind::kUnavailable, "RT_TELLER",
                           "no connection over 127.0.0.1: what telling tokens costs cannot be measured");
  return teller;
}

void TokenTeller::keepOff(std::span<const int> workers) {
  for (const auto& thread : threads_) thread->keepOff(workers);
}

void TokenTeller::tell(uint32_t tokens) {
  // Streams are spread over the threads.
  for (size_t i = 0; i < kThreads; ++i)
    if (const uint32_t share = static_cast<uint32_t>((tokens + kThreads - 1 - i) / kThreads); share > 0)
      threads_[i]->tell(share);
}

uint64_t TokenTeller::told() const {
  uint64_t sum = 0;
  for (const auto& thread : threads_) sum += thread->told();
  return sum;
}

}  // namespace llmc::rt
