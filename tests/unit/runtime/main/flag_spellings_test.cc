// vLLM's spellings become ours, and ours stay.
#include "runtime/main/flag_spellings.h"

#include <gtest/gtest.h>

#include "runtime/main/flags.h"
#include "runtime/main/help.h"

namespace llmc::rt {
namespace {

using Texts = std::vector<std::string>;

TEST(FlagSpellings, NamesOfVllm) {
  for (const auto& [theirs, ours] :
       {std::pair{"max_num_batched_tokens", "max-num-batched-tokens"},
        std::pair{"max-batched-tokens", "max-num-batched-tokens"}, std::pair{"scheduling-policy", "policy"},
        std::pair{"kv-cache-memory-bytes", "kv-memory"}, std::pair{"max-num-queued-reqs", "max-queue"},
        std::pair{"shutdown-timeout", "drain-seconds"}, std::pair{"no-enable-prefix-caching", "no-prefix-cache"},
        std::pair{"enable-chunked-prefill", ""}, std::pair{"async_scheduling", ""},
        std::pair{"no-async_scheduling", "no-async-scheduling"}, std::pair{"enable-prompt-tokens-details", ""},
        std::pair{"enforce-eager", "no-graphs"}, std::pair{"unheard-of", "unheard-of"}})
    EXPECT_EQ(ourFlagName(theirs), ours);
  for (const FlagHelp& flag : allFlags()) EXPECT_EQ(ourFlagName(flag.name), flag.name);
}

TEST(FlagSpellings, LinesOfVllm) {
  EXPECT_EQ(inOurSpelling({"e", "--scheduling-policy=priority", "--max_num_seqs", "8", "--enable-prefix-caching"}),
            (Texts{"e", "--policy=priority", "--max-num-seqs", "8"}));
  EXPECT_EQ(inOurSpelling({"e", "--served-model-name", "a", "b", "--api-key", "k", "l"}),
            (Texts{"e", "--served-model-name", "a", "--served-model-name", "b", "--api-key", "k", "--api-key", "l"}));
  EXPECT_EQ(inOurSpelling({"--api-key", "k", "e"}), (Texts{"--api-key", "k", "e"})) << "e is the engine";
}

TEST(FlagSpellings, ValuesAreLeftAlone) {
  EXPECT_EQ(inOurSpelling({"e", "--prompt", "--shutdown_timeout", "--stop", "a_b"}),
            (Texts{"e", "--prompt", "--shutdown_timeout", "--stop", "a_b"}));
  EXPECT_EQ(inOurSpelling({"e", "--prompt=a_b=c", "--"}), (Texts{"e", "--prompt=a_b=c", "--"}));
  EXPECT_EQ(inOurSpelling({"e", "--port"}), (Texts{"e", "--port"}));
}

TEST(FlagSpellings, ReachTheFlags) {
  const char* const line[] = {"llmc-run",
                              "e",
                              "--max_num_batched_tokens",
                              "64",
                              "--shutdown-timeout",
                              "5",
                              "--no-enable-prefix-caching",
                              "--no-async-scheduling",
                              "--served-model-name",
                              "a",
                              "b",
                              "--metrics-prefix",
                              "llmc"};
  auto flags = parseFlags(std::size(line), line);
  ASSERT_TRUE(flags) << flags.status().toString();
  EXPECT_EQ(flags->maxBatchedTokens, 64u);
  EXPECT_EQ(flags->drainSeconds, 5);
  EXPECT_FALSE(flags->prefixCache);
  EXPECT_FALSE(flags->asyncScheduling);
  EXPECT_EQ(flags->servedNames, (Texts{"a", "b"}));
  EXPECT_EQ(flags->metricsPrefix, "llmc");
}

}  // namespace
}  // namespace llmc::rt
