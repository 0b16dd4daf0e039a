// Lines are one line each, whatever the client wrote, and hold no key.
#include "runtime/server/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "served.h"

namespace llmc::rt::server::test {
namespace {

std::string logOf(LogFormat format) {
  const std::string path = testing::TempDir() + "access-" + std::to_string(::getpid()) + ".log";
  std::FILE* file = std::fopen(path.c_str(), "w");
  {
    ServerOptions options;
    options.accessLog = file;
    options.logFormat = format;
    options.apiKeys = {"secret-key"};
    Served served({}, options);
    const std::string key = "Authorization: Bearer secret-key\r\n";
    served.post("/v1/completions", R"({"prompt":"secret prompt","max_tokens":2})", key + "X-Request-Id: id1\r\n");
    served.get("/a\"b\\c?secret=1", "traceparent: \"\x01\r\n");
    served.get("/x\"y", key + "traceparent: 00-aa\"-bb\r\n");
    served.server->stop();
  }
  std::fclose(file);
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(AccessLog, Text) {
  const std::string log = logOf(LogFormat::kText);
  EXPECT_NE(log.find(" POST /v1/completions 200 "), std::string::npos) << log;
  EXPECT_NE(log.find("id=id1 prompt="), std::string::npos);
  EXPECT_NE(log.find("finish=length"), std::string::npos);
  EXPECT_EQ(log.find("secret"), std::string::npos) << log;
}

TEST(AccessLog, JsonLines) {
  std::istringstream log(logOf(LogFormat::kJson));
  int count = 0;
  for (std::string line; std::getline(log, line); ++count) {
    const auto json = nlohmann::json::parse(line);
    EXPECT_TRUE(json.contains("request_id"));
    EXPECT_TRUE(json["client"].get<std::string>().starts_with("127.0.0.1:")) << line;
    if (json["status"] == 200) EXPECT_EQ(json["completion_tokens"], 2);
  }
  EXPECT_EQ(count, 3);
}

TEST(AccessLog, APipeThatNobodyReadsHoldsNothingUp) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
  std::FILE* file = ::fdopen(ends[1], "w");
  ServerOptions options;
  options.accessLog = file;
  std::vector<std::string> notices;
  options.notice = [&](const std::string& text) { notices.push_back(text); };
  {
    Served served({}, options);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(served.get("/health").status, 200);  // 8 KB of lines and more
    served.server->stop();
  }
  std::string log(65536, ' ');
  log.resize(static_cast<size_t>(std::max<ssize_t>(::read(ends[0], log.data(), log.size()), 0)));
  EXPECT_GT(log.size(), 0u);
  EXPECT_LE(log.size(), 4096u);
  ASSERT_EQ(notices.size(), 2u);
  EXPECT_NE(notices[0].find("its reader takes nothing"), std::string::npos) << notices[0];
  EXPECT_EQ(log.back(), '\n') << "lines are whole or not there";
  std::fclose(file);
  ::close(ends[0]);
}

/// A log in /dev/full, or in a file that works, in turns: dup2() changes what is behind it.
class FullDisk : public testing::Test {
 protected:
  FullDisk() {
    full_ = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    good_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    file_ = std::fopen(path_.c_str(), "ae");
    works(true);
  }
  ~FullDisk() override {
    std::fclose(file_);
    ::close(full_);
    ::close(good_);
    std::filesystem::remove(path_);
  }
  void works(bool yes) { ASSERT_GE(::dup2(yes ? good_ : full_, fileno(file_)), 0); }
  AccessLog::Notice keep() {
    return [this](const std::string& text) { notices_.push_back(text); };
  }
  std::string written() const {
    std::ifstream in(path_);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const std::string path_ = testing::TempDir() + "full-" + std::to_string(::getpid()) + ".log";
  int full_ = -1, good_ = -1;
  std::FILE* file_ = nullptr;
  std::vector<std::string> notices_;
};

constexpr const char* kLine = "a line\n";
constexpr const char* kLoses = "the access log loses lines: No space left on device; requests are served all the same";

TEST_F(FullDisk, IsToldOnceAndCountedWhenItWorksAgain) {
  works(false);
  {
    ServerOptions options;
    options.accessLog = file_;
    options.notice = keep();
    Served served({}, options);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(served.get("/health").status, 200);
    ASSERT_TRUE(eventually([&] { return served.server->load() == 0; }));
    works(true);
    EXPECT_EQ(served.get("/health").status, 200);
    served.server->stop();
  }
  EXPECT_EQ(notices_,
            (std::vector<std::string>{kLoses, "the access log is written again: 3 lines of the access log were lost"}));
  EXPECT_EQ(std::ranges::count(written(), '\n'), 1);
}

TEST_F(FullDisk, WhatIsLostUntilTheEndIsCountedThere) {
  {
    AccessLog log(file_, LogFormat::kText, keep(), std::chrono::hours(1));
    log.write(kLine);
    EXPECT_TRUE(notices_.empty());
    for (int round = 0; round < 3; ++round) {
      works(false);
      log.write(kLine);
      works(true);
      log.write(kLine);
    }
    EXPECT_EQ(notices_.size(), 2u) << "a disk that comes and goes is told of once an hour";
  }
  EXPECT_EQ(notices_,
            (std::vector<std::string>{kLoses, "the access log is written again: 1 line of the access log was lost",
                                      "2 lines of the access log were lost"}));
  EXPECT_EQ(std::ranges::count(written(), '\n'), 4);
}

TEST_F(FullDisk, ALineThatWasCutIsEnded) {
  const size_t length = std::string_view(kLine).size();
  AccessLog log(file_, LogFormat::kText, keep());
  log.write(kLine);
  auto* const before = ::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit less{length + 3, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &less);
  log.write(kLine);
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ::signal(SIGXFSZ, before);
  EXPECT_EQ(written().size(), length + 3);
  log.write(kLine);
  EXPECT_EQ(written().size(), length + 3 + 1 + length);
  EXPECT_EQ(std::ranges::count(written(), '\n'), 3);
  EXPECT_EQ(notices_.size(), 2u);
}

/// The log of one connection that sends `bytes`, and the id that its answer has.
std::pair<std::string, std::string> refusalOf(const char* bytes, int status, LogFormat format) {
  const std::string path = testing::TempDir() + "refused-" + std::to_string(::getpid()) + ".log";
  std::FILE* file = std::fopen(path.c_str(), "w");
  std::string id;
  {
    ServerOptions options;
    options.accessLog = file;
    options.logFormat = format;
    Served served({}, options);
    Client client(served.server->port());
    client.send(bytes);
    const Reply answer = client.read();
    EXPECT_EQ(answer.status, status);
    id = answer.headers.at("x-request-id");
    served.server->stop();
  }
  std::fclose(file);
  EXPECT_EQ(id.size(), 32u);
  std::ifstream in(path);
  return {std::string{std::istreambuf_iterator<char>(in), {}}, id};
}

TEST(AccessLog, WhatIsRefusedCanBeTraced) {
  const auto [log, id] =
      refusalOf("GET /v1/models HTTP/1.1\r\nHost: localhost\r\nExpect: magic\r\n\r\n", 417, LogFormat::kText);
  EXPECT_NE(log.find(" GET /v1/models 417 "), std::string::npos) << log;
  EXPECT_NE(log.find(" id=" + id + " from=127.0.0.1:"), std::string::npos) << log;
}

TEST(AccessLog, WhatIsNotHttpHasNoMethodAndNoPath) {
  const char* const bytes = "\x16\x03\x01 hello\r\n\r\n";  // as of TLS
  const auto [text, id] = refusalOf(bytes, 400, LogFormat::kText);
  EXPECT_NE(text.find("Z - - 400 "), std::string::npos) << text;
  EXPECT_NE(text.find(" id=" + id), std::string::npos) << text;
  const auto json = nlohmann::json::parse(refusalOf(bytes, 400, LogFormat::kJson).first);
  for (const char* key : {"method", "path", "finish", "traceparent"}) EXPECT_TRUE(json.at(key).is_null()) << json;
  EXPECT_EQ(json["status"], 400);
}

}  // namespace
}  // namespace llmc::rt::server::test
