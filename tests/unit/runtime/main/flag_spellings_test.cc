// vLLM's spellings become ours, and ours stay.
#include "runtime/main/flag_spellings.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

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
        std::pair{"shutdown-timeout", "drain-seconds"}, std::pair{"model", "engine"},
        std::pair{"preemption_mode", "preempt"}, std::pair{"unheard-of", "unheard-of"}})
    EXPECT_EQ(ourFlagName(theirs), ours);
  for (const FlagHelp& flag : allFlags()) EXPECT_EQ(ourFlagName(flag.name), flag.name);
}

Texts spelled(const Texts& arguments) {
  auto line = inOurSpelling(arguments);
  EXPECT_TRUE(line) << line.status().toString();
  return line ? line->arguments : Texts{};
}

TEST(FlagSpellings, SwitchesOfVllm) {
  EXPECT_EQ(spelled({"e", "--enable_prefix_caching", "--enable-chunked-prefill", "--disable-log-requests"}),
            Texts{"e"});
  EXPECT_EQ(spelled({"--no-enable-prefix-caching", "e"}), (Texts{"--no-prefix-cache", "e"}));
  EXPECT_EQ(spelled({"--no-enable-log-requests", "e"}), Texts{"e"});
  EXPECT_EQ(inOurSpelling({"e", "--enable-prefix-caching"})->said, (Texts{"engine", "", "no-prefix-cache"}));
  for (const auto& [flag, why] :
       {std::pair{"--no-enable-chunked-prefill", "always run in chunks"},
        std::pair{"--enable-log-requests", "--access-log"}, std::pair{"--no-disable-log-requests", "--access-log"},
        std::pair{"--no-enable-request-id-headers", "always carry"}}) {
    auto line = inOurSpelling({"e", flag});
    ASSERT_FALSE(line) << flag;
    EXPECT_EQ(exitStatus(line.status().kind()), 64);
    EXPECT_EQ(line.status().code(), "CLI_FLAG");
    EXPECT_NE(line.status().message().find(why), std::string::npos) << line.status().message();
  }
}

TEST(FlagSpellings, ValuesThatAreSoAnyway) {
  EXPECT_EQ(spelled({"--block-size", "16", "e", "--dtype=auto", "--tensor_parallel_size", "1", "--kv-cache-dtype",
                     "auto", "--port", "1"}),
            (Texts{"e", "--port", "1"}));
  EXPECT_EQ(spelled({"e", "--pipeline-parallel-size=1", "--max-logprobs", "20"}), Texts{"e"});
  for (const auto& [flag, value] : {std::pair{"--block-size", "32"}, std::pair{"--block-size", ""},
                                    std::pair{"--dtype", "bfloat16"}, std::pair{"--tensor-parallel-size", "2"},
                                    std::pair{"--pipeline-parallel-size", "1x"}, std::pair{"--max-logprobs", "-1"}}) {
    auto line = inOurSpelling({"e", flag, value});
    ASSERT_FALSE(line) << flag;
    EXPECT_EQ(line.status().code(), "CLI_FLAG");
    EXPECT_NE(line.status().message().find(std::string(flag) + " can only be "), std::string::npos);
  }
  EXPECT_NE(inOurSpelling({"e", "--block-size"}).status().message().find("--block-size can only be 16, found ''"),
            std::string::npos);
}

TEST(FlagSpellings, OneDash) {
  EXPECT_EQ(spelled({"e", "-tp", "1", "-pp=1", "-dp", "1", "-n1", "-r", "0", "-dcp", "1", "--port", "1"}),
            (Texts{"e", "--port", "1"}));
  EXPECT_EQ(inOurSpelling({"-tp", "1", "e"})->said, (Texts{"tensor-parallel-size", "engine"}));
  for (const auto& [line, same] :
       {std::pair{Texts{"-tp", "2"}, Texts{"--tensor-parallel-size", "2"}},
        std::pair{Texts{"-dp=2"}, Texts{"--data-parallel-size", "2"}},
        std::pair{Texts{"-pp", ""}, Texts{"--pipeline-parallel-size", ""}},
        std::pair{Texts{"-n2"}, Texts{"--nnodes", "2"}}, std::pair{Texts{"-q", "awq"}, Texts{"--quantization", "awq"}},
        std::pair{Texts{"-qawq"}, Texts{"--quantization", "awq"}},
        std::pair{Texts{"-ep"}, Texts{"--enable-expert-parallel"}},
        std::pair{Texts{"-sc", "{}"}, Texts{"--speculative-config", "{}"}}}) {
    const auto one = inOurSpelling(line), two = inOurSpelling(same);
    ASSERT_FALSE(one) << line[0];
    ASSERT_FALSE(two) << same[0];
    EXPECT_EQ(one.status().toString(), two.status().toString());
  }
  for (const char* argument : {"-tp1", "-x", "-", "", "--tp", "-1", "-help", "-vv"})
    EXPECT_FALSE(ofOneDash(argument)) << argument;
  EXPECT_EQ(spelled({"-h"}), Texts{"--help"});
  EXPECT_EQ(spelled({"-v"}), Texts{"--version"});
  EXPECT_EQ(spelled({"e", "--prompt", "-tp", "--stop=-q"}), (Texts{"e", "--prompt", "-tp", "--stop=-q"})) << "values";
  EXPECT_EQ(inOurSpelling({"e", "-tp"}).status().code(), "CLI_FLAG") << "a value is missing";
}

