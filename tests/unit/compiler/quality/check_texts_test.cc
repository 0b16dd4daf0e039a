// Broken tokenizers and templates are told before a build, with the place of the template.
#include "compiler/quality/CheckTexts.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

const char* const kTokenizer =
    R"({"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})";

TEST(CheckTexts, TakesWhatTheRuntimeTakes) {
  EXPECT_TRUE(checkTexts(kTokenizer, "", ""));
  EXPECT_TRUE(checkTexts(kTokenizer, "{% for m in messages %}{{ m.content }}{% endfor %}", ""));
}

TEST(CheckTexts, NamesTheTemplate) {
  rt::Status status = checkTexts(kTokenizer, "{% for m in messages %}", "chat_template.jinja");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.code(), "TM_SYNTAX");
  EXPECT_EQ(status.kind(), rt::ErrorKind::kBadInput);
  EXPECT_EQ(status.message().rfind("chat_template.jinja: ", 0), 0u) << status.message();
}

TEST(CheckTexts, RefusesATokenizer) {
  rt::Status status = checkTexts("{}", "", "");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.code().rfind("TK_", 0), 0u) << status.code();
  EXPECT_EQ(status.kind(), rt::ErrorKind::kBadInput);
}

}  // namespace
}  // namespace llmc
