// Merges that tokenize as SentencePiece's scores do.
#include "compiler/import/SpmMerges.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

TEST(SpmMerges, SpmMergesAreOrderedByScoreThenLengths) {
  auto merges = spmMerges(
      {{"a", -9, true}, {"b", -9, true}, {"ab", -2, true}, {"ba", -2, true}, {"aba", -1, true}, {"<s>", 0, false}});
  std::vector<std::pair<std::string, std::string>> expected = {{"ab", "a"}, {"a", "ba"}, {"a", "b"}, {"b", "a"}};
  EXPECT_EQ(merges, expected);
}

}  // namespace
}  // namespace llmc
