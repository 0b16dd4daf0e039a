// The command line: spellings, exclusions and refusals.
#include "runtime/main/flags.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

Result<Flags> parse(std::vector<const char*> args) {
  args.insert(args.begin(), "llmc-run");
  return parseFlags(static_cast<int>(args.size()), args.data());
}

TEST(Flags, ReadsAGeneration) {
  auto flags = parse({"e.bin",         "--prompt",   "--hello", "--max-tokens", "7",
                      "--temperature", "0.5",        "--top-k", "-1",           "--stop",
                      "a,b",           "--stop",     "c",       "--seed",       "9",
                      "--json",        "--logprobs", "0",       "--kv-memory",  "1M"});
  ASSERT_TRUE(flags) << flags.status().toString();
  EXPECT_EQ(flags->mode, Mode::kGenerate);
  EXPECT_EQ(flags->engine, "e.bin");
  EXPECT_EQ(*flags->prompt, "--hello");
  EXPECT_EQ(*flags->maxTokens, 7u);
  EXPECT_EQ(*flags->topK, -1);
  EXPECT_EQ(flags->stop, (std::vector<std::string>{"a,b", "c"}));
  EXPECT_EQ(*flags->seed, 9u);
  EXPECT_TRUE(flags->json);
  EXPECT_EQ(flags->logprobs, 0);
  EXPECT_EQ(flags->kvMemory, 1u << 20);
  EXPECT_FALSE(flags->topP);
}

TEST(Flags, KvMemoryMayBeLeftToTheSession) {
  EXPECT_EQ(parse({"e.bin", "--kv-memory", "auto"})->kvMemory, parse({"e.bin"})->kvMemory);
  EXPECT_FALSE(parse({"e.bin", "--kv-memory", "Auto"}));
}

TEST(Flags, ThreadsMayBeLeftToTheMachine) {
  EXPECT_EQ(parse({"e.bin", "--threads", "auto"})->threads, parse({"e.bin"})->threads);
  EXPECT_EQ(parse({"e.bin", "--threads", "3"})->threads, 3);
  EXPECT_FALSE(parse({"e.bin", "--threads", "AUTO"}));
  EXPECT_FALSE(parse({"e.bin", "--threads", ""}));
}

TEST(Flags, AsVllmWritesThem) {
  EXPECT_EQ(parse({"e", "--max-model-len", "1k"})->maxModelLen, 1000u);
  EXPECT_EQ(parse({"e", "--max-model-len", "4K", "--max-num-batched-tokens", "8k"})->maxModelLen, 4096u);
  EXPECT_EQ(parse({"e", "--swap-space", "4"})->swapSpace, uint64_t{4} << 30);
  EXPECT_EQ(*parse({"e", "--seed", "0"})->seed, 0u);
  EXPECT_TRUE(parse({"e", "--enforce-eager"})->eager);
  EXPECT_TRUE(parse({"e", "--enforce-eager"})->graphs) << "--no-graphs is an error on a CPU, this is not";
  EXPECT_EQ(parse({"--model", "e", "--port", "1"})->engine, "e");
  EXPECT_EQ(parse({"e", "--max-num-batched-tokens", "8", "--max-num-seqs", "8"})->maxBatchedTokens, 8u);
  EXPECT_EQ(parse({"e", "--max-num-seqs", "1000"})->maxBatchedTokens, 512u) << "raised by the session";
  EXPECT_EQ(parse({"e", "--bench", "--max-num-batched-tokens", "1"})->maxBatchedTokens, 1u);
}

TEST(Flags, EmptyPromptIsAPrompt) {
  auto flags = parse({"e.bin", "--prompt", ""});
  ASSERT_TRUE(flags) << flags.status().toString();
  EXPECT_EQ(*flags->prompt, "");
}

