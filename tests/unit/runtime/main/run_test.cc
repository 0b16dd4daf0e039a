// llmc-run as a whole on an engine file whose kernels do nothing: results that follow from all-zero logits, exit statuses.
#include "runtime/main/run.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <iostream>

#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc::rt {
namespace {

/// 32 tokens "a".."z", "A".."F"; 1 ("b") is BOS, 2 ("c") and 31 ("F") end a text.
std::string tokenizerJson() {
  nlohmann::json vocabulary;
  for (int i = 0; i < 32; ++i) vocabulary[std::string(1, static_cast<char>(i < 26 ? 'a' + i : 'A' + i - 26))] = i;
  return nlohmann::json{{"version", "1.0"},
                        {"truncation", nullptr},
                        {"padding", nullptr},
                        {"added_tokens", nlohmann::json::array()},
                        {"normalizer", nullptr},
                        {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}},
                        {"post_processor", nullptr},
                        {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
                        {"model", {{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}}}
      .dump();
}

std::string engineBytes() {
  auto sections = test::tinySections(test::tinyPlan());
  sections[test::kTinyTokenizer].bytes = tokenizerJson();
  sections.push_back({SectionKind::kSelftest, R"({"prompt_ids": [3, 4], "token_ids": [0, 0, 0]})", 64});
  return test::assemble(sections);
}

class Run : public ::testing::Test {
 protected:
  test::TemporaryFile engine_{engineBytes()};
  std::string out_, err_;

  int run(std::vector<std::string> args) {
    args.insert(args.begin(), {"llmc-run", engine_.path()});
    std::vector<const char*> pointers;
    for (const auto& arg : args) pointers.push_back(arg.c_str());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int status = runMain(static_cast<int>(pointers.size()), pointers.data());
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return status;
  }

  std::string file(const std::string& name, const std::string& text) const {
    const auto path = std::filesystem::path(engine_.path()).parent_path() / name;
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
};

TEST_F(Run, StreamsTextAndNothingElseToStdout) {
  EXPECT_EQ(run({"--prompt", "xyz", "--max-tokens", "5", "--threads", "2"}), 0) << err_;
  EXPECT_EQ(out_, "aaaaa\n");
}

TEST_F(Run, PrintsTheJsonOfTheInterface) {
  ASSERT_EQ(run({"--prompt-ids", "3,4,5", "--max-tokens", "4", "--json", "--logprobs", "2", "--threads", "1"}), 0) << err_;
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["text"], "aaaa");
  EXPECT_EQ(json["token_ids"], (std::vector<int>{0, 0, 0, 0}));
  EXPECT_EQ(json["prompt_token_ids"], (std::vector<int>{3, 4, 5}));
  EXPECT_EQ(json["finish_reason"], "length");
  ASSERT_EQ(json["logprobs"].size(), 4u);
  EXPECT_NEAR(json["logprobs"][0]["logprob"].get<double>(), -std::log(32), 1e-5);
  EXPECT_EQ(json["logprobs"][3]["top"].size(), 2u);
  EXPECT_EQ(json["usage"]["total_tokens"], 7);
  for (const char* name : {"load_ms", "ttft_ms", "prefill_tokens_per_s", "decode_tokens_per_s"})
    EXPECT_GT(json["timings"][name].get<double>(), 0) << name;
}

TEST_F(Run, StopTextIsNotShown) {
  EXPECT_EQ(run({"--prompt", "x", "--max-tokens", "9", "--stop", "aaa", "--json", "--threads", "1"}), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["text"], "");
  EXPECT_EQ(nlohmann::json::parse(out_)["finish_reason"], "stop");
}

TEST_F(Run, SeedsDecide) {
  std::vector<std::string> outputs;
  for (const char* seed : {"5", "5", "6"}) {
    EXPECT_EQ(run({"--prompt", "x", "--max-tokens", "30", "--temperature", "1", "--ignore-eos", "--seed", seed, "--threads", "1"}), 0);
    outputs.push_back(out_);
  }
  EXPECT_EQ(outputs[0], outputs[1]);
  EXPECT_NE(outputs[0], outputs[2]);
}

TEST_F(Run, PerplexityOfAUniformModelIsItsVocabulary) {
  const std::string text = file("text.txt", std::string(100, 'q'));
  ASSERT_EQ(run({"--perplexity", text, "--chunk", "30", "--json", "--threads", "1"}), 0) << err_;
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["tokens"], 100 - 4);  // chunks of 30, 30, 30, 10: the first token of each is not scored
  EXPECT_EQ(json["chunks"].size(), 4u);
  EXPECT_NEAR(json["nll"].get<double>(), std::log(32), 1e-5);
  EXPECT_NEAR(json["perplexity"].get<double>(), 32, 1e-3);
}

TEST_F(Run, DumpsLogitsOfAllPositions) {
  const std::string path = file("logits.f32", "");
  ASSERT_EQ(run({"--prompt-ids", "1,2,3,4,5,6,7", "--dump-logits", path, "--max-batched-tokens", "3", "--threads", "1"}), 0) << err_;
  EXPECT_EQ(std::filesystem::file_size(path), 7u * 32 * 4);
  EXPECT_EQ(run({"--prompt-ids", "1", "--dump-logits", "/nowhere/file", "--threads", "1"}), 74);
  EXPECT_EQ(run({"--prompt-ids", "1", "--dump-logits", "/dev/full", "--threads", "1"}), 74);
}

TEST_F(Run, BenchPrintsFactsAndRepeats) {
  ASSERT_EQ(run({"--bench", "--prompt-tokens", "20", "--output-tokens", "6", "--streams", "3", "--repeat", "2", "--json", "--threads", "2", "--max-batched-tokens", "16"}), 0) << err_;
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["repeats"].size(), 2u);
  EXPECT_EQ(json["threads"], 2);
  EXPECT_GT(json["read_bandwidth_gb_per_s"].get<double>(), 0.1);
  EXPECT_GT(json["repeats"][0]["decode_tokens_per_s"].get<double>(), 0);
  EXPECT_EQ(run({"--bench", "--prompt-tokens", "200"}), 64);
  EXPECT_EQ(run({"--bench", "--prompt-tokens", "4", "--output-tokens", "2", "--repeat", "1", "--threads", "1"}), 0) << err_;
  EXPECT_NE(out_.find("decode tok/s"), std::string::npos);
}

