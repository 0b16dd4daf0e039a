// What a client sees on the wire: order, keep-alive, ends (rows HT3, HT7, HT9, HT15, HT16).
// Tests: exchange.cc, io_thread.cc.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "../served.h"

namespace llmc::rt::server::test {
namespace {

const std::string kGet = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST(Connection, AThousandPipelinedRequestsAreAnsweredOnceInOrder) {
  Served served;
  Client client(served.server->port());
  std::string all;
  for (int i = 0; i < 1000; ++i)
    all += "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r" + std::to_string(i) + "\r\n\r\n";
  client.send(all);
  for (int i = 0; i < 1000; ++i) {
    const Reply reply = client.read();
    ASSERT_EQ(reply.status, 200) << i;
    ASSERT_EQ(reply.headers.at("x-request-id"), "r" + std::to_string(i));
  }
}

TEST(Connection, PipelinedStreamsFollowEachOther) {
  Served served;
  Client client(served.server->port());
  const std::string post = postText("/v1/completions", R"({"prompt":[0],"max_tokens":5,"stream":true})");
  client.send(post + kGet + post);
  EXPECT_EQ(client.read().events().size(), 6u);
  EXPECT_EQ(client.read().body, "");
  EXPECT_EQ(client.read().events().size(), 6u);
}

TEST(Connection, ABodyOfAGetIsConsumed) {
  Served served;
  Client client(served.server->port());
  client.send("GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /" + kGet);
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(client.read().status, 200);
}

TEST(Connection, HeadHasNoBody) {
  Served served;
  Client client(served.server->port());
  client.send("HEAD /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n" + kGet);
  const Reply head = client.read(/*head=*/true);
  EXPECT_GT(std::atoi(head.headers.at("content-length").c_str()), 100);
  EXPECT_EQ(client.read().status, 200);
}

TEST(Connection, ContinueComesBeforeTheBody) {
  Served served;
  Client client(served.server->port());
  const std::string post = postText("/v1/completions", R"({"prompt":[0],"max_tokens":1})", "Expect: 100-continue\r\n");
  const size_t body = post.find("\r\n\r\n") + 4;
  client.send(post.substr(0, body));
  EXPECT_EQ(client.read().status, 100);
  client.send(post.substr(body));
  EXPECT_EQ(client.read().status, 200);
}

TEST(Connection, RefusalsCloseAndArriveDespiteUnreadInput) {
  Served served;
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\nBad Header\r\n\r\n"), "GET /" + std::string(1 << 20, 'x'),
        postText("/v1/completions", std::string(9 << 20, 'x'))}) {
    Client client(served.server->port());
    client.send(bytes);
    const Reply reply = client.read();
    EXPECT_GE(reply.status, 400);
    EXPECT_EQ(reply.headers.at("connection"), "close");
    EXPECT_NE(reply.body.find("\"error\""), std::string::npos);
    EXPECT_TRUE(client.ended());
  }
}

TEST(Connection, CloseIsHonoured) {
  Served served;
  Client client(served.server->port());
  client.send("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.read().status, 200);
  EXPECT_TRUE(client.ended());
}

TEST(Connection, Http10StreamsEndWithTheConnection) {
  Served served;
  Client client(served.server->port());
  const std::string body = R"({"prompt":[0],"max_tokens":3,"stream":true})";
  client.send("POST /v1/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  std::string all;
  for (std::string piece; !(piece = client.readSome()).empty();) all += piece;
  EXPECT_EQ(all.find("Transfer-Encoding"), std::string::npos);
  EXPECT_TRUE(all.ends_with("data: [DONE]\n\n"));
}

TEST(Connection, TheCapAnswers503) {
  ServerOptions options;
  options.mostConnections = 2;
  Served served({}, options);
  Client one(served.server->port()), two(served.server->port());
  one.send(kGet);
  two.send(kGet);
  EXPECT_EQ(one.read().status, 200);
  EXPECT_EQ(two.read().status, 200);
  Client three(served.server->port());
  EXPECT_EQ(three.read().status, 503);
  one.close();
  EXPECT_TRUE(eventually([&] {
    Client four(served.server->port());
    four.send(kGet);
    return four.read().status == 200;
  }));
}

TEST(Connection, ABurstDoesNotSlipThroughTheCap) {
  ServerOptions options;
  options.mostConnections = 20;
  Served served({}, options);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(std::make_unique<Client>(served.server->port()));
  int answered = 0;
  for (auto& client : clients) {
    client->send(kGet);
    answered += client->read().status == 200;
  }
  EXPECT_EQ(answered, 20);
}

TEST(Connection, ResetsInEveryStateLeaveNothing) {
  MockOptions mock;
  mock.step = std::chrono::milliseconds(1);
  Served served(mock);
  const std::string stream =
      postText("/v1/completions", R"({"prompt":[0],"max_tokens":4000,"stream":true,"ignore_eos":true})");
  for (const std::string& bytes :
       {std::string(), std::string("GET /he"), stream.substr(0, stream.size() - 5), stream, stream + stream}) {
    for (const bool half : {false, true}) {
      Client client(served.server->port());
      client.send(bytes);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (half) {
        ::shutdown(client.fd(), SHUT_WR);
        client.ended();
      } else {
        const linger now{1, 0};
        ::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
        client.close();
      }
    }
  }
  EXPECT_TRUE(eventually([&] { return served.server->load() == 0 && served.backend.stats().running == 0; }));
}

}  // namespace
}  // namespace llmc::rt::server::test
