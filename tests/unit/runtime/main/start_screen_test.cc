// The numbers of the start screen are those of the session.
#include "runtime/main/start_screen.h"

#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

TEST_F(Run, TheStartScreenAddsUp) {
  Flags flags;
  flags.engine = engine_.path();
  flags.threads = 1;
  flags.kvMemory = 1 << 20;
  auto session = Session::open(flags, {.text = false, .sequences = 4, .sharedKv = true, .rows = 4});
  ASSERT_TRUE(session) << session.status().toString();
  const std::string text = startScreen(**session, flags, "http://127.0.0.1:7");
  const uint64_t pages = (*session)->kv().pages(), page = (*session)->kv().pageBytes();
  ASSERT_GT(pages, 0u);
  EXPECT_NE(text.find(formatBytes(pages * page) + " = "), std::string::npos) << text;
  EXPECT_NE(text.find(std::to_string(pages) + " pages x 16 tokens x " + std::to_string(page / 16) +
                      " bytes = " + std::to_string(pages * 16) + " tokens"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\nworkers    1 worker on CPU "), std::string::npos) << text;
  // The tiny engine's context is 128 tokens: no line of 1,024, and each sequence takes eight pages.
  EXPECT_EQ((*session)->context(), 128u);
  EXPECT_NE(text.find("sequences  " + std::to_string(pages / 8) + " of 128 tokens fit; 64 run together"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("address    http://127.0.0.1:7/v1, no key"), std::string::npos) << text;
  flags.apiKeys = {"k"};
  EXPECT_NE(startScreen(**session, flags, "x").find("with a key"), std::string::npos);
}

TEST(StartScreen, Addresses) {
  EXPECT_EQ(addressOf("127.0.0.1", 1), "http://127.0.0.1:1");
  EXPECT_EQ(addressOf("::1", 1), "http://[::1]:1");
}

}  // namespace
}  // namespace llmc::rt::test
