// Ids that are safe in headers and logs.
#include "runtime/server/request_id.h"

#include <gtest/gtest.h>

namespace llmc::rt::server {
namespace {

TEST(RequestId, OnlyHarmlessOnesAreKept) {
  EXPECT_EQ(requestIdFor("a-Z_0.9:x"), "a-Z_0.9:x");
  for (const std::string& id : {std::string(), std::string("a b"), std::string("a\r\nb"), std::string("é"),
                                std::string(129, 'a'), std::string("http://x/y")}) {
    const std::string made = requestIdFor(id);
    EXPECT_EQ(made.size(), 32u);
    EXPECT_NE(made, id);
  }
  EXPECT_NE(requestIdFor(""), requestIdFor(""));
}

}  // namespace
}  // namespace llmc::rt::server
