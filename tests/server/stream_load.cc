// Load for the server: many SSE streams over epoll, each token of each stream checked against what the mock backend
// makes. Usage: stream_load PORT STREAMS TOKENS [PID]     PID: the server's, for its resident memory while all streams
// run
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Stream {
  int fd = -1;
  uint32_t next = 0;  ///< letter that comes next
  uint64_t seen = 0;  ///< tokens
  std::string line;   ///< of a read that ended within it
  bool finished = false, done = false, broken = false;
};

/// Looks at one line of a stream: "data: {...}" with one letter, the last one with a finish_reason.
void take(Stream& stream, std::string_view line) {
  if (line.starts_with("data: [DONE]")) {
    stream.done = stream.finished;
    return;
  }
  if (!line.starts_with("data: ")) return;
  constexpr std::string_view kText = "\"text\":\"";
  const size_t at = line.find(kText);
  if (at == std::string_view::npos || stream.finished) {
    stream.broken = true;
    return;
  }
  const char letter = line[at + kText.size()];
  if (letter != static_cast<char>('a' + stream.next)) stream.broken = true;
  stream.next = (stream.next + 1) % 26;
  ++stream.seen;
  if (line.find("\"finish_reason\":\"length\"") != std::string_view::npos) stream.finished = true;
}

/// Reads what is there. False: the stream is over.
bool readSome(Stream& stream, std::vector<char>& buffer) {
  const ssize_t count = ::recv(stream.fd, buffer.data(), buffer.size(), 0);
  if (count <= 0) return false;
  std::string_view rest(buffer.data(), static_cast<size_t>(count));
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) {
      stream.line += rest;
      break;
    }
    stream.line += rest.substr(0, end);
    take(stream, stream.line);
    stream.line.clear();
    rest.remove_prefix(end + 1);
  }
  return !stream.done;
}

uint64_t residentKib(const char* pid) {
  std::FILE* file = std::fopen(("/proc/" + std::string(pid) + "/status").c_str(), "r");
  char line[256];
  unsigned long value = 0;
  while (file && std::fgets(line, sizeof line, file))
    if (std::sscanf(line, "VmRSS: %lu", &value) == 1) break;
  if (file) std::fclose(file);
  return value;
}

int connectTo(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::perror("connect");
    std::exit(1);
  }
  return fd;
}

}  // namespace

int main(int argumentCount, char** arguments) {
  if (argumentCount < 4) return 64;
  const int port = std::atoi(arguments[1]), streams = std::atoi(arguments[2]);
  const std::string tokens = arguments[3];
  rlimit files{65536, 65536};
  ::setrlimit(RLIMIT_NOFILE, &files);
  std::vector<Stream> all(static_cast<size_t>(streams));
  const int poll = ::epoll_create1(0);
  const uint64_t before = argumentCount > 4 ? residentKib(arguments[4]) : 0;
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].fd = connectTo(port);
    epoll_event event{EPOLLIN, {.u64 = i}};
    ::epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
  }
  const auto start = Clock::now();
  for (size_t i = 0; i < all.size(); ++i) {
    const auto id = static_cast<uint32_t>(i % 200);
    all[i].next = (id + 7) % 26;
    const std::string body =
        "{\"prompt\":[" + std::to_string(id) + ",7],\"max_tokens\":" + tokens + ",\"stream\":true,\"ignore_eos\":true}";
    const std::string text =
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    if (::send(all[i].fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) return 1;
  }
  std::vector<char> buffer(256 << 10);
  std::vector<epoll_event> events(1024);
  size_t open = all.size();
  uint64_t most = 0;
  auto looked = Clock::now();
  while (open > 0) {
    const int count = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 30000);
    if (count <= 0) break;
    for (int i = 0; i < count; ++i) {
      Stream& stream = all[events[static_cast<size_t>(i)].data.u64];
      if (readSome(stream, buffer)) continue;
      ::epoll_ctl(poll, EPOLL_CTL_DEL, stream.fd, nullptr);
      --open;
    }
    if (argumentCount > 4 && since(looked) > 0.2) {
      most = std::max(most, residentKib(arguments[4]));
      looked = Clock::now();
    }
  }
  const double seconds = since(start);
  uint64_t total = 0, wrong = 0;
  for (const Stream& stream : all) {
    total += stream.seen;
    wrong += stream.broken || !stream.done || stream.seen != std::strtoull(tokens.c_str(), nullptr, 10);
  }
  std::printf("{\"streams\": %d, \"tokens\": %lu, \"seconds\": %.3f, \"tokens_per_s\": %.0f, \"wrong_streams\": %lu",
              streams, static_cast<unsigned long>(total), seconds, static_cast<double>(total) / seconds,
              static_cast<unsigned long>(wrong));
  if (most > 0)
    std::printf(", \"rss_kib_before\": %lu, \"rss_kib_most\": %lu, \"kib_per_stream\": %.1f",
                static_cast<unsigned long>(before), static_cast<unsigned long>(most),
                static_cast<double>(most - before) / streams);
  std::printf("}\n");
  return wrong == 0 ? 0 : 1;
}
