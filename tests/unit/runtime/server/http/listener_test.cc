// Addresses, taken ports, and a port that is free again.
#include "runtime/server/http/listener.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "../served.h"

namespace llmc::rt::server {
namespace {

TEST(Listener, ATakenPortIsNamed) {
  auto first = Listener::open("127.0.0.1", 0);
  ASSERT_TRUE(first) << first.status().toString();
  const uint16_t port = (*first)->port();
  EXPECT_GT(port, 0);
  auto second = Listener::open("127.0.0.1", port);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.status().code(), "SV_PORT");
  EXPECT_EQ(exitStatus(second.status().kind()), 69);
  EXPECT_NE(second.status().message().find(std::to_string(port)), std::string::npos);
  first = Status::error(ErrorKind::kUsage, "X", "closed");
  EXPECT_TRUE(Listener::open("127.0.0.1", port));
}

TEST(Listener, AddressesAreAddresses) {
  EXPECT_TRUE(Listener::open("localhost", 0));
  for (const char* name : {"nosuch.host.invalid", "", "127.0.0.1:80", "a b"}) {  // .invalid: RFC 2606
    auto named = Listener::open(name, 0);
    ASSERT_FALSE(named) << name;
    EXPECT_EQ(named.status().code(), "SV_ADDRESS");
    EXPECT_EQ(exitStatus(named.status().kind()), 64);
    EXPECT_NE(named.status().message().find("the name cannot be resolved"), std::string::npos);
  }
  EXPECT_EQ(*Listener::resolve("localhost"), "127.0.0.1");
  EXPECT_EQ(*Listener::resolve("::1"), "::1");
  auto foreign = Listener::open("192.0.2.1", 0);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.status().code(), "SV_ADDRESS");
  EXPECT_EQ(exitStatus(foreign.status().kind()), 64);
  EXPECT_NE(foreign.status().toString().find("give --host an address of this machine"), std::string::npos);
}

TEST(Listener, RaisesTheSoftLimitOfDescriptorsForItsConnections) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  if (before.rlim_max < 2000) GTEST_SKIP() << "the hard limit is " << before.rlim_max;
  const rlimit few{300, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  ServerOptions options;
  options.mostConnections = 1000;
  {
    const test::Served served({}, options);
    rlimit now{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &now), 0);
    EXPECT_GT(now.rlim_cur, 1000u);
    EXPECT_EQ(now.rlim_max, before.rlim_max);
  }
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace llmc::rt::server