TEST(Flags, KnowsEachMode) {
  EXPECT_EQ(parse({"e", "--prompt-file", "-"})->mode, Mode::kGenerate);
  EXPECT_EQ(parse({"e", "--prompt-ids", "1,2"})->promptIds.size(), 2u);
  EXPECT_EQ(parse({"e", "--message", "x", "--system", "y"})->system, "y");
  EXPECT_EQ(parse({"e", "--message", "x", "--system", ""})->system, "");  // a message, though an empty one
  EXPECT_FALSE(parse({"e", "--message", "x"})->system);
  EXPECT_EQ(parse({"e", "--chat"})->mode, Mode::kChat);
  EXPECT_EQ(parse({"e", "--perplexity", "f", "--chunk", "64"})->chunk, 64u);
  EXPECT_EQ(parse({"e", "--bench", "--streams", "8"})->benchStreams, 8u);
  EXPECT_EQ(parse({"e", "--check"})->mode, Mode::kCheck);
  EXPECT_EQ(parse({"e", "--selftest"})->mode, Mode::kSelftest);
  EXPECT_EQ(parse({"e", "--tokenize", "t"})->mode, Mode::kTokenize);
  EXPECT_EQ(parse({"e", "--simulate", "t", "--step-cost", "c", "--deterministic"})->stepCost, "c");
  EXPECT_EQ(parse({"e", "--simulate", "t", "--client-us", "12.5"})->clientMicroseconds, 12.5);
  EXPECT_FALSE(parse({"e", "--simulate", "t", "--client-us", "12.5", "--step-cost", "c"})) << "nothing is measured";
  EXPECT_EQ(parse({"e", "--preempt", "swap", "--swap-space", "2"})->swapSpace, uint64_t{2} << 30);
  EXPECT_EQ(parse({"e", "--preempt", "swap", "--swap-space", "64M"})->swapSpace, 64u << 20);
  EXPECT_EQ(parse({"e", "--trace", "t.json"})->trace, "t.json");
  EXPECT_EQ(parse({"--help"})->mode, Mode::kHelp);
  EXPECT_EQ(parse({"--version"})->mode, Mode::kVersion);
}

/// A letter for each mode and what chooses it.
const std::vector<std::pair<std::string, std::vector<const char*>>> kModes = {
    {"S", {}},
    {"G", {"--prompt", "a"}},
    {"L", {"--prompt", "a", "--dump-logits", "f"}},
    {"C", {"--chat"}},
    {"P", {"--perplexity", "f"}},
    {"B", {"--bench"}},
    {"K", {"--check"}},
    {"T", {"--selftest"}},
    {"N", {"--tokenize", "a"}},
    {"M", {"--simulate", "f"}},
};

/// Each flag with the letters of the modes that read it; all others refuse it.
const std::vector<std::pair<std::vector<const char*>, std::string>> kIdleFlags = {
    {{"--max-tokens", "5"}, "GC"},
    {{"--temperature", "1"}, "GCS"},
    {{"--top-p", "1"}, "GCS"},
    {{"--top-k", "1"}, "GCS"},
    {{"--min-p", "0"}, "GCS"},
    {{"--typical-p", "1"}, "GCS"},
    {{"--repetition-penalty", "1"}, "GCS"},
    {{"--presence-penalty", "1"}, "GCS"},
    {{"--frequency-penalty", "1"}, "GCS"},
    {{"--seed", "1"}, "SGC"},
    {{"--min-tokens", "1"}, "GC"},
    {{"--stop", "x"}, "GC"},
    {{"--ignore-eos"}, "GC"},
    {{"--json"}, "GPBKTNM"},
    {{"--threads", "2"}, "SGLCPBTM"},
    {{"--max-model-len", "64"}, "SGLCPBTM"},
    {{"--kv-memory", "1G"}, "SGLCPBTM"},
    {{"--max-num-batched-tokens", "64"}, "SGLCPBTM"},
    {{"--no-verify-weights"}, "SGLCPBTM"},
    {{"--enforce-eager"}, "SGLCPBTM"},
    {{"--host", "::1"}, "S"},
    {{"--port", "0"}, "S"},
    {{"--api-key", "k"}, "S"},
    {{"--api-key-file", "f"}, "S"},
    {{"--open-metrics"}, "S"},
    {{"--served-model-name", "n"}, "S"},
    {{"--generation-config", "vllm"}, "S"},
    {{"--override-generation-config", "{}"}, "S"},
    {{"--trace", "f"}, "SB"},
    {{"--drain-seconds", "1"}, "S"},
    {{"--watchdog-seconds", "1"}, "S"},
    {{"--log-format", "json"}, "S"},
    {{"--access-log", "-"}, "S"},
    {{"--metrics-prefix", "llmc"}, "S"},
    {{"--old-metric-names"}, "S"},
    {{"--max-num-seqs", "4"}, "SM"},
    {{"--max-queue", "4"}, "SM"},
    {{"--policy", "mlfq"}, "SM"},
    {{"--prompt-stretch", "1"}, "SM"},
    {{"--no-prefix-cache"}, "SM"},
    {{"--no-async-scheduling"}, "S"},
    {{"--preempt", "swap"}, "SM"},
    {{"--swap-space", "4"}, "SM"},
    {{"--chunk", "64"}, "P"},
    {{"--repeat", "1"}, "B"},
    {{"--profile"}, "B"},
    {{"--streams", "2"}, "BL"},
    {{"--step-cost", "f"}, "M"},
    {{"--client-us", "5"}, "M"},
    {{"--deterministic"}, "SBM"},
    {{"--system", "be kind"}, "C"},
};

