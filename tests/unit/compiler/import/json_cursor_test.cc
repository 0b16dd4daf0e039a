// Token starts from where a parser has read to.
#include "compiler/import/JsonCursor.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

TEST(JsonCursor, TokensAreFoundBackwards) {
  const std::string text = R"({"a\"b" : -1.5e3, "c\\":true})";
  auto start = [&](const std::string& end, JsonToken token, size_t more = 0) {
    return tokenStart(text, text.find(end) + end.size() + more, token);
  };
  EXPECT_EQ(start("{", JsonToken::Bracket), 0u);
  EXPECT_EQ(start(R"(\"b")", JsonToken::String), 1u);
  EXPECT_EQ(start("e3", JsonToken::Number), text.find('-'));
  EXPECT_EQ(start("e3", JsonToken::Number, 1), text.find('-'));  // the comma has been read as well
  EXPECT_EQ(start(R"(c\\")", JsonToken::String), text.find("\"c"));
  EXPECT_EQ(start("true", JsonToken::Word), text.find("true"));
}

TEST(JsonCursor, EndsOfTheTextAreSafe) {
  for (JsonToken token : {JsonToken::String, JsonToken::Number, JsonToken::Word, JsonToken::Bracket}) {
    EXPECT_EQ(tokenStart("", 0, token), 0u);
    EXPECT_LE(tokenStart("\"", 1, token), 1u);
    EXPECT_LE(tokenStart("12", 99, token), 2u);
  }
}

TEST(JsonCursor, CountsWhatTheParserReads) {
  struct Keys : nlohmann::json_sax<nlohmann::json> {
    size_t done = 0;
    std::vector<size_t> ends;
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_object(std::size_t) override { return true; }
    bool end_object() override { return true; }
    bool start_array(std::size_t) override { return true; }
    bool end_array() override { return true; }
    bool key(string_t&) override { return ends.push_back(done), true; }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }
  } keys;
  const std::string text = R"({"one": 1, "two": [{"three": null}]})";
  EXPECT_TRUE(parseWithCursor(text, keys.done, &keys));
  std::vector<size_t> expected;
  for (const char* name : {"\"one\"", "\"two\"", "\"three\""})
    expected.push_back(text.find(name) + std::string(name).size());
  EXPECT_EQ(keys.ends, expected);
}

}  // namespace
}  // namespace llmc
