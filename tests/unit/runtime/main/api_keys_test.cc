// Keys of the command line and of a file, and those that would let nobody in.
#include "runtime/main/api_keys.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc::rt::test {
namespace {

using Texts = std::vector<std::string>;

Result<Texts> fromFile(const std::string& text, const Texts& given = {}) {
  const TemporaryFile file(text);
  Flags flags;
  flags.apiKeys = given;
  flags.apiKeyFile = file.path();
  return readApiKeys(flags);
}

TEST(ApiKeys, LinesOfAFile) {
  auto keys = fromFile(
      "\xEF\xBB\xBF"
      "first\r\n\r\n# second\r\n  third key\t\n #fourth\nfifth#\nlast",
      {"given"});
  ASSERT_TRUE(keys) << keys.status().toString();
  EXPECT_EQ(*keys, (Texts{"given", "first", "third key", "fifth#", "last"}));
  EXPECT_TRUE(readApiKeys({})->empty());
}

TEST(ApiKeys, AFileWithoutAKeyIsRefused) {
  for (const char* text : {"", "\n", "# only\n", " \t\r\n"}) {
    auto keys = fromFile(text, {"given"});
    ASSERT_FALSE(keys) << text;
    EXPECT_EQ(keys.status().code(), "CLI_KEY");
    EXPECT_EQ(exitStatus(keys.status().kind()), 65);
    EXPECT_NE(keys.status().message().find("there is no key in"), std::string::npos);
  }
  auto bad = fromFile("good\nb\x01z\n");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.status().message().find("line 2 has a control character"), std::string::npos);
  Flags flags;
  for (auto [path, status] : {std::pair{"/nowhere/keys", 66}, std::pair{"/tmp", 74}, std::pair{"", 66}}) {
    flags.apiKeyFile = path;
    auto keys = readApiKeys(flags);
    ASSERT_FALSE(keys) << path;
    EXPECT_EQ(exitStatus(keys.status().kind()), status) << path;
  }
}

TEST(ApiKeys, KeysThatNoHeaderCarries) {
  for (const char* key : {"", " ", "a ", "\tb", "a\nb", "a\x7f"}) {
    Flags flags;
    flags.apiKeys = {"fine", key};
    auto keys = readApiKeys(flags);
    ASSERT_FALSE(keys) << key;
    EXPECT_EQ(keys.status().code(), "CLI_KEY") << key;
    EXPECT_EQ(exitStatus(keys.status().kind()), 64) << key;
  }
}

}  // namespace
}  // namespace llmc::rt::test