TEST(Flags, RefusesWhatItsModeDoesNotRead) {
  for (const auto& [flag, reads] : kIdleFlags)
    for (const auto& [letter, mode] : kModes) {
      std::vector<const char*> args = {"e"};
      args.insert(args.end(), mode.begin(), mode.end());
      args.insert(args.end(), flag.begin(), flag.end());
      auto parsed = parse(args);
      const bool wanted = reads.find(letter) != std::string::npos;
      EXPECT_EQ(bool(parsed), wanted) << flag[0] << " in mode " << letter << ": " << parsed.status().toString();
      if (parsed) continue;
      EXPECT_EQ(parsed.status().code(), "CLI_FLAG") << flag[0];
      EXPECT_NE(parsed.status().message().find(std::string(flag[0]) + " goes with"), std::string::npos);
    }
}

TEST(Flags, AnUnknownOneIsQuotedPlainly) {
  EXPECT_EQ(parse({"e", "--wrong"}).status().message(), "Option 'wrong' does not exist");
}

TEST(Flags, RefusesWhatMakesNoSense) {
  const std::vector<std::pair<std::vector<const char*>, std::string>> cases = {
      {{}, "CLI_MODE"},
      {{"--chat"}, "CLI_MODE"},
      {{"e", "--chat", "--bench"}, "CLI_MODE"},
      {{"e", "--prompt", "a", "--message", "b"}, "CLI_MODE"},
      {{"e", "f", "--chat"}, "CLI_FLAG"},
      {{"e", "--chat", "--wrong"}, "CLI_FLAG"},
      {{"e", "--prompt"}, "CLI_FLAG"},
      {{"e", "--prompt", "a", "--prompt", "b"}, "CLI_FLAG"},
      {{"e", "--prompt", "a", "--system", "b"}, "CLI_FLAG"},
      {{"e", "--prompt", "a", "--system", ""}, "CLI_FLAG"},
      {{"e", "--bench", "--dump-logits", "f"}, "CLI_FLAG"},
      {{"e", "--chat", "--deterministic"}, "CLI_FLAG"},
      {{"e", "--chat", "--trace", "t"}, "CLI_FLAG"},
      {{"e", "--step-cost", "c"}, "CLI_FLAG"},
      {{"e", "--max-num-batched-tokens", "1"}, "CLI_FLAG"},
      {{"e", "--max-num-batched-tokens", "8", "--max-num-seqs", "9"}, "CLI_FLAG"},
      {{"e", "--engine", "f"}, "CLI_FLAG"},
      {{"e", "--policy", "best"}, "CLI_FLAG"},
      {{"e", "--preempt", "kill"}, "CLI_FLAG"},
      {{"e", "--log-format", "xml"}, "CLI_FLAG"},
      {{"e", "--metrics-prefix", "sglang"}, "CLI_FLAG"},
      {{"--model", "e", "--engine", "f"}, "CLI_FLAG"},
      {{"e", "--max-model-len", "1x"}, "CLI_NUMBER"},
      {{"e", "--preempt", "swap", "--swap-space", "much"}, "CLI_NUMBER"},
      {{"e", "--chat", "--max-tokens", "many"}, "CLI_NUMBER"},
      {{"e", "--chat", "--max-tokens", "0"}, "CLI_NUMBER"},
      {{"e", "--chat", "--temperature", "hot"}, "CLI_NUMBER"},
      {{"e", "--served-model-name", "a", "--served-model-name", ""}, "CLI_FLAG"},
      {{"e", "--chat", "--top-p", "1.5"}, "CLI_NUMBER"},
      {{"e", "--chat", "--top-k", "-2"}, "CLI_NUMBER"},
      {{"e", "--chat", "--logprobs", "21"}, "CLI_NUMBER"},
      {{"e", "--chat", "--threads", "0"}, "CLI_NUMBER"},
      {{"e", "--chat", "--kv-memory", "lots"}, "CLI_NUMBER"},
      {{"e", "--prompt-ids", "1,x"}, "CLI_NUMBER"},
      {{"e", "--perplexity", "f", "--chunk", "1"}, "CLI_NUMBER"},
  };
  for (const auto& [args, code] : cases) {
    auto flags = parse(args);
    std::string shown;
    for (const char* arg : args) shown += std::string(arg) + " ";
    ASSERT_FALSE(flags) << shown;
    EXPECT_EQ(flags.status().code(), code) << shown << flags.status().toString();
    EXPECT_EQ(exitStatus(flags.status().kind()), 64);
  }
}

}  // namespace
}  // namespace llmc::rt
