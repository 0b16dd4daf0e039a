// The writer against the reader, and against the test's own assembler byte for byte.
#include "compiler/engine/EngineWriter.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "runtime/format/engine_reader.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc {
namespace {

using rt::SectionKind;
using rt::test::TemporaryFile;

std::string contentOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Appends every section in pieces of `piece` bytes.
rt::Status writeTiny(const std::string& path, size_t piece, EngineWriter::Options options = {}) {
  auto writer = EngineWriter::create(path, options);
  if (!writer) return writer.takeStatus();
  for (const auto& section : rt::test::tinySections(rt::test::tinyPlan())) {
    auto index = (*writer)->beginSection(section.kind, section.alignment);
    if (!index) return index.takeStatus();
    for (size_t at = 0; at < section.bytes.size(); at += piece)
      LLMC_TRY((*writer)->append(section.bytes.data() + at, std::min(piece, section.bytes.size() - at)));
    EXPECT_EQ((*writer)->sectionBytes(), section.bytes.size());
    LLMC_TRY((*writer)->endSection());
  }
  return (*writer)->finish();
}

TEST(EngineWriter, WritesWhatTheReaderAccepts) {
  TemporaryFile file("");
  ASSERT_TRUE(writeTiny(file.path(), 100, {.force = true}));
  rt::Status status = rt::checkFile(file.path());
  EXPECT_TRUE(status) << status.toString();
}

TEST(EngineWriter, BytesDependOnContentAlone) {
  TemporaryFile a("");
  ASSERT_TRUE(writeTiny(a.path(), 1, {.force = true}));
  std::string once = contentOf(a.path());
  EXPECT_EQ(once, rt::test::tinyEngine());
  ASSERT_TRUE(writeTiny(a.path(), 12345));
  EXPECT_EQ(contentOf(a.path()), once);
}

TEST(EngineWriter, PackedCodeIsMarkedInTableAndHeader) {
  const auto write = [](const std::string& path, bool packed) -> rt::Status {
    auto writer = EngineWriter::create(path, {.force = true, .durable = false});
    LLMC_TRY(writer.status());
    LLMC_TRY(
        (packed ? (*writer)->addPackedCode("frame") : (*writer)->addSection(SectionKind::kCode, "image")).status());
    return (*writer)->finish();
  };
  for (bool packed : {false, true}) {
    TemporaryFile file("");
    ASSERT_TRUE(write(file.path(), packed));
    const std::string bytes = contentOf(file.path());
    rt::Header header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    EXPECT_EQ(header.requiredFeatures, packed ? rt::kPackedCode : 0u);
    rt::SectionEntry entry;
    std::memcpy(&entry, bytes.data() + rt::kHeaderBytes, sizeof(entry));
    EXPECT_EQ(entry.flags, packed ? rt::kPacked : 0u);
    EXPECT_EQ(entry.size, 5u);
    EXPECT_EQ(entry.offset % rt::kPlanAlignment, 0u);
  }
}

TEST(EngineWriter, AHoleIsZerosThatTakeNoRoom) {
  const auto write = [](const std::string& path, uint64_t bytes, bool hole) -> rt::Status {
    auto writer = EngineWriter::create(path, {.force = true, .durable = false});
    LLMC_TRY(writer.status());
    if (!hole) {
      LLMC_TRY((*writer)->addSection(SectionKind::kWeights, std::string(bytes, '\0')).status());
    } else {
      LLMC_TRY((*writer)->beginSection(SectionKind::kWeights).status());
      LLMC_TRY((*writer)->appendHole(bytes));
      LLMC_TRY((*writer)->endSection());
    }
    LLMC_TRY((*writer)->addSection(SectionKind::kExplain, "{}").status());
    return (*writer)->finish();
  };
  TemporaryFile zeros(""), hole("");
  for (const uint64_t bytes : {uint64_t{1}, uint64_t{4096}, uint64_t{5'000'001}, uint64_t{8} << 20}) {
    ASSERT_TRUE(write(zeros.path(), bytes, false));
    ASSERT_TRUE(write(hole.path(), bytes, true));
    EXPECT_TRUE(contentOf(hole.path()) == contentOf(zeros.path())) << bytes;
  }
  struct stat full, sparse;
  ASSERT_EQ(::stat(zeros.path().c_str(), &full), 0);
  ASSERT_EQ(::stat(hole.path().c_str(), &sparse), 0);
  EXPECT_LE(sparse.st_blocks + (4 << 20) / 512, full.st_blocks);
  auto writer = EngineWriter::create(hole.path(), {.force = true, .durable = false});
  ASSERT_TRUE(writer);
  EXPECT_EQ((*writer)->appendHole(1).code(), "OUT_ORDER");
}

TEST(EngineWriter, APreviewCanBeReadAndLeavesNoTraceInTheBytes) {
  TemporaryFile file("");
  auto writer = EngineWriter::create(file.path(), {.force = true, .durable = false});
  ASSERT_TRUE(writer);
  auto sections = rt::test::tinySections(rt::test::tinyPlan());
  sections.push_back({SectionKind::kSelftest, R"({"token_ids": [1]})", 64});
  for (size_t i = 0; i + 1 < sections.size(); ++i)
    ASSERT_TRUE((*writer)->addSection(sections[i].kind, sections[i].bytes, sections[i].alignment));
  for (int round = 0; round < 2; ++round) {
    auto preview = (*writer)->beginPreview();
    ASSERT_TRUE(preview);
    rt::Status status = rt::checkFile(*preview);
    EXPECT_TRUE(status) << status.toString();
    EXPECT_FALSE((*writer)->addSection(SectionKind::kExplain, "x")) << "the preview is still there";
    EXPECT_FALSE((*writer)->beginPreview());
    ASSERT_TRUE((*writer)->endPreview());
  }
  EXPECT_FALSE((*writer)->endPreview());
  ASSERT_TRUE((*writer)->addSection(sections.back().kind, sections.back().bytes));
  ASSERT_TRUE((*writer)->finish());
  EXPECT_EQ(contentOf(file.path()), rt::test::assemble(sections));
}

TEST(EngineWriter, APreviewNeedsSectionsAndOneThatIsLeftIsNoEngine) {
  TemporaryFile file("old");
  std::string preview;
  {
    auto writer = EngineWriter::create(file.path(), {.force = true, .durable = false});
    ASSERT_TRUE(writer);
    EXPECT_FALSE((*writer)->beginPreview());
    for (const auto& section : rt::test::tinySections(rt::test::tinyPlan()))
      ASSERT_TRUE((*writer)->addSection(section.kind, section.bytes, section.alignment));
    auto begun = (*writer)->beginPreview();
    ASSERT_TRUE(begun);
    preview = *begun;
    EXPECT_FALSE((*writer)->finish()) << "a preview is open";
  }
  EXPECT_FALSE(std::ifstream(preview).good()) << "removed with the writer";
  EXPECT_EQ(contentOf(file.path()), "old");
}

TEST(EngineWriter, TwoPlansAreMarkedAsSeveralTargets) {
  TemporaryFile file("");
  auto writer = EngineWriter::create(file.path(), {.force = true, .durable = false});
  ASSERT_TRUE(writer);
  const auto sections = rt::test::tinySectionsOfBoth(rt::test::tinyPlan(), rt::test::tinyCudaPlan());
  for (const auto& section : sections)
    ASSERT_TRUE((*writer)->addSection(section.kind, section.bytes, section.alignment));
  auto preview = (*writer)->beginPreview();
  ASSERT_TRUE(preview);
  EXPECT_TRUE(rt::checkFile(*preview));
  ASSERT_TRUE((*writer)->endPreview());
  ASSERT_TRUE((*writer)->finish());
  EXPECT_EQ(contentOf(file.path()), rt::test::assemble(sections, rt::test::markSeveralTargets));
}

TEST(EngineWriter, UsualAlignments) {
  TemporaryFile file("");
  auto writer = EngineWriter::create(file.path(), {.force = true, .durable = false});
  ASSERT_TRUE(writer);
  auto sections = rt::test::tinySections(rt::test::tinyPlan());
  for (const auto& section : sections) ASSERT_TRUE((*writer)->addSection(section.kind, section.bytes));
  ASSERT_TRUE((*writer)->finish());
  auto engine = rt::EngineFile::open(file.path());
  ASSERT_TRUE(engine) << engine.status().toString();
  EXPECT_EQ(engine->sections()[rt::test::kTinyCode0].offset % rt::kCodeAlignment, 0u);
  EXPECT_EQ(engine->sections()[rt::test::kTinyWeights].offset % rt::kWeightsAlignment, 0u);
}

TEST(EngineWriter, ForeignFilesNeedForce) {
  TemporaryFile file("precious thesis");
  rt::Status status = writeTiny(file.path(), 4096);
  EXPECT_EQ(status.code(), "OUT_EXISTS");
  EXPECT_EQ(rt::exitStatus(status.kind()), 64);
  EXPECT_EQ(contentOf(file.path()), "precious thesis");
  EXPECT_TRUE(writeTiny(file.path(), 4096, {.force = true}));
  EXPECT_TRUE(writeTiny(file.path(), 4096));
  EXPECT_EQ(EngineWriter::create("/tmp", {.force = true}).status().code(), "OUT_EXISTS");
  EXPECT_EQ(EngineWriter::create("/dev/null", {.force = true}).status().code(), "OUT_EXISTS");
}

TEST(EngineWriter, AbandonedWriterLeavesTheOldEngine) {
  TemporaryFile file("");
  ASSERT_TRUE(writeTiny(file.path(), 4096, {.force = true}));
  std::string before = contentOf(file.path());
  for (bool aborted : {true, false}) {
    auto writer = EngineWriter::create(file.path(), {});
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->addSection(SectionKind::kTokenizer, "half"));
    if (aborted) (*writer)->abort();
  }
  EXPECT_EQ(contentOf(file.path()), before);
}

