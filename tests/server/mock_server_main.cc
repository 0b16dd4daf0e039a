// llmc-mock-server: the server over the mock backend, for the end-to-end tests and for load. Not installed.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/base/standard_streams.h"
#include "runtime/server/server.h"
#include "tests/server/mock_backend.h"

namespace llmc::rt::server::test {
namespace {

struct MainOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;
  double drainSeconds = 30;
  MockOptions mock;
  ServerOptions server;
};

constexpr const char* kUsage =
    "llmc-mock-server [--host A] [--port N] [--api-key K]... [--context N] [--step-us N] [--eos-after N] [--say FILE]\n"
    "  [--max-running N] [--max-queue N] [--io-threads N] [--max-connections N] [--clock-rate N] [--log text|json]\n"
    "  [--drain-seconds N]\n"
    "Prints 'port N' once it serves. SIGTERM drains, a second one ends at once.\n";

bool parse(int count, char** arguments, MainOptions& out) {
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = arguments[i], value = arguments[i + 1];
    const auto number = static_cast<uint32_t>(std::strtoul(value.c_str(), nullptr, 10));
    if (name == "--host")
      out.host = value;
    else if (name == "--port")
      out.port = static_cast<uint16_t>(number);
    else if (name == "--api-key")
      out.server.apiKeys.push_back(value);
    else if (name == "--context")
      out.mock.context = number;
    else if (name == "--step-us")
      out.mock.step = std::chrono::microseconds(number);
    else if (name == "--eos-after")
      out.mock.eosAfter = number;
    else if (name == "--say")
      out.mock.say = value;
    else if (name == "--max-running")
      out.mock.mostRunning = number;
    else if (name == "--max-queue")
      out.mock.mostWaiting = number;
    else if (name == "--io-threads")
      out.server.ioThreads = number;
    else if (name == "--max-connections")
      out.server.mostConnections = number;
    else if (name == "--clock-rate")
      out.server.clockRate = number;
    else if (name == "--drain-seconds")
      out.drainSeconds = number;
    else if (name == "--log") {
      out.server.accessLog = stderr;
      out.server.logFormat = value == "json" ? LogFormat::kJson : LogFormat::kText;
    } else
      return false;
  }
  return count % 2 == 1;
}

int fail(const Status& status) {
  std::fprintf(stderr, "%s\n", status.toString().c_str());
  return exitStatus(status.kind());
}

int run(int count, char** arguments) {
  secureStandardStreams();
  MainOptions options;
  if (!parse(count, arguments, options)) {
    std::fputs(kUsage, stderr);
    return 64;
  }
  // Blocked before any thread exists, so that only sigwait below takes them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto listener = Listener::open(options.host, options.port);
  if (!listener) return fail(listener.status());
  const ModelTextSource source = mockText();
  auto tokenizer = Tokenizer::create(source.tokenizerJson);
  if (!tokenizer) return fail(tokenizer.status());
  auto chat = ChatTemplate::create(source.chatTemplate, "<s>", "<|im_end|>");
  if (!chat) return fail(chat.status());
  MockBackend backend(options.mock);
  options.server.version = "mock";
  auto server = Server::create(options.server, listener.take(), backend, {*tokenizer, *chat});
  if (!server) return fail(server.status());
  std::printf("port %d\n", (*server)->port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->drain();
  const timespec tick{0, 20'000'000};
  for (double waited = 0; waited < options.drainSeconds && (*server)->load() > 0; waited += 0.02)
    if (sigtimedwait(&signals, nullptr, &tick) > 0) break;
  (*server)->stop();
  return 0;
}

}  // namespace
}  // namespace llmc::rt::server::test

int main(int count, char** arguments) { return llmc::rt::server::test::run(count, arguments); }
