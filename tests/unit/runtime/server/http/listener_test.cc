// Addresses, taken ports, and a port that is free again.
#include "runtime/server/http/listener.h"

#include <gtest/gtest.h>

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
  auto named = Listener::open("example.org", 0);
  ASSERT_FALSE(named);
  EXPECT_EQ(named.status().code(), "SV_ADDRESS");
  auto foreign = Listener::open("192.0.2.1", 0);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.status().code(), "SV_PORT");
}

}  // namespace
}  // namespace llmc::rt::server
