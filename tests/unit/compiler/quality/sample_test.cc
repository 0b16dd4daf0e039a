// The text that is built in.
#include "compiler/quality/Sample.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace llmc {
namespace {

TEST(Sample, IsTheWholeTextInAscii) {
  std::string_view text = sampleText();
  EXPECT_EQ(text.size(), 13007u);
  EXPECT_TRUE(text.starts_with("Now it came to pass in the days when the judges ruled"));
  EXPECT_TRUE(text.ends_with("and Jesse begat David.\n"));
  EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 128; }));
}

}  // namespace
}  // namespace llmc
