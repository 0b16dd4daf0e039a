// Broken tokenizers and templates are told before a build, with the place of the template.
#include "compiler/quality/CheckTexts.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

const char* const kTokenizer =
    R"({"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})";

TEST(CheckTexts, TakesWhatTheRuntimeTakes) {
  std::vector<std::string> warnings;
  EXPECT_TRUE(checkTexts(kTokenizer, "", {}, warnings));
  EXPECT_TRUE(checkTexts(kTokenizer, "{% for m in messages %}{{ m.content }}{% endfor %}", {}, warnings));
  EXPECT_TRUE(warnings.empty());
}

TEST(CheckTexts, WarnsOfATemplateThatAlwaysFails) {
  std::vector<std::string> warnings;
  EXPECT_TRUE(checkTexts(kTokenizer, "{{ raise_exception('no\n' * 400) }}", {"", "chat_template.jinja"}, warnings));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].rfind("chat_template.jinja: fails for a plain user message", 0), 0u) << warnings[0];
  EXPECT_NE(warnings[0].find("--chat and chat completions will fail: TM_RAISED: "), std::string::npos) << warnings[0];
  EXPECT_EQ(warnings[0].find('\n'), std::string::npos);
  EXPECT_LT(warnings[0].size(), 500u);
}

TEST(CheckTexts, ATemplateMayRefuseSomeConversations) {
  std::vector<std::string> warnings;
  for (const char* refuses :
       {"messages | length == 1", "messages[0].role == 'system'", "messages[0].content is string"})
    EXPECT_TRUE(checkTexts(
        kTokenizer,
        "{% if " + std::string(refuses) + " %}{{ raise_exception('no') }}{% endif %}" + "{{ messages[0].content }}", {},
        warnings));
  EXPECT_TRUE(warnings.empty()) << warnings[0];
}

TEST(CheckTexts, NamesTheTemplate) {
  std::vector<std::string> warnings;
  rt::Status status = checkTexts(kTokenizer, "{% for m in messages %}", {"", "chat_template.jinja"}, warnings);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.code(), "TM_SYNTAX");
  EXPECT_EQ(status.kind(), rt::ErrorKind::kBadInput);
  EXPECT_EQ(status.message().rfind("chat_template.jinja: ", 0), 0u) << status.message();
}

TEST(CheckTexts, RefusesATokenizer) {
  std::vector<std::string> warnings;
  rt::Status status = checkTexts("{}", "", {"m/tokenizer.json", ""}, warnings);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.code().rfind("TK_", 0), 0u) << status.code();
  EXPECT_EQ(status.message().rfind("m/tokenizer.json: ", 0), 0u) << status.message();
  EXPECT_EQ(status.kind(), rt::ErrorKind::kBadInput);
}

TEST(CheckTexts, ATokenizerBecomesTwoSections) {
  auto texts = tokenizerTexts(kTokenizer);
  ASSERT_TRUE(texts) << texts.status().toString();
  EXPECT_FALSE(texts->table.empty());
  EXPECT_EQ(texts->json.find("\"vocab\""), std::string::npos) << texts->json;
  EXPECT_EQ(tokenizerTexts("{").status().code(), "TK_JSON");
}

}  // namespace
}  // namespace llmc