TEST_F(Run, ChecksSelftestsAndTokenizes) {
  EXPECT_EQ(run({"--check"}), 0) << err_;
  EXPECT_NE(out_.find("bytes verified"), std::string::npos);
  EXPECT_EQ(run({"--check", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["ok"], true);
  EXPECT_EQ(run({"--selftest", "--threads", "1"}), 0) << err_;
  EXPECT_NE(out_.find("3 tokens as stored"), std::string::npos);
  EXPECT_EQ(run({"--tokenize", "abF", "--json"}), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["token_ids"], (std::vector<int>{0, 1, 31}));
}

TEST_F(Run, GoldenTokensThatDifferFailTheSelftest) {
  auto sections = test::tinySections(test::tinyPlan());
  sections.push_back({SectionKind::kSelftest, R"({"prompt_ids": [3], "token_ids": [0, 9]})", 64});
  engine_.write(test::assemble(sections));
  EXPECT_EQ(run({"--selftest", "--threads", "1"}), 70);
  EXPECT_NE(err_.find("error[RT_SELFTEST] token 1 of 2 is 0, expected 9"), std::string::npos) << err_;
  sections.back().bytes = R"({"prompt_ids": "x"})";
  engine_.write(test::assemble(sections));
  EXPECT_EQ(run({"--selftest", "--threads", "1"}), 65);
  engine_.write(test::tinyEngine());
  EXPECT_EQ(run({"--selftest", "--threads", "1"}), 66);
}

TEST_F(Run, BadInputHasItsCodeAndStatus) {
  struct Case {
    std::vector<std::string> args;
    int status;
    std::string code;
  };
  const std::vector<Case> cases = {
      {{"--prompt", ""}, 65, "RT_PROMPT_EMPTY"},
      {{"--prompt", std::string(500, 'a')}, 65, "RT_CONTEXT"},
      {{"--prompt", "\xff\xfe"}, 64, "TK_UTF8"},
      {{"--prompt-ids", "1,32"}, 65, "RT_TOKEN_ID"},
      {{"--prompt-file", "/nowhere/prompt"}, 66, "CLI_FILE"},
      {{"--prompt-file", "/"}, 74, "CLI_FILE"},
      {{"--perplexity", "/nowhere/text"}, 66, "CLI_FILE"},
      {{"--message", "hello"}, 65, "EN_TEMPLATE"},
      {{"--chat"}, 65, "EN_TEMPLATE"},
      {{"--prompt", "a", "--max-model-len", "129"}, 64, "RT_CONTEXT"},
      {{"--prompt", "a", "--max-model-len", "128", "--kv-memory", "16K"}, 69, "RT_KV_MEMORY"},
      {{"--prompt", "a", "--kv-memory", "1K"}, 69, "RT_KV_MEMORY"},
      {{"--prompt", "aaaaaaaaaaaaaaaaaaaa", "--kv-memory", "8K"}, 65, "RT_CONTEXT"},
      {{"--prompt", "a", "--threads", "99999"}, 64, "CLI_NUMBER"},
      {{"--prompt", "a", "--stop", ""}, 64, "CLI_STOP"},
      {{"--prompt", "a", "--temperature", "warm"}, 64, "CLI_NUMBER"},
  };
  for (const auto& [args, status, code] : cases) {
    EXPECT_EQ(run(args), status) << args[0] << " " << err_;
    EXPECT_NE(err_.find("error[" + code + "]"), std::string::npos) << args[0] << " " << err_;
    EXPECT_EQ(out_, "");
  }
}

TEST_F(Run, DamagedAndMissingEngines) {
  std::string bytes = engineBytes();
  engine_.write(bytes.substr(0, bytes.size() / 2));
  EXPECT_EQ(run({"--prompt-ids", "1"}), 65);
  bytes[bytes.size() / 2] ^= 1;
  engine_.write(bytes);
  EXPECT_EQ(run({"--check"}), 65);
  EXPECT_NE(err_.find("error[EN_DIGEST]"), std::string::npos) << err_;
  std::filesystem::remove(engine_.path());
  EXPECT_EQ(run({"--check"}), 66);
}

TEST_F(Run, AnotherMachineIsRefusedClearly) {
  setenv("LLMC_CPU_FEATURES", "none", 1);
  EXPECT_EQ(run({"--prompt", "a"}), 78);
  unsetenv("LLMC_CPU_FEATURES");
  EXPECT_NE(err_.find("error[EN_CPU_ARCH]"), std::string::npos) << err_;
  EXPECT_NE(err_.find("x86-64-v3, x86-64-v4"), std::string::npos) << err_;
  setenv("LLMC_CPU_LEVEL", "x86-64-v3", 1);
  EXPECT_EQ(run({"--selftest", "--json", "--threads", "1"}), 0) << err_;
  unsetenv("LLMC_CPU_LEVEL");
  EXPECT_EQ(nlohmann::json::parse(out_)["level"], "x86-64-v3");
}

TEST_F(Run, ChatKeepsGoingAfterABadTurn) {
  auto sections = test::tinySections(test::tinyPlan());
  sections[test::kTinyTokenizer].bytes = tokenizerJson();
  sections.push_back({SectionKind::kTemplate, "{% for m in messages %}{{ m.content }}{% endfor %}", 64});
  engine_.write(test::assemble(sections));
  const std::string script = file("turns", "ab\n/reset\n" + std::string(300, 'x') + "\nde\n/exit\nff\n");
  const int saved = dup(0);
  ASSERT_TRUE(std::freopen(script.c_str(), "r", stdin));
  std::cin.clear();
  EXPECT_EQ(run({"--chat", "--max-tokens", "3", "--threads", "2"}), 0) << err_;
  EXPECT_EQ(out_, "aaa\naaa\n");
  EXPECT_NE(err_.find("error[RT_CONTEXT]"), std::string::npos) << err_;
  dup2(saved, 0);
  close(saved);
}

}  // namespace
}  // namespace llmc::rt
