// The engine file and the call of runMain.
#include "tests/unit/runtime/main/run_fixture.h"

#include <filesystem>
#include <fstream>

#include "runtime/main/run.h"

namespace llmc::rt::test {

std::string letterTokenizer() {
  nlohmann::json vocabulary;
  for (int i = 0; i < 32; ++i) vocabulary[std::string(1, static_cast<char>(i < 26 ? 'a' + i : 'A' + i - 26))] = i;
  return nlohmann::json{
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", nlohmann::json::array()},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"vocab", vocabulary},
        {"merges", nlohmann::json::array()}}}}
      .dump();
}

std::string letterEngine(const std::vector<TinyContent>& extra, const fb::EngineT& plan) {
  auto sections = tinySections(plan);
  sections[kTinyTokenizer].bytes = letterTokenizer();
  sections.push_back({SectionKind::kSelftest, R"({"prompt_ids": [3, 4], "token_ids": [0, 0, 0]})", 64});
  sections.insert(sections.end(), extra.begin(), extra.end());
  return assemble(sections);
}

std::string letterEngineOfBoth() {
  auto sections = tinySectionsOfBoth(tinyPlan(), tinyCudaPlan());
  sections[kTinyTokenizer].bytes = letterTokenizer();
  sections.push_back({SectionKind::kSelftest, R"({"prompt_ids": [3, 4], "token_ids": [0, 0, 0]})", 64});
  return assemble(sections, markSeveralTargets);
}

int Run::run(std::vector<std::string> args) {
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

std::string Run::file(const std::string& name, const std::string& text) const {
  const auto path = std::filesystem::path(engine_.path()).parent_path() / name;
  std::ofstream(path, std::ios::binary) << text;
  return path.string();
}

void Run::expectRefusals(const std::vector<Refusal>& refusals) {
  for (const auto& [args, status, code] : refusals) {
    EXPECT_EQ(run(args), status) << args[0] << " " << err_;
    EXPECT_NE(err_.find("error[" + code + "]"), std::string::npos) << args[0] << " " << err_;
    EXPECT_EQ(out_, "");
  }
}

}  // namespace llmc::rt::test
