// How launches of CUDA kernels are shown: grids as sums, registers and spills.
#include "compiler/tools/LaunchText.h"

#include "gtest/gtest.h"

namespace llmc {
namespace {

/// A dimension of a grid; what is not said grows with nothing.
struct Dim {
  uint32_t base = 0, tTile = 0, tCount = 0, sTile = 0, sCount = 0, seqCount = 0;
};

/// launchFacts() of a launch whose grid has `x` first, then `y` and 1.
nlohmann::ordered_json factsOf(const Dim& x, const Dim& y = {1}, uint32_t blocksPerSm = 0, uint32_t local = 0,
                               uint32_t cluster = 0) {
  fb::LaunchShapeT shape;
  for (const Dim& dim : {x, y, Dim{1}}) {
    auto made = std::make_unique<fb::GridDimT>();
    made->base = dim.base;
    made->t_tile = dim.tTile;
    made->t_count = dim.tCount;
    made->s_tile = dim.sTile;
    made->s_count = dim.sCount;
    made->seq_count = dim.seqCount;
    shape.grid.push_back(std::move(made));
  }
  shape.threads = 256;
  shape.registers = 64;
  shape.shared_bytes = 1024;
  shape.static_shared_bytes = 16;
  shape.local_bytes = local;
  shape.blocks_per_sm = blocksPerSm;
  shape.cluster = cluster;
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::LaunchShape::Pack(builder, &shape));
  return launchFacts(*flatbuffers::GetRoot<fb::LaunchShape>(builder.GetBufferPointer()));
}

TEST(LaunchText, GridsAreSumsOfWhatTheyGrowWith) {
  const auto facts = factsOf({.base = 36, .tTile = 16, .tCount = 2}, {.sTile = 1, .sCount = 1});
  EXPECT_EQ(facts["grid"][0], "36 + 2 * ceil(T / 16)");
  EXPECT_EQ(facts["grid"][1], "S");
  EXPECT_EQ(facts["grid"][2], "1");
  EXPECT_EQ(factsOf({.seqCount = 4})["grid"][0], "4 * sequences");
  EXPECT_EQ(factsOf({})["grid"][0], "1") << "nothing at all";
  EXPECT_EQ(factsOf({.base = 99}, {1}, 2)["grid"][0], "min(99, 2 * multiprocessors)");
  EXPECT_EQ(factsOf({.base = 98}, {1}, 1, 0, 2)["grid"][0], "min(98, multiprocessors) in clusters of 2");
}

TEST(LaunchText, OneLineHasEveryNumber) {
  EXPECT_EQ(launchText(factsOf({.base = 36})),
            "256 threads, grid (36, 1, 1), 64 registers, shared bytes 16 + 1024 dynamic, no spills");
  EXPECT_NE(launchText(factsOf({.base = 1}, {1}, 0, 48)).find("48 bytes of local memory"), std::string::npos);
}

}  // namespace
}  // namespace llmc
