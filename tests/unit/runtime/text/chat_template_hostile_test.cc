// Chat templates and messages made to break things: each gives its error in bounded time and memory.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <random>
#include <thread>

#include "runtime/text/chat_template.h"
#include "tests/unit/sanitized.h"

namespace llmc::rt {
namespace {

/// The code of the error, at build or at run time; "rendered" when there is none.
std::string codeOf(const std::string& source, const std::string& messages = "[]", const std::string& extra = "") {
  auto begin = std::chrono::steady_clock::now();
  auto made = ChatTemplate::create(source, "", "");
  if (!made) return "build " + made.status().code();
  auto text = made->render({.messages = messages, .extra = extra});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(kSanitized ? 20 : 2))
      << source.substr(0, 80);
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

TEST(HostileTemplate, WhatATemplateDoesWrongAtRunTimeIsBadInput) {
  for (const char* source :
       {"{{ raise_exception('no') }}", "{{ nowhere.x }}", "{{ 1 | surprise }}", "{{ 'x'.surprise() }}",
        "{% for i in range(1000000000) %}x{% endfor %}", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set n = 99999999 %}{{ ('a' * n) | length }}", "{% for i in range(90000) %}{{ 'x' * 99 }}{% endfor %}"}) {
    auto made = ChatTemplate::create(source, "", "");
    auto text = made ? made->render({.messages = "[]"}) : Result<std::string>(made.takeStatus());
    ASSERT_FALSE(text.isOk()) << source;
    EXPECT_EQ(exitStatus(text.status().kind()), 65) << source << text.status().toString();
  }
  auto made = ChatTemplate::create("x", "", "");
  EXPECT_EQ(exitStatus(made->render({.messages = "[1,"}).status().kind()), 64);
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

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

/// Processor time of this process and its ended children, in seconds.
double cpuSeconds() {
  double sum = 0;
  for (int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(who, &usage);
    sum += seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  return sum;
}

/// The largest resident size so far, in MiB.
long peakMib(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return usage.ru_maxrss / 1024;
}

struct Attack {
  std::string code;
  std::string source;
  int line = 0;  // that the error has to name, or one before it: the clock may strike early; 0: none, refused when read
};

/// A line of the source up to `last`.
bool names(const Status& status, int last) {
  for (int line = 1; line <= last; ++line)
    if (status.message().find("(line " + std::to_string(line) + ")") != std::string::npos) return true;
  return false;
}

/// Each ends in its error in less than 2 s of processor time and 200 MiB, here and in children, and leaves no harm.
void expectStopped(const std::vector<Attack>& attacks) {
  const std::string honest = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}";
  const std::string messages = R"([{"role":"user","content":"hi"}])";
  for (const Attack& attack : attacks) {
    SCOPED_TRACE(attack.source.substr(0, 200));
    const double cpu = cpuSeconds();
    const long memory = peakMib(RUSAGE_SELF);
    auto made = ChatTemplate::create(attack.source, "", "");
    auto text = made ? made->render({.messages = messages}) : Result<std::string>(made.status());
    ASSERT_FALSE(text.isOk()) << text->substr(0, 80);
    auto good = ChatTemplate::create(honest, "", "");
    ASSERT_TRUE(good.isOk());
    EXPECT_EQ(*good->render({.messages = messages}), "user: hi");
    if (kSanitized) continue;
    EXPECT_EQ((made ? "" : "build ") + text.status().code(), attack.code) << text.status().toString();
    if (attack.line > 0) {
      EXPECT_TRUE(names(text.status(), attack.line)) << text.status().toString();
    }
    EXPECT_LT(cpuSeconds() - cpu, 2.0);
    EXPECT_LT(peakMib(RUSAGE_SELF), memory + 200);
    EXPECT_LT(peakMib(RUSAGE_CHILDREN), memory + 200);
  }
}

/// `step` in a loop of `count` rounds, on line 3, with ns.s to grow.
std::string grow(const std::string& start, const std::string& step, int count = 60) {
  return "{% set ns = namespace(s=" + start + ", i=0) %}\n{% for i in range(" + std::to_string(count) +
         ") %}\n{% set ns.s = " + step + " %}\n{% endfor %}\n";
}

TEST(HostileTemplate, DoublingStopsAtTheMemoryLimit) {
  expectStopped({
      {"TM_MEMORY", grow("'ab'", "ns.s ~ ns.s"), 3},
      {"TM_MEMORY", grow("'ab'", "ns.s + ns.s"), 3},
      {"TM_MEMORY", grow("'ab'", "[ns.s, ns.s] | join"), 3},
      {"TM_MEMORY", grow("'ab'", "[ns.s, 'x'] | join(ns.s)"), 3},
      {"TM_MEMORY", grow("'ab'", "ns.s | replace('a', 'aa')"), 3},
      {"TM_MEMORY", grow("'ab'", "ns.s.replace('b', 'bb')"), 3},
      {"TM_MEMORY", grow("'ab'", "'%s%s' | format(ns.s, ns.s)"), 3},
      {"TM_MEMORY", grow("[1, 2]", "(ns.s + ns.s) | list"), 3},
      {"TM_TIME", grow("[1]", "[ns.s, ns.s]") + "{{ ns.s | string }}", 5},
      {"TM_FUEL", grow("[1]", "[ns.s, ns.s]") + "{{ ns.s | tojson }}", 5},
      {"TM_MEMORY", grow("'ab'", "(ns.s ~ ns.s) | upper"), 3},
      {"TM_MEMORY",
       "{% set x = 'a' * 1000 %}\n{{ x | replace('a', x) | replace('a', x) | replace('a', x) | replace('a', x) }}", 2},
      {"TM_MEMORY",
       "{% macro f(s, n) %}{% if n %}{{ f(s ~ s ~ s ~ s ~ s ~ s ~ s ~ s, n - 1) }}{% endif %}{% endmacro %}\n{{ "
       "f('abc', 20) }}",
       1},
  });
}

TEST(HostileTemplate, SingleStepsStopAtTheMemoryLimit) {
  expectStopped({
      {"TM_MEMORY", "\n{{ '%02000000000d' | format(1) }}", 2},
      {"TM_MEMORY", "\n{{ '%2000000000s' | format('x') }}", 2},
      {"TM_MEMORY", "\n\n{{ 'x' | indent(2000000000, true) }}", 3},
      {"build TM_MEMORY", "{{ 'a' * 99999999 }}"},
      {"TM_MEMORY", "{% set n = 99999999 %}\n{{ ('a' * n) | length }}", 2},
      {"TM_MEMORY", "{% set n = 1000000000 %}\n{{ ([1] * n) | list | length }}", 2},
      {"TM_MEMORY", "{{ messages | batch(1000000000, 'x') | list | length }}", 1},
      {"TM_MEMORY", "{{ messages | slice(1000000000, 'x') | list | length }}", 1},
      {"TM_MEMORY", "{{ ([1] * 1000000000)[::-1] | list | length }}", 1},
  });
}

TEST(HostileTemplate, WhatGrowsSlowlyStops) {
  expectStopped({
      {"TM_DEPTH", grow("[]", "[ns.s]", 90'000) + "{{ ns.s }}"},
      {"TM_DEPTH", grow("{}", "{'k': ns.s}", 90'000) + "{{ ns.s == [] }}{{ ns.s | string | length }}"},
      {"TM_TIME", grow("{}", "dict(ns.s, **{'k' ~ i: i})", 9'000), 3},
  });
}

TEST(HostileTemplate, LongStepsStopAtTheTimeLimit) {
  const std::string million = "{% set s = 'a' * 9999999 %}{% set t = 'a' * 9999999 %}\n";
  expectStopped({
      {"TM_TIME", "\n{% set n = 1000000000 %}\n{{ [1] * n }}{{ ([1] * n) | last }}{{ 2 in ([1] * n) }}", 3},
      {"TM_TIME", "\n{% set n = 10000000000 %}\n{% if ([1] * n) == ([1] * n) %}{% endif %}", 3},
      {"build TM_TIME", "{% if [1] * 10000000000 == [1] * 10000000000 %}{% endif %}"},
      {"TM_TIME", "{% set n = 10000000000 %}\n{{ ([1] * n)[5:9999999999:999999999] | list }}", 2},
      {"TM_TIME", million + "{% for i in range(90000) %}{% if s == t %}{% endif %}{% endfor %}", 2},
      {"TM_TIME", million + "{% for i in range(90000) %}{% set c = s.count('b') %}{% endfor %}", 2},
      {"TM_TIME", grow("[1]", "[ns.s, ns.s]") + "{% set a = ns.s %}" + grow("[1]", "[ns.s, ns.s]") +
                      "{% if a == ns.s %}{% endif %}"},
  });
}

TEST(HostileTemplate, AttacksOnSeveralThreadsLeaveOthersAlone) {
  auto good = ChatTemplate::create("{{ messages[0].content }}", "", "");
  auto bad = ChatTemplate::create(grow("'ab'", "ns.s ~ ns.s"), "", "");
  ASSERT_TRUE(good.isOk() && bad.isOk());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < (t == 0 ? 2 : 50); ++i) {
        std::string word = std::to_string(t) + "." + std::to_string(i);
        auto text = (t == 0 ? bad : good)->render({.messages = R"([{"content":")" + word + "\"}]"});
        EXPECT_EQ(text ? *text : text.status().code(), t == 0 ? "TM_MEMORY" : word);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace llmc::rt