TEST(FlagSpellings, ALengthThatIsChosenIsLeftOut) {
  EXPECT_EQ(spelled({"e", "--max-model-len", "auto", "--port", "1"}), (Texts{"e", "--port", "1"}));
  EXPECT_EQ(spelled({"e", "--max_model_len=-1"}), Texts{"e"});
  EXPECT_EQ(inOurSpelling({"--max-model-len", "-1", "e"})->said, (Texts{"max-model-len", "engine"}));
  EXPECT_EQ(spelled({"e", "--max-model-len", "-2"}), (Texts{"e", "--max-model-len", "-2"}));
}

TEST(FlagSpellings, WhatIsNotHereSaysWhatIs) {
  for (const auto& [flag, why] :
       {std::pair{"--num_gpu_blocks_override=9", "--kv-memory"}, std::pair{"--quantization", "llmc build --quant"},
        std::pair{"--tool-call-parser", "no tools yet"}, std::pair{"--lora-modules", "no LoRA yet"},
        std::pair{"--ssl-keyfile", "a proxy"}, std::pair{"--enable-lora", "no LoRA yet"},
        std::pair{"--allow-credentials", "a proxy before the server can add them"}}) {
    auto line = inOurSpelling({"e", flag});
    ASSERT_FALSE(line) << flag;
    EXPECT_EQ(line.status().code(), "CLI_FLAG");
    EXPECT_EQ(exitStatus(line.status().kind()), 64);
    EXPECT_NE(line.status().message().find(why), std::string::npos) << line.status().message();
  }
  for (const FlagHelp& flag : allFlags()) EXPECT_TRUE(checkHad(flag.name)) << flag.name;
  EXPECT_EQ(spelled({"e", "--prompt", "--quantization"}), (Texts{"e", "--prompt", "--quantization"})) << "a value";
}

TEST(FlagSpellings, WhatHasNoEffectIsTakenAndTold) {
  for (const auto& [flags, name] : std::vector<std::pair<Texts, std::string>>{
           {{"--gpu-memory-utilization", "0.9"}, "gpu-memory-utilization"},
           {{"--gpu_memory_utilization=0.9"}, "gpu-memory-utilization"},
           {{"--trust-remote-code"}, "trust-remote-code"},
           {{"--no-trust-remote-code"}, "no-trust-remote-code"},
           {{"--uvicorn-log-level", "warning"}, "uvicorn-log-level"},
           {{"-O3"}, "optimization-level"},
           {{"-cc", "{}"}, "compilation-config"},
           {{"--max-log-len", "-1"}, "max-log-len"},
           {{"--disable-frontend-multiprocessing"}, "disable-frontend-multiprocessing"}}) {
    Texts line = {"e"};
    line.insert(line.end(), flags.begin(), flags.end());
    line.insert(line.end(), {"--port", "1"});
    auto read = inOurSpelling(line);
    ASSERT_TRUE(read) << flags[0] << read.status().toString();
    EXPECT_EQ(read->arguments, (Texts{"e", "--port", "1"})) << flags[0];
    EXPECT_EQ(read->said, (Texts{"engine", name, "port"}));
    ASSERT_EQ(read->notices.size(), 1u) << flags[0];
    EXPECT_TRUE(read->notices[0].starts_with("--" + name + " has no effect here: ")) << read->notices[0];
  }
  EXPECT_EQ(inOurSpelling({"--trust-remote-code", "e", "--trust_remote_code"})->notices.size(), 1u) << "told once";
  EXPECT_EQ(inOurSpelling({"e", "--enable-prefix-caching", "--dtype", "auto"})->notices, Texts{}) << "these are so";
  for (const Texts& line :
       {Texts{"e", "--gpu-memory-utilization"}, Texts{"e", "--gpu-memory-utilization", "--port", "1"},
        Texts{"e", "--swap-spaces", "1"}, Texts{"e", "--no-uvicorn-log-level"}}) {
    const auto read = inOurSpelling(line);
    EXPECT_TRUE(!read || read->notices.empty()) << line[1];
    EXPECT_EQ(read ? "CLI_FLAG" : read.status().code(), "CLI_FLAG") << line[1];
  }
  EXPECT_EQ(inOurSpelling({"e", "--gpu-memory-utilization"}).status().message(),
            "--gpu-memory-utilization needs a value");
  for (const FlagHelp& flag : allFlags()) EXPECT_FALSE(findIdle(flag.name)) << flag.name;
}

