// Probes while a model loads, and the same port afterwards (row EP2).
#include "runtime/server/loading_server.h"

#include <gtest/gtest.h>

#include "served.h"

namespace llmc::rt::server::test {
namespace {

const char* const kGet = " HTTP/1.1\r\nHost: localhost\r\n\r\n";

Reply get(uint16_t port, const std::string& path) {
  Client client(port);
  client.send("GET " + path + kGet);
  return client.read();
}

TEST(LoadingServer, IsAliveAndNotReady) {
  auto listener = Listener::open("127.0.0.1", 0).take();
  const uint16_t port = listener->port();
  {
    const LoadingServer loading(*listener);
    EXPECT_EQ(get(port, "/health").status, 200);
    for (const char* path : {"/ready", "/v1/models", "/metrics"}) {
      const Reply reply = get(port, path);
      EXPECT_EQ(reply.status, 503) << path;
      EXPECT_NE(reply.body.find("\"loading\""), std::string::npos);
      EXPECT_TRUE(reply.headers.contains("retry-after"));
      EXPECT_EQ(reply.headers.at("connection"), "close");
      EXPECT_EQ(reply.headers.at("x-request-id").size(), 32u);
    }
  }
  Client waiting(port);
  waiting.send(std::string("GET /ready") + kGet);
  MockBackend backend({});
  auto server = Server::create({}, std::move(listener), backend, mockModelText()).take();
  EXPECT_EQ(server->port(), port);
  EXPECT_EQ(waiting.read().status, 200) << "who came in between is served";
  EXPECT_EQ(get(port, "/v1/models").status, 200);
}

TEST(LoadingServer, NobodyHoldsUpTheStart) {
  auto listener = Listener::open("127.0.0.1", 0).take();
  auto loading = std::make_unique<LoadingServer>(*listener);
  Client silent(listener->port()), slow(listener->port());
  slow.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  EXPECT_EQ(get(listener->port(), "/health").status, 200);
  const auto begin = std::chrono::steady_clock::now();
  loading.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_TRUE(silent.ended());
}

}  // namespace
}  // namespace llmc::rt::server::test
