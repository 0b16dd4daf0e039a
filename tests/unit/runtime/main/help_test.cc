// --help names every flag with its default, and every flag of the interface exists.
#include "runtime/main/help.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

TEST(Help, NamesEveryFlagOfTheInterface) {
  const std::string text = helpText();
  for (const char* name : {"--prompt ",
                           "--prompt-file ",
                           "--prompt-ids ",
                           "--message ",
                           "--system ",
                           "--chat ",
                           "--max-tokens ",
                           "--temperature ",
                           "--top-p ",
                           "--top-k ",
                           "--min-p ",
                           "--repetition-penalty ",
                           "--seed ",
                           "--stop ",
                           "--ignore-eos ",
                           "--logprobs ",
                           "--json ",
                           "--threads ",
                           "--max-model-len ",
                           "--kv-memory ",
                           "--perplexity ",
                           "--chunk ",
                           "--bench ",
                           "--prompt-tokens ",
                           "--output-tokens ",
                           "--streams ",
                           "--repeat ",
                           "--check ",
                           "--selftest ",
                           "--tokenize ",
                           "--max-num-batched-tokens ",
                           "--config ",
                           "--metrics-prefix ",
                           "--dump-logits ",
                           "--no-verify-weights ",
                           "--help ",
                           "--version "})
    EXPECT_NE(text.find(name), std::string::npos) << name;
}

TEST(Help, NamesTheEnvironment) {
  const std::string text = helpText();
  for (const char* name : {"LLMC_CPU_LEVEL=", "LLMC_CPU_FEATURES=", "LLMC_CUDA_LEVEL="})
    EXPECT_NE(text.find(name), std::string::npos) << name;
}

TEST(Help, EachSettingStatesItsDefault) {
  for (const FlagHelp& flag : allFlags()) {
    if (flag.group == "What to do (one of)" || flag.group == "About") continue;
    EXPECT_NE(flag.text.find("(default: "), std::string_view::npos) << flag.name;
  }
}

}  // namespace
}  // namespace llmc::rt
