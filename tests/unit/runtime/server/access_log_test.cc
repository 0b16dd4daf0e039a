// Lines are one line each, whatever the client wrote, and hold no key.
#include "runtime/server/access_log.h"

#include <gtest/gtest.h>

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
    if (json["status"] == 200) EXPECT_EQ(json["completion_tokens"], 2);
  }
  EXPECT_EQ(count, 3);
}

}  // namespace
}  // namespace llmc::rt::server::test
