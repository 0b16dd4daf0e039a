// Chat templates and messages made to break things: each gives its error in bounded time and memory.
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "runtime/text/chat_template.h"

namespace llmc::rt {
namespace {

/// The code of the error, at build or at run time; "rendered" when there is none.
std::string codeOf(const std::string& source, const std::string& messages = "[]", const std::string& extra = "") {
  auto begin = std::chrono::steady_clock::now();
  auto made = ChatTemplate::create(source, "", "");
  if (!made) return "build " + made.status().code();
  auto text = made->render({.messages = messages, .extra = extra});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2)) << source.substr(0, 80);
  return text ? "rendered" : text.status().code();
}

std::string repeated(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

TEST(HostileTemplate, Loops) {
  EXPECT_EQ(codeOf("{% for i in range(1000000000) %}x{% endfor %}"), "TM_FUEL");
  EXPECT_EQ(codeOf("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"), "TM_FUEL");
}

TEST(HostileTemplate, Output) {
  EXPECT_EQ(codeOf("{% for i in range(5000) %}" + std::string(1000, 'x') + "{% endfor %}"), "TM_OUTPUT");
  EXPECT_EQ(
      codeOf("{% for i in range(90000) %}{{ x }}{% endfor %}", "[]", "{\"x\":\"" + std::string(1000, 'y') + "\"}"),
      "TM_OUTPUT");
}

TEST(HostileTemplate, Recursion) {
  EXPECT_EQ(codeOf("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "TM_DEPTH");
  EXPECT_EQ(codeOf("{{ " + repeated("(", 10'000) + "1" + repeated(")", 10'000) + " }}"), "build TM_DEPTH");
  EXPECT_EQ(codeOf(repeated("{% if true %}", 10'000) + repeated("{% endif %}", 10'000)), "build TM_DEPTH");
  EXPECT_EQ(codeOf("{{ " + repeated("not ", 10'000) + "1 }}"), "rendered");
  EXPECT_EQ(codeOf("{{ " + repeated("-", 10'000) + "1 }}"), "rendered");
}

TEST(HostileTemplate, WhatHasNoPlaceInATemplate) {
  EXPECT_EQ(codeOf("{% include '/etc/passwd' %}"), "build TM_UNSUPPORTED");
  EXPECT_EQ(codeOf("{% import 'x' as y %}"), "build TM_UNSUPPORTED");
  EXPECT_EQ(codeOf("{%- extends 'x' %}"), "build TM_UNSUPPORTED");
  EXPECT_EQ(codeOf("{{ ''.__class__.__mro__[1].__subclasses__() }}"), "build TM_UNSUPPORTED");
  EXPECT_EQ(codeOf("{% if false %}{{ 1 | surprise }}{% endif %}"), "build TM_UNSUPPORTED");
  EXPECT_EQ(codeOf("{% if false %}{{ 1 is surprising }}{% endif %}"), "build TM_UNSUPPORTED");
  EXPECT_EQ(codeOf("{% surprise %}"), "build TM_SYNTAX");
  EXPECT_EQ(codeOf("{{ nowhere.x }}"), "TM_ERROR");
}

TEST(HostileTemplate, Sizes) {
  EXPECT_EQ(codeOf(std::string(10 << 20, 'x')), "build TM_TOO_LARGE");
  EXPECT_EQ(codeOf("x", repeated("[", 1000) + repeated("]", 1000)), "TM_DEPTH");
  EXPECT_EQ(codeOf("x", "{}"), "TM_JSON");
  EXPECT_EQ(codeOf("x", "[1,"), "TM_JSON");
  EXPECT_EQ(codeOf("x", "[]", "[]"), "TM_JSON");
  EXPECT_EQ(codeOf("x", "\xff"), "TK_UTF8");
}

TEST(HostileTemplate, RaisedTextIsCut) {
  auto made = ChatTemplate::create("{{ raise_exception(x) }}", "", "");
  ASSERT_TRUE(made.isOk());
  std::string extra = "{\"x\":\"" + repeated("é", 500'000) + "\"}";
  auto text = made->render({.messages = "[]", .extra = extra});
  ASSERT_FALSE(text.isOk());
  EXPECT_EQ(text.status().code(), "TM_RAISED");
  EXPECT_LT(text.status().message().size(), 1100u);
}

TEST(HostileTemplate, ChangedBytesNeverCrash) {
  const std::string source =
      "{% for m in messages %}{{ '<s>' + m['role'] + m.content | trim }}{% if loop.last and m.x is defined %}{{ m.x | "
      "tojson(indent=2) }}"
      "{% else %}{{ m.content.split('a')[-1][1:] ~ [1, {'k': 2}] }}{% endif %}{%- endfor -%}{% macro f(a, b=1) %}{{ a "
      "* b }}{% endmacro %}{{ f(3) }}";
  constexpr std::string_view kBytes =
      "{}[]()%'|.,:+-*/~= \xff\x01"
      "0129abn";
  std::mt19937 random(12);
  int rendered = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string changed = source;
    for (unsigned i = 0; i < 1 + random() % 3; ++i)
      changed[random() % changed.size()] = kBytes[random() % kBytes.size()];
    rendered +=
        codeOf(changed, R"([{"role":"user","content":"banana"},{"role":"user","content":"b","x":{"y":[1,null]}}])") ==
        "rendered";
  }
  EXPECT_GT(rendered, 10);
}

TEST(HostileTemplate, RepeatedStringsStop) { EXPECT_EQ(codeOf("{% set s = 'x' * 1000000000 %}"), "TM_FUEL"); }

}  // namespace
}  // namespace llmc::rt
