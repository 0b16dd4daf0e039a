// Keys and addresses.
#include "runtime/server/auth.h"

#include <gtest/gtest.h>

namespace llmc::rt::server {
namespace {

TEST(KeyRing, OnlyWholeKeysCount) {
  const KeyRing keys({"alpha", "beta", ""});
  EXPECT_EQ(keys.check("Bearer alpha"), 0u);
  EXPECT_EQ(keys.check("bearer beta"), 1u);
  for (const char* header : {"", "Bearer", "Bearer ", "Bearer alph", "Bearer alphaa", "Bearer alphaalpha",
                             "Bearer  alpha", "alpha", "Basic alpha", "Bearer Alpha"})
    EXPECT_FALSE(keys.check(header)) << header;
  EXPECT_EQ(KeyRing({}).check(""), 0u);
}

TEST(KeyRing, AnthropicsHeaderCountsToo) {
  const KeyRing keys({"alpha", "beta"});
  EXPECT_EQ(keys.check("", "beta"), 1u);
  EXPECT_EQ(keys.check("Bearer alpha", "wrong"), 0u);
  EXPECT_EQ(keys.check("Bearer wrong", "beta"), 1u);
  EXPECT_EQ(keys.check("Basic x", "beta"), 1u);
  for (const char* key : {"", "bet", "betaa", "Bearer beta", "betabeta"}) EXPECT_FALSE(keys.check("", key)) << key;
}

TEST(Auth, Loopback) {
  for (const char* host : {"127.0.0.1", "127.9.9.9", "::1", "localhost"}) EXPECT_TRUE(isLoopback(host)) << host;
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "127.evil", ""}) EXPECT_FALSE(isLoopback(host)) << host;
  EXPECT_EQ(checkBind("0.0.0.0", KeyRing({})).code(), "SV_PUBLIC_BIND");
  EXPECT_EQ(exitStatus(checkBind("::", KeyRing({})).kind()), 77);
  EXPECT_TRUE(checkBind("0.0.0.0", KeyRing({"k"})));
  EXPECT_TRUE(checkBind("127.0.0.1", KeyRing({})));
}

TEST(Auth, HostHeadersThatNameLoopback) {
  for (const char* host : {"localhost", "LocalHost:8000", "127.0.0.1:80", "[::1]", "[::1]:8000", "localhost:"})
    EXPECT_TRUE(isLoopbackHostHeader(host)) << host;
  for (const char* host : {"", ":80", "localhost.example.org", "localhost:80@example.org", "[::1]example.org", "[::1",
                           "[::1].example.org:80", "127.0.0.1:80:80", "example.org:80", "::1"})
    EXPECT_FALSE(isLoopbackHostHeader(host)) << host;
}

}  // namespace
}  // namespace llmc::rt::server