/// A working directory of its own.
class ServeWord : public testing::Test {
 protected:
  ServeWord() {
    std::string pattern = testing::TempDir() + "serve-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    std::filesystem::current_path(folder_);
  }
  ~ServeWord() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(folder_);
  }
  const std::filesystem::path before_ = std::filesystem::current_path();
  std::filesystem::path folder_;
};

TEST_F(ServeWord, IsTakenWhereItIsNoFile) {
  for (const Texts& line : {Texts{"serve", "e", "--port", "1"}, Texts{"serve", "--port", "1", "e"}})
    EXPECT_EQ(spelled(line).size(), 3u);
  EXPECT_TRUE(inOurSpelling({"serve", "e"})->serve);
  EXPECT_EQ(spelled({"e", "serve"}), (Texts{"e", "serve"})) << "the first alone";
  std::filesystem::create_directory("serve");
  EXPECT_EQ(spelled({"serve", "e"}), Texts{"e"}) << "no engine is a folder";
  std::filesystem::remove("serve");
  std::ofstream("serve") << "LLMCENG";
  EXPECT_EQ(spelled({"serve", "--port", "1"}), (Texts{"serve", "--port", "1"}));
  EXPECT_FALSE(inOurSpelling({"serve"})->serve);
}

TEST_F(ServeWord, IsAMode) {
  const auto parse = [](std::vector<const char*> line) {
    line.insert(line.begin(), "llmc-run");
    return parseFlags(static_cast<int>(line.size()), line.data());
  };
  const auto flags = parse({"serve", "e", "--trust-remote-code"});
  ASSERT_TRUE(flags) << flags.status().toString();
  EXPECT_EQ(flags->mode, Mode::kServe);
  EXPECT_EQ(flags->engine, "e");
  EXPECT_EQ(flags->notices.size(), 1u);
  EXPECT_EQ(parse({"serve"}).status().message(), "no engine file given");
  EXPECT_EQ(parse({"serve", "e", "--prompt", "x"}).status().message(), "serve and --prompt exclude each other");
}

TEST(FlagSpellings, LinesOfVllm) {
  EXPECT_EQ(spelled({"e", "--scheduling-policy=priority", "--max_num_seqs", "8", "--enable-prefix-caching"}),
            (Texts{"e", "--policy=priority", "--max-num-seqs", "8"}));
  EXPECT_EQ(spelled({"e", "--served-model-name", "a", "b", "--api-key", "k", "l"}),
            (Texts{"e", "--served-model-name", "a", "--served-model-name", "b", "--api-key", "k", "--api-key", "l"}));
  EXPECT_EQ(spelled({"--api-key", "k", "e"}), (Texts{"--api-key", "k", "e"})) << "e is the engine";
}

TEST(FlagSpellings, ValuesAreLeftAlone) {
  EXPECT_EQ(spelled({"e", "--prompt", "--shutdown_timeout", "--stop", "a_b"}),
            (Texts{"e", "--prompt", "--shutdown_timeout", "--stop", "a_b"}));
  EXPECT_EQ(spelled({"e", "--prompt=a_b=c", "--"}), (Texts{"e", "--prompt=a_b=c", "--"}));
  EXPECT_EQ(spelled({"e", "--port"}), (Texts{"e", "--port"}));
}

TEST(FlagSpellings, BothWaysAtOnceAreRefused) {
  for (const Texts& line : {Texts{"e", "--enable-prefix-caching", "--no-enable-prefix-caching"},
                            Texts{"e", "--no-prefix-cache", "--enable-prefix-caching"}}) {
    const auto read = inOurSpelling(line);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.status().code(), "CLI_FLAG");
    EXPECT_EQ(read.status().message(), "--enable-prefix-caching says the opposite of --no-prefix-cache");
  }
  EXPECT_TRUE(inOurSpelling({"e", "--enable-prefix-caching", "--enable-prefix-caching"}));
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
