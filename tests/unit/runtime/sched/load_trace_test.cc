// Traces: what is read, and the line and field of what is refused.
#include "runtime/sched/load_trace.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

TEST(LoadTrace, ReadsRequests) {
  const auto trace = parseLoadTrace(
      "{\"time\": 0.5, \"prompt\": 20, \"output\": 4, \"prefix\": 7, \"prefix_tokens\": 12, \"key\": 3, \"priority\": "
      "-1}\n"
      "{\"time\": 1, \"prompt\": 5, \"output\": 1, \"prefix\": 9}\r\n\n"
      "{\"time\": 2, \"prompt\": 10, \"output\": 3}");
  ASSERT_TRUE(trace) << trace.status().toString();
  ASSERT_EQ(trace->size(), 3u);
  EXPECT_EQ((*trace)[0].prompt, 20u);
  EXPECT_EQ((*trace)[0].prefixTokens, 12u);
  EXPECT_EQ((*trace)[0].key, 3u);
  EXPECT_EQ((*trace)[0].priority, -1);
  EXPECT_EQ((*trace)[1].prefixTokens, 5u) << "the whole prompt";
  EXPECT_EQ((*trace)[2].prefix, 0u);
  EXPECT_EQ((*trace)[2].time, 2);
  EXPECT_TRUE(parseLoadTrace("")->empty());
}

TEST(LoadTrace, NamesTheLineAndTheFieldOfAFault) {
  const std::pair<const char*, const char*> faults[] = {
      {"nonsense", "line 1: no JSON object: "},
      {"[1]", "line 1: a JSON object is expected, found array"},
      {"{\"time\": .2, \"prompt\": 1, \"output\": 1}", "column 10"},
      {"{\"time\": 1e400, \"prompt\": 1, \"output\": 1}", "1e400"},
      {"{\"time\": \"now\", \"prompt\": 1, \"output\": 1}", "\"time\" is \"now\", seconds from 0"},
      {"{\"time\": 0, \"prompt\": 1, \"output\": 1, \"key\": \"a\"}", "\"key\" is \"a\", a whole number"},
      {"\n\n{\"time\": 0, \"prompt\": 1}", "line 3: no \"output\""},
      {"{\"prompt\": 1, \"output\": 1}", "no \"time\""},
      {"{\"time\": -1, \"prompt\": 1, \"output\": 1}", "\"time\" is -1"},
      {"{\"time\": 1e300, \"prompt\": 1, \"output\": 1}", "\"time\" is 1e+300"},
      {"{\"time\": 0, \"prompt\": 1.5, \"output\": 1}", "\"prompt\" is 1.5"},
      {"{\"time\": 0, \"prompt\": -3, \"output\": 1}", "\"prompt\" is -3"},
      {"{\"time\": 0, \"prompt\": 99999999999, \"output\": 1}", "up to 268435456"},
      {"{\"time\": 2, \"prompt\": 1, \"output\": 1}\n{\"time\": 1, \"prompt\": 1, \"output\": 1}",
       "line 2: \"time\" goes back"},
      {"{\"time\": 0, \"prompt\": 0, \"output\": 1}", "\"prompt\" is 0 and \"output\" 1 tokens"},
      {"{\"time\": 0, \"prompt\": 1, \"output\": 1, \"promt\": 2}", "a field that is none of"},
      {"{\"time\": 0, \"prompt\": 4, \"output\": 1, \"prefix_tokens\": 2}", "without a \"prefix\""},
      {"{\"time\": 0, \"prompt\": 4, \"output\": 1, \"prefix\": 1, \"prefix_tokens\": 5}", "longer than the prompt"},
      {"{\"time\": 0, \"prompt\": 4, \"output\": 1, \"priority\": 1e30}", "\"priority\""},
  };
  for (const auto& [text, expected] : faults) {
    const auto trace = parseLoadTrace(text);
    ASSERT_FALSE(trace) << text;
    EXPECT_EQ(trace.status().code(), "RT_TRACE");
    EXPECT_NE(trace.status().message().find(expected), std::string::npos) << trace.status().message();
  }
}

}  // namespace
}  // namespace llmc::rt
