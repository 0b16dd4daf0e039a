// Whole weights: arrangements, un-interleaving, placement, threads, errors and cancelling.
// Tests: PanelJobs.cpp.
#include "compiler/engine/WeightPacker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>

#include "compiler/engine/PanelJobs.h"
#include "runtime/format/engine_reader.h"
#include "tests/unit/compiler/engine/memory_rows.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc {
namespace {

using test::randomTensor;

WeightSpec spec(std::string name, int64_t rows, int64_t cols, Layout layout, Arrange arrange,
                std::vector<WeightSource> sources) {
  return {std::move(name), rows, cols, layout, arrange, std::move(sources), std::nullopt};
}

std::string codeOf(const WeightSpec& spec, const test::MemoryRows& rows) {
  auto packed =
      packWeight(spec, rows, {.threads = 2, .errorWeight = ErrorWeight::Uniform, .progress = {}, .seconds = nullptr});
  return packed ? "ok" : packed.status().code();
}

TEST(WeightPacker, ConcatStacksRows) {
  test::MemoryRows rows;
  rows.add("q", randomTensor(StorageType::F32, 32, 64, 1));
  rows.add("k", randomTensor(StorageType::F16, 16, 64, 2));
  auto packed = packWeight(spec("qk", 48, 64, Layout::F32N16, Arrange::Concat, {{"q", 32, 0}, {"k", 16, 0}}), rows, {});
  ASSERT_TRUE(packed) << packed.status().toString();
  auto q = valuesOf(rows.tensor("q")), k = valuesOf(rows.tensor("k"));
  for (int64_t r = 0; r < 48; ++r)
    for (int64_t c = 0; c < 64; ++c)
      ASSERT_EQ(unpackElement(Layout::F32N16, packed->data(), 64, r, c), r < 32 ? q[r * 64 + c] : k[(r - 32) * 64 + c]);
}

TEST(WeightPacker, InterleaveTakesSixteenRowsInTurn) {
  test::MemoryRows rows;
  rows.add("gate", randomTensor(StorageType::Q4_0, 48, 64, 1));
  rows.add("up", randomTensor(StorageType::Q4_0, 48, 64, 2));
  auto packed = packWeight(
      spec("gu", 96, 64, Layout::Q4N16K4Sym, Arrange::Interleave16, {{"gate", 48, 0}, {"up", 48, 0}}), rows, {});
  ASSERT_TRUE(packed) << packed.status().toString();
  auto gate = valuesOf(rows.tensor("gate")), up = valuesOf(rows.tensor("up"));
  for (int64_t r = 0; r < 96; ++r)
    for (int64_t c = 0; c < 64; ++c) {
      const auto& from = r / 16 % 2 == 0 ? gate : up;
      ASSERT_EQ(unpackElement(Layout::Q4N16K4Sym, packed->data(), 64, r, c), from[(r / 32 * 16 + r % 16) * 64 + c]);
    }
}

TEST(WeightPacker, UnpermutesRotaryRows) {
  test::MemoryRows rows;
  rows.add("q", randomTensor(StorageType::Q8_0, 64, 32, 1));
  rows.add("bias", randomTensor(StorageType::F32, 64, 1, 2));
  auto packed = packWeight(spec("q", 64, 32, Layout::Q8N16K4, Arrange::None, {{"q", 64, 2}}), rows, {});
  auto bias = packWeight(spec("b", 64, 1, Layout::Plain, Arrange::None, {{"bias", 64, 2}}), rows, {});
  ASSERT_TRUE(packed && bias);
  auto stored = valuesOf(rows.tensor("q")), storedBias = valuesOf(rows.tensor("bias"));
  for (int64_t head = 0; head < 2; ++head)
    for (int64_t half = 0; half < 2; ++half)
      for (int64_t i = 0; i < 16; ++i) {
        int64_t row = head * 32 + half * 16 + i, from = head * 32 + 2 * i + half;
        ASSERT_EQ(unpackElement(Layout::Q8N16K4, packed->data(), 32, row, 7), stored[from * 32 + 7]);
        ASSERT_EQ(unpackElement(Layout::Plain, bias->data(), 1, row, 0), storedBias[from]);
      }
}

TEST(WeightPacker, RowsNotAMultipleOfSixteen) {
  test::MemoryRows rows;
  rows.add("head", randomTensor(StorageType::BF16, 50, 64, 1));
  auto packed = packWeight(spec("head", 50, 64, Layout::BF16N16K2, Arrange::None, {{"head", 50, 0}}), rows, {});
  ASSERT_TRUE(packed);
  auto values = valuesOf(rows.tensor("head"));
  for (int64_t r = 0; r < 64; ++r)
    ASSERT_EQ(unpackElement(Layout::BF16N16K2, packed->data(), 64, r, 9), r < 50 ? values[r * 64 + 9] : 0.0f);
}

/// Every kind of weight at once, as an engine has them.
std::vector<WeightSpec> mixedSpecs(test::MemoryRows& rows) {
  rows.add("embed", randomTensor(StorageType::BF16, 1000, 320, 1));
  rows.add("q", randomTensor(StorageType::BF16, 320, 320, 2));
  rows.add("kv", randomTensor(StorageType::BF16, 64, 320, 3));
  rows.add("norm", randomTensor(StorageType::F32, 321, 1, 4));
  rows.add("old", randomTensor(StorageType::Q4_1, 48, 320, 5));
  WeightSpec rope{"rope",
                  ropeTableRows(1000),
                  64,
                  Layout::Plain,
                  Arrange::None,
                  {},
                  RopeSpec{.dim = 64, .maxPositions = 1000, .factors = {}}};
  return {spec("embed", 1000, 320, Layout::Q8N16K4, Arrange::None, {{"embed", 1000, 0}}),
          spec("norm", 321, 1, Layout::Plain, Arrange::None, {{"norm", 321, 0}}),
          spec("qkv", 384, 320, Layout::Q4N16K4Asym, Arrange::Concat, {{"q", 320, 0}, {"kv", 64, 0}}),
          spec("old", 48, 320, Layout::Q4N16K4Asym, Arrange::None, {{"old", 48, 0}}),
          spec("sym", 1000, 320, Layout::Q4N16K4Sym, Arrange::None, {{"embed", 1000, 0}}),
          rope};
}

std::string engineBytes(const std::vector<WeightSpec>& specs, const test::MemoryRows& rows, unsigned threads,
                        PackSeconds* seconds = nullptr) {
  rt::test::TemporaryFile file("");
  std::string path = file.path() + ".out";
  auto writer = EngineWriter::create(path, {});
  EXPECT_TRUE(writer) << writer.status().toString();
  EXPECT_TRUE((*writer)->addSection(rt::SectionKind::kTokenizer, "text"));
  uint64_t last = 0;
  auto index = packWeights(specs, rows, **writer,
                           {.threads = threads,
                            .errorWeight = ErrorWeight::Uniform,
                            .progress =
                                [&](uint64_t done, uint64_t total) {
                                  EXPECT_GT(done, last);
                                  EXPECT_LE(done, total);
                                  last = done;
                                  return true;
                                },
                            .seconds = seconds});
  EXPECT_TRUE(index) << index.status().toString();
  EXPECT_EQ(*index, 1u);
  EXPECT_TRUE((*writer)->finish());
  std::string bytes;
  FILE* in = std::fopen(path.c_str(), "rb");
  char buffer[65536];
  for (size_t got; (got = std::fread(buffer, 1, sizeof(buffer), in)) > 0;) bytes.append(buffer, got);
  std::fclose(in);
  return bytes;
}

TEST(WeightPacker, SameBytesWhateverTheThreads) {
  test::MemoryRows rows;
  auto specs = mixedSpecs(rows);
  std::string one = engineBytes(specs, rows, 1);
  EXPECT_EQ(one, engineBytes(specs, rows, 4));
  EXPECT_EQ(one, engineBytes(specs, rows, 16));
}

TEST(WeightPacker, PlacesAreWhereTheBytesGo) {
  test::MemoryRows rows;
  auto specs = mixedSpecs(rows);
  auto places = placeWeights(specs);
  ASSERT_TRUE(places);
  std::string bytes = engineBytes(specs, rows, 3);
  for (size_t i = 0; i < specs.size(); ++i) {
    auto alone = packWeight(specs[i], rows, {});
    ASSERT_TRUE(alone);
    ASSERT_EQ(alone->size(), (*places)[i].size);
    EXPECT_EQ((*places)[i].offset % 64, 0u);
    EXPECT_EQ(std::memcmp(bytes.data() + rt::kWeightsAlignment + (*places)[i].offset, alone->data(), alone->size()), 0)
        << specs[i].name;
  }
}

/// Weights for a CUDA device start on 256 bytes, and what lies between them is zero.
TEST(WeightPacker, FragmentWeightsAreAligned) {
  test::MemoryRows rows;
  rows.add("norm", randomTensor(StorageType::F32, 33, 1, 1));
  rows.add("w", randomTensor(StorageType::Q8_0, 40, 96, 2));
  std::vector<WeightSpec> specs = {spec("norm", 33, 1, Layout::Plain, Arrange::None, {{"norm", 33, 0}}),
                                   spec("w", 40, 96, Layout::Q8M16K32, Arrange::None, {{"w", 40, 0}}),
                                   spec("last", 33, 1, Layout::Plain, Arrange::None, {{"norm", 33, 0}})};
  auto places = placeWeights(specs);
  ASSERT_TRUE(places);
  EXPECT_EQ((*places)[1].offset, 256u);
  EXPECT_EQ((*places)[1].size, 3u * 3u * 544u);
  EXPECT_EQ((*places)[2].offset, 256u + 5120u);
  std::string bytes = engineBytes(specs, rows, 2);
  for (size_t i = 0; i < specs.size(); ++i) {
    auto alone = packWeight(specs[i], rows, {});
    ASSERT_TRUE(alone);
    const char* at = bytes.data() + rt::kWeightsAlignment + (*places)[i].offset;
    EXPECT_EQ(std::memcmp(at, alone->data(), alone->size()), 0) << specs[i].name;
    for (size_t k = alone->size(); k % 256 != 0; ++k) EXPECT_EQ(at[k], 0) << specs[i].name << " + " << k;
  }
}

TEST(WeightPacker, BadShapesAreRefused) {
  test::MemoryRows rows;
  rows.add("a", randomTensor(StorageType::F32, 24, 64, 1));
  rows.add("b", randomTensor(StorageType::F32, 32, 64, 1));
  using enum Layout;
  EXPECT_EQ(codeOf(spec("x", 24, 64, F32N16, Arrange::None, {{"a", 24, 0}}), rows), "ok");
  EXPECT_EQ(codeOf(spec("x", 24, 65, F32N16, Arrange::None, {{"a", 24, 0}}), rows), "W_SHAPE");
  EXPECT_EQ(codeOf(spec("x", 25, 64, F32N16, Arrange::None, {{"a", 24, 0}}), rows), "W_SHAPE");
  EXPECT_EQ(codeOf(spec("x", 25, 64, F32N16, Arrange::None, {{"a", 25, 0}}), rows), "W_SHAPE");
  EXPECT_EQ(codeOf(spec("x", 56, 64, F32N16, Arrange::Concat, {{"a", 24, 0}, {"b", 32, 0}}), rows), "W_SHAPE");
  EXPECT_EQ(codeOf(spec("x", 48, 64, F32N16, Arrange::Interleave16, {{"b", 32, 0}, {"b", 16, 0}}), rows), "W_SHAPE");
  EXPECT_EQ(codeOf(spec("x", 0, 64, F32N16, Arrange::None, {}), rows), "W_SHAPE");
  EXPECT_EQ(codeOf(spec("x", int64_t{1} << 40, 1 << 20, F32N16, Arrange::None, {{"a", int64_t{1} << 40, 0}}), rows),
            "W_SHAPE");
  EXPECT_EQ(codeOf(spec("x", 24, 64, F32N16, Arrange::None, {{"none", 24, 0}}), rows), "MODEL_TENSOR");
}

TEST(WeightPacker, NonFiniteIsNamedWithItsIndex) {
  test::MemoryRows rows;
  auto tensor = randomTensor(StorageType::BF16, 64, 64, 1);
  uint16_t nan = 0x7fc0;
  std::memcpy(tensor.bytes.data() + (37 * 64 + 3) * 2, &nan, 2);
  rows.add("w", tensor);
  for (Layout layout : {Layout::BF16N16K2, Layout::Q4N16K4Sym, Layout::Q8N16K4, Layout::Plain}) {
    auto packed = packWeight(spec("fused", 64, 64, layout, Arrange::None, {{"w", 64, 0}}), rows, {});
    ASSERT_FALSE(packed);
    EXPECT_EQ(packed.status().code(), "W_NONFINITE");
    EXPECT_NE(packed.status().message().find("'w': value [37, 3] is NaN"), std::string::npos)
        << packed.status().message();
  }
}

TEST(WeightPacker, ValuesThatF16CannotHoldAreNamedWithTheirRow) {
  test::MemoryRows rows;
  auto tensor = randomTensor(StorageType::F32, 64, 64, 1);
  const float large = 65520;  // the first that rounds to infinity
  std::memcpy(tensor.bytes.data() + (41 * 64 + 5) * 4, &large, 4);
  rows.add("w", tensor);
  auto packed = packWeight(spec("fused", 64, 64, Layout::F16N16, Arrange::None, {{"w", 64, 0}}), rows, {});
  ASSERT_FALSE(packed);
  EXPECT_EQ(packed.status().code(), "W_RANGE");
  EXPECT_NE(packed.status().message().find("row 41"), std::string::npos) << packed.status().message();
  EXPECT_EQ(codeOf(spec("fused", 64, 64, Layout::BF16N16K2, Arrange::None, {{"w", 64, 0}}), rows), "ok");
  EXPECT_EQ(codeOf(spec("fused", 64, 64, Layout::Q8N16K4, Arrange::None, {{"w", 64, 0}}), rows), "ok");
  // A scale of 4 or 8 bits is f16 as well.
  const float huge = 1e9;
  std::memcpy(tensor.bytes.data() + (41 * 64 + 5) * 4, &huge, 4);
  rows.add("w", tensor);
  for (Layout layout : {Layout::Q8N16K4, Layout::Q4N16K4Sym, Layout::Q4N16K4Asym})
    EXPECT_EQ(codeOf(spec("fused", 64, 64, layout, Arrange::None, {{"w", 64, 0}}), rows), "W_RANGE");
}

TEST(WeightPacker, SaysWhereTheTimeWent) {
  test::MemoryRows rows;
  auto specs = mixedSpecs(rows);
  PackSeconds seconds;
  auto begin = std::chrono::steady_clock::now();
  engineBytes(specs, rows, 2, &seconds);
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  for (double part : {seconds.reading, seconds.widening, seconds.packing, seconds.writing, seconds.digesting})
    EXPECT_GT(part, 0);
  EXPECT_LE(seconds.reading + seconds.widening + seconds.packing + seconds.idle, 2 * wall);
  EXPECT_LE(seconds.writing + seconds.digesting, wall);
}

TEST(WeightPacker, CancelStopsAndLeavesNothing) {
  test::MemoryRows rows;
  auto specs = mixedSpecs(rows);
  rt::test::TemporaryFile file("");
  std::string path = file.path() + ".out";
  {
    auto writer = EngineWriter::create(path, {});
    ASSERT_TRUE(writer);
    auto index = packWeights(specs, rows, **writer,
                             {.threads = 4,
                              .errorWeight = ErrorWeight::Uniform,
                              .progress = [](uint64_t, uint64_t) { return false; },
                              .seconds = nullptr});
    EXPECT_EQ(index.status().code(), "W_CANCELLED");
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace llmc
