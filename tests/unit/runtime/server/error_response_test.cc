// Errors have the shape of the API that was asked, at every step that can refuse.
#include "runtime/server/error_response.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "served.h"

namespace llmc::rt::server::test {
namespace {
using nlohmann::json;

TEST(ErrorResponse, FollowsThePath) {
  ServerOptions options;
  options.apiKeys = {"k"};
  Served served({}, options);
  const std::string key = "Authorization: Bearer k\r\n";
  for (const char* path : {"/v1/messages", "/v1/messages/count_tokens"}) {
    for (const auto& [body, headers, status, type] :
         {std::tuple{std::string("{}"), std::string(), 401, "authentication_error"},
          std::tuple{std::string("{}"), key, 400, "invalid_request_error"},
          std::tuple{std::string("{"), key, 400, "invalid_request_error"},
          std::tuple{std::string(R"({"model":"other"})"), key, 404, "not_found_error"}}) {
      const Reply reply = served.post(path, body, headers);
      EXPECT_EQ(reply.status, status) << path << body;
      const json error = json::parse(reply.body);
      EXPECT_EQ(error["type"], "error");
      EXPECT_EQ(error["error"]["type"], type);
      EXPECT_FALSE(error["error"]["message"].get<std::string>().empty());
    }
    EXPECT_EQ(json::parse(served.get(path, key).body)["error"]["type"], "invalid_request_error") << "405";
  }
  EXPECT_EQ(json::parse(served.post("/v1/messages/nothing", "{}", key).body)["type"], "error");
  EXPECT_FALSE(json::parse(served.post("/v1/messagesx", "{}", key).body).contains("type"));
  Client client(served.server->port());
  client.send("POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n");
  const Reply large = client.read();
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(json::parse(large.body)["error"]["type"], "request_too_large");
}

TEST(ErrorResponse, SaysWhenToComeBack) {
  Served served;
  const Reply reply = served.post("/v1/messages", R"({"max_tokens":1,"cache_salt":"mock:full",
    "messages":[{"role":"user","content":"a"}]})");
  EXPECT_EQ(reply.status, 429);
  EXPECT_TRUE(reply.headers.contains("retry-after"));
  EXPECT_EQ(json::parse(reply.body)["error"]["type"], "rate_limit_error");
}

}  // namespace
}  // namespace llmc::rt::server::test