TEST(EngineWriter, ATokenTableIsMarked) {
  for (const bool tokens : {false, true}) {
    TemporaryFile file("");
    auto writer = EngineWriter::create(file.path(), {.force = true, .durable = false});
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->addSection(SectionKind::kTokenizer, "{}"));
    if (tokens) ASSERT_TRUE((*writer)->addSection(SectionKind::kTokens, "table"));
    ASSERT_TRUE((*writer)->finish());
    rt::Header header;
    std::string content = contentOf(file.path());
    std::memcpy(&header, content.data(), sizeof header);
    EXPECT_EQ(header.requiredFeatures, tokens ? rt::kTokenTable : 0);
  }
}

TEST(EngineWriter, MisuseIsReported) {
  TemporaryFile file("");
  auto made = EngineWriter::create(file.path(), {.force = true, .durable = false});
  ASSERT_TRUE(made);
  EngineWriter& writer = **made;
  EXPECT_EQ(writer.finish().code(), "OUT_ORDER");
  EXPECT_EQ(writer.append("x", 1).code(), "OUT_ORDER");
  EXPECT_EQ(writer.endSection().code(), "OUT_ORDER");
  EXPECT_EQ(writer.beginSection(SectionKind::kDigests).status().code(), "OUT_ORDER");
  for (uint64_t alignment : {3ull, 32ull, 1ull << 30})
    EXPECT_EQ(writer.beginSection(SectionKind::kPlan, alignment).status().code(), "OUT_ORDER");
  ASSERT_TRUE(writer.beginSection(SectionKind::kPlan));
  EXPECT_EQ(writer.beginSection(SectionKind::kPlan).status().code(), "OUT_ORDER");
  EXPECT_EQ(writer.finish().code(), "OUT_ORDER");
  ASSERT_TRUE(writer.endSection());
  for (int i = 1; i < 63; ++i) ASSERT_TRUE(writer.addSection(SectionKind::kTemplate, ""));
  EXPECT_EQ(writer.addSection(SectionKind::kTemplate, "").status().code(), "OUT_ORDER");
  EXPECT_TRUE(writer.finish());
  EXPECT_EQ(writer.addSection(SectionKind::kTemplate, "").status().code(), "OUT_ORDER");
}

}  // namespace
}  // namespace llmc
