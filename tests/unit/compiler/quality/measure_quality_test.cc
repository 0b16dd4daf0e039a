// An engine against itself, and what is stored.
#include "compiler/quality/MeasureQuality.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "compiler/quality/Sample.h"
#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc {
namespace {

TEST(MeasureQuality, AnEngineIsNoDistanceFromItself) {
  rt::test::TemporaryFile engine(rt::test::letterEngine()), reference(rt::test::letterEngine());
  std::string tokenizer = rt::test::letterTokenizer();
  auto quality = measureQuality({engine.path(), reference.path(), "x86-64-v3", tokenizer, 2, 300});
  ASSERT_TRUE(quality) << quality.status().toString();
  EXPECT_EQ(quality->chunk, 128u) << "the model's positions";
  EXPECT_EQ(quality->divergence.rows, 300u);
  EXPECT_EQ(quality->divergence.scored, 297u) << "the last row of each chunk has no next token";
  EXPECT_EQ(quality->divergence.mean, 0);
  EXPECT_EQ(quality->divergence.sameTop, 1);
  EXPECT_NEAR(quality->divergence.otherLoss, 3.4657359027997265, 1e-12);  // ln 32: all logits are zero
}

TEST(MeasureQuality, TellsWhatIsMissing) {
  rt::test::TemporaryFile engine(rt::test::letterEngine());
  EXPECT_FALSE(measureQuality({engine.path(), engine.path(), "x86-64-v3", "{}", 2, 300}));
  EXPECT_FALSE(
      measureQuality({engine.path(), engine.path() + ".none", "x86-64-v3", rt::test::letterTokenizer(), 2, 300}));
}

TEST(MeasureQuality, StoresRoundedNumbersBesideTheRest) {
  Quality quality{"x86-64-v3", 512, {}};
  quality.divergence.mean = 0.00123456789;
  quality.divergence.otherLoss = 2.99488712345;
  quality.divergence.rows = 2048;
  auto json = nlohmann::json::parse(withFact(R"({"source": "gguf"})", "quality", qualityJson(quality)));
  EXPECT_EQ(json["source"], "gguf");
  EXPECT_EQ(json["quality"]["kl_mean"].dump(), "0.001235");
  EXPECT_EQ(json["quality"]["nll"].dump(), "2.99489");
  EXPECT_EQ(json["quality"]["tokens"], 2048);
  EXPECT_TRUE(nlohmann::json::parse(withFact("", "quality", qualityJson(quality)))["quality"].is_object());
}

}  // namespace
}  // namespace llmc
