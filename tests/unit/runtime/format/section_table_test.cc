// Header and table that lie, with digests made to match.
#include "runtime/format/section_table.h"

#include <gtest/gtest.h>

#include "runtime/base/limits.h"
#include "runtime/format/engine_reader.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc::rt {
namespace {

using Table = std::vector<SectionEntry>;

std::string codeWith(const test::HeadEdit& edit, int* exitCode = nullptr) {
  test::TemporaryFile tiny(test::tinyEngine(edit));
  auto file = EngineFile::open(tiny.path());
  if (exitCode != nullptr) *exitCode = file ? 0 : exitStatus(file.status().kind());
  return file ? "ok" : file.status().code();
}

TEST(SectionTable, Version) {
  int code = 0;
  EXPECT_EQ(codeWith([](Header& h, Table&) { h.major = kFormatMajor + 1; }, &code), "EN_VERSION");
  EXPECT_EQ(code, 78);
  EXPECT_EQ(codeWith([](Header& h, Table&) { h.major = kFormatMajor - 1; }, &code), "EN_VERSION");
  EXPECT_EQ(codeWith([](Header& h, Table&) { h.minor = kFormatMinor + 1; }, &code), "EN_VERSION");
  EXPECT_EQ(codeWith([](Header& h, Table&) { h.requiredFeatures = 1ull << 40; }, &code), "EN_VERSION");
  EXPECT_EQ(code, 78);
  EXPECT_EQ(codeWith([](Header& h, Table&) { h.optionalFeatures = ~0ull; }, &code), "ok");
}

TEST(SectionTable, TwoPlansAreAFeature) {
  const auto plans = test::tinySectionsOfBoth(test::tinyPlan(), test::tinyCudaPlan());
  EXPECT_TRUE(checkFile(test::TemporaryFile(test::assemble(plans, test::markSeveralTargets)).path()));
  Status status = checkFile(test::TemporaryFile(test::assemble(plans)).path());
  EXPECT_EQ(status.code(), "EN_SEMANTIC");
  EXPECT_NE(status.message().find("2 plan and 1 digest sections, must be 1 and 1"), std::string::npos);
  EXPECT_EQ(codeWith([](Header& h, Table&) { h.requiredFeatures = kSeveralTargets; }), "EN_SEMANTIC");
  int code = 0;
  EXPECT_EQ(codeWith([](Header& h, Table&) { h.requiredFeatures = kSeveralTargets | 8; }, &code), "EN_VERSION");
  EXPECT_EQ(code, 78);
}

TEST(SectionTable, ATokenTableIsAFeature) {
  const auto asTokens = [](uint64_t features) {
    return [features](Header& h, Table& t) {
      t[test::kTinyTokenizer].kind = static_cast<uint32_t>(SectionKind::kTokens);
      h.requiredFeatures = features;
    };
  };
  EXPECT_EQ(codeWith(asTokens(kTokenTable)), "ok");
  EXPECT_EQ(codeWith(asTokens(0)), "EN_SEMANTIC") << "older runtimes would take the engine and miss its vocabulary";
  EXPECT_EQ(codeWith([](Header& h, Table&) { h.requiredFeatures = kTokenTable; }), "EN_SEMANTIC");
}

TEST(SectionTable, UnknownKindIsIgnored) {
  EXPECT_EQ(codeWith([](Header&, Table& t) { t[test::kTinyTokenizer].kind = 4711; }), "ok");
}

TEST(SectionTable, HeaderNumbers) {
  EXPECT_EQ(codeWith([](Header& h, Table&) { h.headerBytes = 512; }), "EN_SEMANTIC");
  EXPECT_EQ(codeWith([](Header& h, Table&) { h.fileBytes += 1; }), "EN_TRUNCATED");
  EXPECT_EQ(codeWith([](Header& h, Table&) { h.fileBytes -= 1; }), "EN_TRAILING");
  EXPECT_EQ(codeWith([](Header& h, Table&) { h.fileBytes = ~0ull; }), "EN_TOO_LARGE");
  for (uint32_t count : {0u, 1u, 65u, ~0u})
    EXPECT_EQ(codeWith([&](Header& h, Table&) { h.sectionCount = count; }), "EN_SEMANTIC") << count;
  for (uint64_t first : {uint64_t{0}, uint64_t{4096}, uint64_t{4200}, ~uint64_t{0}, uint64_t{1} << 40})
    EXPECT_EQ(codeWith([&](Header& h, Table&) { h.firstSection = first; }), "EN_SEMANTIC") << first;
}

TEST(SectionTable, OverlapAndOrder) {
  EXPECT_EQ(codeWith([](Header&, Table& t) { t[1].offset -= 4096; }), "EN_SEMANTIC");
  EXPECT_EQ(codeWith([](Header&, Table& t) { t[1].offset += 4096; }), "EN_SEMANTIC");
  EXPECT_EQ(codeWith([](Header&, Table& t) { t[1].offset = 0; }), "EN_SEMANTIC");
  EXPECT_EQ(codeWith([](Header&, Table& t) { std::swap(t[1], t[2]); }), "EN_SEMANTIC");
  EXPECT_EQ(codeWith([](Header&, Table& t) { t.back().offset -= 64; }), "EN_SEMANTIC");
}

TEST(SectionTable, Alignment) {
  EXPECT_EQ(codeWith([](Header&, Table& t) { t[test::kTinyCode1].offset += 64; }), "EN_ALIGN");
  EXPECT_EQ(codeWith([](Header&, Table& t) { t[test::kTinyWeights].offset += 2048; }), "EN_ALIGN");
  EXPECT_EQ(codeWith([](Header&, Table& t) { t[test::kTinyPlan].offset += 1; }), "EN_ALIGN");
}

TEST(SectionTable, Sizes) {
  for (uint64_t size : {~uint64_t{0}, uint64_t{1} << 63, uint64_t{1} << 30}) {
    EXPECT_EQ(codeWith([&](Header&, Table& t) { t[1].padded = size; }), "EN_SEMANTIC") << size;
    EXPECT_EQ(codeWith([&](Header&, Table& t) { t[1].size = size; }), "EN_SEMANTIC") << size;
    EXPECT_EQ(codeWith([&](Header&, Table& t) { t[1].firstDigest = size; }), "EN_SEMANTIC") << size;
    EXPECT_EQ(codeWith([&](Header&, Table& t) { t.back().size = size; }), "EN_SEMANTIC") << size;
  }
  EXPECT_EQ(codeWith([](Header&, Table& t) { t.back().size -= 16; }), "EN_SEMANTIC");
  for (uint32_t flags : {1u, 2u, ~0u})
    EXPECT_EQ(codeWith([&](Header& h, Table& t) { t[0].flags = flags, h.requiredFeatures = kPackedCode; }),
              "EN_SEMANTIC");
}

TEST(SectionTable, DigestsMustMatch) {
  EXPECT_EQ(codeWith([](Header&, Table& t) { t[2].digest.low ^= 1; }), "EN_DIGEST");
  EXPECT_EQ(codeWith([](Header&, Table& t) { t.back().digest.high ^= 1; }), "EN_DIGEST");
}

TEST(SectionTable, OnePlanAndOneDigestSection) {
  EXPECT_EQ(codeWith([](Header&, Table& t) { t[test::kTinyPlan].kind = 4711; }), "EN_SEMANTIC");
  EXPECT_EQ(
      codeWith([](Header&, Table& t) { t[test::kTinyTokenizer].kind = static_cast<uint32_t>(SectionKind::kPlan); }),
      "EN_SEMANTIC");
  EXPECT_NE(codeWith([](Header&, Table& t) { t.back().kind = 4711; }), "ok");
}

TEST(SectionTable, PlanTooLarge) {
  auto sections = test::tinySections(test::tinyPlan());
  sections[test::kTinyPlan].bytes.resize(limits::kPlanBytes + 1);
  test::TemporaryFile big(test::assemble(sections));
  auto file = EngineFile::open(big.path());
  EXPECT_EQ(file.status().code(), "EN_TOO_LARGE");
}

}  // namespace
}  // namespace llmc::rt
