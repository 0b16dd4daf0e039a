// --help names every flag with its default, and every flag of the interface exists.
#include "runtime/main/help.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/main/flags.h"

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

TEST(Help, NamesTheWordsThatStandForAValue) {
  const auto parses = [](const std::string& flag, const char* word, const char* with) {
    std::vector<const char*> line = {"llmc-run", "e", flag.c_str(), word};
    if (with[0]) line.push_back(with);
    return parseFlags(static_cast<int>(line.size()), line.data()).isOk();
  };
  for (const FlagHelp& flag : allFlags()) {
    const std::string name = "--" + std::string(flag.name);
    if (flag.value.empty() || flag.value == "FILE|-") continue;
    // Text takes every word; what is a number or a size must say of which words it knows.
    const bool number = flag.value.starts_with("N") && flag.value != "NAME";
    if (!number && !flag.value.starts_with("SIZE")) continue;
    bool taken = false;
    for (const char* with : {"", "--bench", "--chat", "--perplexity=f", "--prompt=p"})
      taken = taken || parses(name, "auto", with);
    EXPECT_EQ(taken, flag.value.ends_with("|auto")) << name;
  }
}

TEST(Help, NamesSuffixesOfLengthsAndSizes) {
  for (const char* name : {"max-model-len", "max-num-batched-tokens"})
    EXPECT_NE(findFlag(name)->text.find("4k: 4000, 4K: 4096"), std::string_view::npos) << name;
  for (const char* name : {"kv-memory", "swap-space"})
    EXPECT_NE(findFlag(name)->text.find("suffix K, M, G, T"), std::string_view::npos) << name;
}

TEST(Help, NamesEveryExitStatus) {
  std::string text = helpText();
  std::replace(text.begin(), text.end(), '\n', ' ');
  for (const ErrorKind kind :
       {ErrorKind::kUsage, ErrorKind::kBadInput, ErrorKind::kMissing, ErrorKind::kUnavailable, ErrorKind::kInternal,
        ErrorKind::kDeviceFault, ErrorKind::kIo, ErrorKind::kNotPermitted, ErrorKind::kMismatch})
    EXPECT_NE(text.find(" " + std::to_string(exitStatus(kind)) + " "), std::string::npos) << exitStatus(kind);
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
