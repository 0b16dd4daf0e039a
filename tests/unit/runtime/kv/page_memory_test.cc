// Host pages: zero at first, copied and filled at once.
#include "runtime/kv/page_memory.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

TEST(PageMemory, OfTheHostIsZeroAndChangesAtOnce) {
  auto pages = hostPages(1000).take();
  EXPECT_FALSE(pages->onDevice());
  EXPECT_EQ(pages->base()[999], 0);
  ASSERT_TRUE(pages->fill(pages->base(), 3, 100));
  ASSERT_TRUE(pages->copy(pages->base() + 500, pages->base() + 50, 100));
  EXPECT_EQ(pages->base()[549], 3);
  EXPECT_EQ(pages->base()[550], 0);
  EXPECT_TRUE(pages->wait());
}

TEST(PageMemory, RefusesWhatCannotBeMapped) {
  EXPECT_EQ(hostPages(~uint64_t{0} - 5).status().code(), "RT_MEMORY");
  const auto refused = hostPages(uint64_t{1} << 60);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.status().code(), "RT_MEMORY");
  EXPECT_EQ(refused.status().hint().find("--kv-memory SIZE asks for less; else "), 0u) << refused.status().toString();
}

}  // namespace
}  // namespace llmc::rt
