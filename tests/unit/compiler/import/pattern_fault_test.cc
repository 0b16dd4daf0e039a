// Patterns that a backtracking matcher would need exponential time for, and those of real tokenizers.
#include <gtest/gtest.h>

#include <string>

#include "compiler/import/TokenizerCheck.h"

namespace llmc {
namespace {

TEST(PatternFault, PatternsOfRealTokenizersHaveNone) {
  for (
      const char* pattern :
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       R"('s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", R"([(+*)]+[)](?:a+)?)", "\\d", ""})
    EXPECT_EQ(patternFault(pattern), "") << pattern;
}

TEST(PatternFault, RepeatedRepetitionsBackReferencesAndLengthAreFaults) {
  for (const char* pattern : {"(a+)+", "(a*)*b", "((a|b)+c)*", "(?:x{2,})+", R"((a)\1)"})
    EXPECT_NE(patternFault(pattern), "") << pattern;
  EXPECT_NE(patternFault(std::string(1 << 20, 'a')), "");
}

}  // namespace
}  // namespace llmc
