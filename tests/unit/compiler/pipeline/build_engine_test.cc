// Whole builds of a tiny model: what is in the file, what a build tells, and that one which stops or fails leaves none.
// Tests: CheckEngine.cpp, GenerateCode.cpp, SerializePlan.cpp, TargetBuild.cpp.
#include "compiler/pipeline/BuildEngine.h"

#include <filesystem>
#include <set>

#include "compiler/pipeline/CheckEngine.h"
#include "compiler/pipeline/GenerateCode.h"
#include "compiler/pipeline/SerializePlan.h"
#include "compiler/pipeline/TargetBuild.h"
#include "gtest/gtest.h"
#include "runtime/format/engine_reader.h"
#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

namespace fs = std::filesystem;

class BuildEngine : public testing::Test {
 protected:
  BuildEngine() {
    writeTinyFolder(folder_);
    std::string tokenizer = tinyTokenizer();  // with merges in one form, as the runtime asks
    tokenizer.replace(tokenizer.find(R"(["c","d"])"), 9, R"("c d")");
    folder_.write("tokenizer.json", tokenizer);
    options_.model = folder_.path();
    options_.output = out_.path() + "/e.bin";
    options_.levels = {"x86-64-v3", "x86-64-v4"};
    options_.quality = false;
    options_.quiet = true;
  }
  BuildSummary build() {
    auto built = buildEngine(options_);
    EXPECT_TRUE(built) << built.status().toString();
    return built ? built.take() : BuildSummary{};
  }
  rt::EngineFile open() {
    auto engine = rt::EngineFile::open(options_.output, {.verify = rt::Verify::kFull});
    EXPECT_TRUE(engine) << engine.status().toString();
    return engine.take();
  }

  TempFolder folder_, out_;
  BuildOptions options_;
};

TEST_F(BuildEngine, TheFileHasWhatTheSummaryTells) {
  const BuildSummary summary = build();
  ASSERT_EQ(summary.targets.size(), 1u);
  EXPECT_EQ(summary.fileBytes, fs::file_size(options_.output));
  EXPECT_EQ(std::distance(fs::directory_iterator(out_.path()), fs::directory_iterator()), 1);
  rt::EngineFile engine = open();
  const TargetSummary& target = summary.targets[0];
  EXPECT_EQ(target.kernels, engine.plan().kernels()->size());
  EXPECT_EQ(target.levels, engine.plan().levels()->size());
  EXPECT_EQ(target.kvBytesPerToken, 2u * 2 * 32);  // f16 keys and values of one head of 32
}

TEST_F(BuildEngine, ThePlanIsTheModels) {
  build();
  rt::EngineFile engine = open();
  const fb::Model& model = *engine.plan().model();
  EXPECT_EQ(model.family()->str(), "llama");
  EXPECT_EQ(model.hidden_size(), 64);
  EXPECT_EQ(model.heads(), 2);
  EXPECT_EQ(model.kv_heads(), 1);
  EXPECT_EQ(model.vocab_size(), 8);
  EXPECT_EQ(model.eos_ids()->Get(0), 7);
  std::set<std::string> weights, programs;
  for (const auto* weight : *engine.plan().weights()) weights.insert(weight->name()->str());
  for (const auto* program : *engine.plan().programs()) programs.insert(program->name()->str());
  EXPECT_TRUE(weights.contains("embedding") && weights.contains("layers.0.attention.q_k_v") &&
              weights.contains("rope_table"));
  EXPECT_EQ(programs, (std::set<std::string>{"decode", "mixed"}));
}

TEST_F(BuildEngine, StoppedBuildsWriteNoEngine) {
  for (Phase phase : {Phase::Import, Phase::Graph, Phase::Kernels, Phase::Plan}) {
    options_.stopAfter = phase;
    build();
    EXPECT_TRUE(fs::is_empty(out_.path()));
  }
}

TEST_F(BuildEngine, FailedBuildsLeaveNothing) {
  folder_.write("model.safetensors", tinySafetensors().substr(0, 900));
  EXPECT_FALSE(buildEngine(options_));
  EXPECT_TRUE(fs::is_empty(out_.path()));
  writeTinyFolder(folder_);
  options_.output = folder_.path() + "/config.json";
  options_.force = true;
  EXPECT_FALSE(buildEngine(options_)) << "over its own input";
  EXPECT_EQ(fs::file_size(options_.output), tinyConfig().size());
}

TEST_F(BuildEngine, ATargetKnowsItsWeightsBeforeTheyArePacked) {
  Progress progress(/*quiet=*/true);
  TargetBuild target(options_, progress, "");
  ASSERT_TRUE(target.compile());
  int64_t parameters = 0;
  std::set<std::string> names;
  for (const WeightSpec& spec : target.specs()) {
    names.insert(spec.name);
    if (!spec.rope) parameters += spec.rows * std::max<int64_t>(1, spec.cols);
  }
  EXPECT_TRUE(names.contains("layers.0.mlp.gate_up"));
  EXPECT_EQ(target.parameters(), static_cast<uint64_t>(parameters));
  EXPECT_NE(target.remarks().find("fused"), std::string::npos) << target.remarks();
  EXPECT_FALSE(target.cuda());
}

TEST_F(BuildEngine, CodeIsDumpedAVariantALevel) {
  EXPECT_EQ(levelNames(options_), options_.levels);
  options_.passes.dumpDir = out_.path() + "/d";
  build();
  for (const std::string& level : options_.levels) {
    std::set<std::string> kinds;
    for (const auto& entry : fs::directory_iterator(out_.path() + "/d/kernels-" + level)) {
      kinds.insert(entry.path().extension());
      EXPECT_GT(fs::file_size(entry), 0u) << entry.path();
    }
    EXPECT_EQ(kinds, (std::set<std::string>{".ll", ".mlir", ".s"})) << level;
  }
  options_.cudaArchs = {"sm_90a"};
  EXPECT_EQ(levelNames(options_), (std::vector<std::string>{"cuda:sm_90a", "cuda:compute_90"}));
}

TEST_F(BuildEngine, GoldenTokensAreCheckedOrTheReasonIsTold) {
  options_.selftestTokens = 3;
  build();
  EngineCheck check{options_.output, options_.levels, {}, 1000, 1};
  auto tokens = checkTokens(check, 3);
  ASSERT_TRUE(tokens) << tokens.status().toString();
  EXPECT_EQ(tokens->content, std::string(open().text(rt::SectionKind::kSelftest)));
  check.levels = {};
  tokens = checkTokens(check, 3);
  ASSERT_TRUE(tokens);
  EXPECT_TRUE(tokens->content.empty());
  EXPECT_NE(tokens->shown.find("runs none of the levels"), std::string::npos) << tokens->shown;
  // Without a tokenizer there is no text to compare on.
  check.levels = options_.levels;
  auto quality = checkQuality(check, 1, UINT64_MAX, [](const std::string&) -> rt::Result<std::string> {
    ADD_FAILURE() << "built for nothing";
    return std::string();
  });
  ASSERT_TRUE(quality);
  EXPECT_NE(quality->shown.find("no tokenizer"), std::string::npos) << quality->shown;
}

}  // namespace
}  // namespace llmc
