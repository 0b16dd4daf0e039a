// Start, drain and stop.
#include "runtime/server/server.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <future>
#include <thread>

#include "served.h"

namespace llmc::rt::server::test {
namespace {

TEST(Server, APublicBindNeedsAKey) {
  MockBackend backend({});
  auto listener = Listener::open("0.0.0.0", 0);
  ASSERT_TRUE(listener);
  auto refused = Server::create({}, listener.take(), backend, mockModelText());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.status().code(), "SV_PUBLIC_BIND");
  ServerOptions options;
  options.apiKeys = {"k"};
  EXPECT_TRUE(Server::create(options, Listener::open("0.0.0.0", 0).take(), backend, mockModelText()));
}

TEST(Server, SignsOfLifeOfItsThreads) {
  std::atomic<int> busy{0};
  ServerOptions options;
  options.busy = [&] { ++busy; };
  Served served({}, options);
  auto signs = served.server->ioSigns();
  ASSERT_EQ(signs.size(), 2u);
  EXPECT_EQ(signs[0].asked + signs[0].answered + signs[0].connections, 0u);
  const auto answered = [&](uint64_t times) {
    const auto now = served.server->ioSigns();
    return now[0].answered == times && now[1].answered == times;
  };
  for (uint64_t times = 1; times <= 3; ++times) {
    served.server->askIo();
    EXPECT_TRUE(eventually([&] { return answered(times); }));
  }
  EXPECT_EQ(busy, 0);
  const Client client(served.server->port());
  EXPECT_TRUE(eventually([&] {
    signs = served.server->ioSigns();
    return signs[0].connections + signs[1].connections == 1;
  }));
  EXPECT_TRUE(eventually([&] { return busy == 1; }));
  served.server->stop();
  served.server->askIo();
  EXPECT_TRUE(served.server->ioSigns().empty());
}

TEST(Server, AThreadThatHangsOwesItsAnswer) {
  std::promise<void> open;
  auto opened = open.get_future();
  ServerOptions options;
  options.busy = [&] { opened.wait(); };  // on the I/O thread that gets the connection
  Served served({}, options);
  const Client client(served.server->port());
  const auto owing = [&] {
    served.server->askIo();
    int count = 0;
    for (const IoSign& sign : served.server->ioSigns()) count += sign.connections == 1 && sign.asked > sign.answered;
    return count;
  };
  EXPECT_TRUE(eventually([&] { return owing() == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(owing(), 1);
  open.set_value();
  EXPECT_TRUE(eventually([&] { return owing() == 0; }));
}

TEST(Server, AnswersCanBeCutWhileItServes) {
  Served served({.step = std::chrono::milliseconds(1)});
  Client client(served.server->port());
  client.send(postText("/v1/completions", R"({"prompt":[1],"max_tokens":4000,"stream":true})"));
  EXPECT_NE(client.readSome(), "");
  served.server->cutAnswers();
  std::string text;
  for (std::string piece; !(piece = client.readSome()).empty();) text += piece;
  EXPECT_NE(text.find("server_shutdown"), std::string::npos);
  EXPECT_EQ(served.get("/health").status, 200) << "it still takes connections";
}

TEST(Server, ItsSeedAndTheirOrderDecideTheSeedsOfRequests) {
  const auto seeds = [](std::optional<uint64_t> seed) {
    ServerOptions options;
    options.seed = seed;
    Served served({}, options);
    std::vector<uint64_t> found;
    for (const char* own : {"", ",\"seed\":5", ""}) {
      served.post("/v1/completions", R"({"prompt":[1],"max_tokens":1)" + std::string(own) + "}");
      found.push_back(served.backend.last().sampling.seed);
    }
    return found;
  };
  const std::vector<uint64_t> first = seeds(7);
  EXPECT_EQ(seeds(7), first);
  EXPECT_EQ(first[1], 5u);
  EXPECT_NE(first[0], first[2]);
  EXPECT_NE(seeds(8)[0], first[0]);
  EXPECT_NE(seeds(std::nullopt)[0], seeds(std::nullopt)[0]);
}

TEST(Server, LongBodiesDoNotHoldUpShortOnes) {
  ServerOptions options;
  options.prepareThreads = 1;
  Served served({}, options);
  // Long enough to be encoded for seconds together.
  const std::string text(1 << 20, ' ');
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<Client>(served.server->port()));
    clients.back()->send(postText("/tokenize", R"({"prompt":")" + text + "\"}"));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(served.post("/tokenize", R"({"prompt":"hello"})").status, 200);
  pollfd waiting{clients.back()->fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&waiting, 1, 0), 0) << "the last long one was answered first: this test shows nothing";
  for (auto& client : clients) EXPECT_EQ(client->read().status, 200);
}

TEST(Server, ADrainCutsNoStream) {
  MockOptions mock;
  mock.step =
      std::chrono::milliseconds(10);  // the first stream must last until the hundredth has begun, instrumented too
  Served served(mock);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<Client>(served.server->port()));
    clients.back()->send(postText("/v1/completions", R"({"prompt":[0],"max_tokens":300,"stream":true})"));
  }
  EXPECT_TRUE(eventually([&] { return served.server->load() == 100; }));
  served.server->drain();
  EXPECT_EQ(served.get("/ready").status, 503);
  EXPECT_TRUE(served.server->waitUntilIdle(30));
  for (auto& client : clients) EXPECT_EQ(client->read().events().size(), 301u);
}

TEST(Server, ADrainWaitsForWhatIsBeingPrepared) {
  Served served;
  Client client(served.server->port());
  const std::string blanks(2 << 20, ' ');
  client.send(postText("/v1/completions", R"({"max_tokens":1,"truncate_prompt_tokens":5,"prompt":")" + blanks + "\"}"));
  ASSERT_TRUE(eventually([&] { return served.server->load() == 1; }));
  EXPECT_EQ(served.backend.submitted(), 0u) << "it is prepared already: this test shows nothing";
  served.server->drain();
  EXPECT_TRUE(served.server->waitUntilIdle(30));
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(served.server->load(), 0u);
}

TEST(Server, ADrainAnswersNewConnectionsAndRequestsThatAreUnderWay) {
  Served served;
  Client fresh(served.server->port()), half(served.server->port()), used(served.server->port());
  used.send("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(used.read().status, 200);
  half.send("GET /ready HTTP/1.1\r\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  served.server->drain();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  fresh.send("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
  half.send("Host: localhost\r\n\r\n");
  EXPECT_EQ(fresh.read().status, 503);
  EXPECT_EQ(half.read().status, 503);
  EXPECT_TRUE(used.ended());
}

TEST(Server, AStopTellsThoseThatStillRun) {
  MockOptions mock;
  mock.step = std::chrono::milliseconds(1);
  Served served(mock);
  Client client(served.server->port());
  client.send(postText("/v1/completions", R"({"prompt":[0],"max_tokens":4000,"stream":true})"));
  EXPECT_TRUE(eventually([&] { return served.server->load() == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(served.server->waitUntilIdle(0.05));
  std::thread stopper([&] { served.server->stop(); });
  const auto events = client.read().events();
  EXPECT_NE(events.back().find("server_shutdown"), std::string::npos);
  client.close();
  stopper.join();
}

TEST(Server, StopsWhileRequestsCome) {
  for (int round = 0; round < 5; ++round) {
    Served served;
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 20; ++i) {
      clients.push_back(std::make_unique<Client>(served.server->port()));
      clients.back()->send(postText("/v1/completions", R"({"prompt":[0],"max_tokens":2000,"stream":true})"));
    }
  }
}

}  // namespace
}  // namespace llmc::rt::server::test
