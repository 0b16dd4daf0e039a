// Texts of an engine without the engine: what is read is checked, and nothing else is read.
#include "runtime/format/engine_texts.h"

#include <gtest/gtest.h>

#include "runtime/base/limits.h"
#include "runtime/format/engine_reader.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc::rt {
namespace {

using test::TemporaryFile;

constexpr std::string_view kJson = R"({"model":{}})";

/// The tiny engine with a table of tokens.
std::string withTokens() {
  auto sections = test::tinySections(test::tinyPlan());
  sections.push_back({SectionKind::kTokens, std::string(5000, 't'), 64});
  return test::assemble(sections, [](Header& h, std::vector<SectionEntry>&) { h.requiredFeatures = kTokenTable; });
}

TEST(EngineTexts, GivesTheKindsThatWereAskedFor) {
  TemporaryFile tiny(withTokens());
  auto texts = EngineTexts::read(tiny.path(), {SectionKind::kTokenizer, SectionKind::kTokens, SectionKind::kTemplate});
  ASSERT_TRUE(texts) << texts.status().toString();
  EXPECT_EQ(texts->text(SectionKind::kTokenizer), kJson);
  EXPECT_EQ(texts->text(SectionKind::kTokens), std::string(5000, 't'));
  EXPECT_EQ(texts->text(SectionKind::kTemplate), "") << "the engine has none";
  EXPECT_EQ(texts->text(SectionKind::kPlan), "") << "not asked for";
  EXPECT_TRUE(checkFile(tiny.path()));
}

TEST(EngineTexts, DamageIsFoundInWhatIsRead) {
  std::string bytes = withTokens();
  TemporaryFile tiny(bytes);
  auto engine = EngineFile::open(tiny.path());
  ASSERT_TRUE(engine) << engine.status().toString();
  const auto damaged = [&](uint32_t section) {
    std::string changed = bytes;
    changed[engine->sections()[section].offset + 5] ^= 1;
    tiny.write(changed);
    auto texts = EngineTexts::read(tiny.path(), {SectionKind::kTokenizer, SectionKind::kTokens});
    return texts ? "ok" : texts.status().code();
  };
  EXPECT_EQ(damaged(test::kTinyTokenizer), "EN_DIGEST");
  EXPECT_EQ(damaged(test::kTinyCount), "EN_DIGEST");
  EXPECT_EQ(damaged(test::kTinyPlan), "ok");
  EXPECT_EQ(damaged(test::kTinyWeights), "ok");
}

TEST(EngineTexts, ErrorsNameTheFile) {
  auto missing = EngineTexts::read("/nowhere/engine.bin", {SectionKind::kTokenizer});
  EXPECT_EQ(missing.status().code(), "EN_MISSING");
  EXPECT_NE(missing.status().message().find("/nowhere/engine.bin"), std::string::npos);
  TemporaryFile other("no engine at all");
  auto status = EngineTexts::read(other.path(), {SectionKind::kTokenizer}).takeStatus();
  EXPECT_EQ(status.code(), "EN_MAGIC");
  EXPECT_NE(status.message().find(other.path()), std::string::npos);
}

TEST(EngineTexts, ASmallSectionHasALimit) {
  SectionEntry entry;
  entry.kind = static_cast<uint32_t>(SectionKind::kTokens);
  entry.size = entry.padded = limits::kTokenizerBytes + 1;
  EXPECT_EQ(readSmallSection(-1, entry).status().code(), "EN_TOO_LARGE");
  entry.kind = static_cast<uint32_t>(SectionKind::kPlan);
  entry.size = limits::kPlanBytes;
  entry.padded = limits::kPlanBytes + kWeightsAlignment + 64;
  EXPECT_EQ(readSmallSection(-1, entry).status().code(), "EN_TOO_LARGE");
}

}  // namespace
}  // namespace llmc::rt
