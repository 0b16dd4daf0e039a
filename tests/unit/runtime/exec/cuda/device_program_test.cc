// Launches get the words, variants and grids of the plan.
#include "runtime/exec/cuda/device_program.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/exec/cuda/fake_cuda_engine.h"

namespace llmc::rt::cuda {
namespace {

struct Seen {
  std::string symbol;
  std::vector<uint64_t> words;
  uint32_t grid;
};

struct Bound {
  test::ScriptedDevice device;
  test::FakeCudaEngine engine{device.scripted};
  std::vector<Seen> seen;
  DeviceCode code;
  std::unique_ptr<DeviceProgram> program;

  explicit Bound(uint32_t index, Numerics numerics = Numerics::kFast) {
    for (const auto& [symbol, words] :
         {std::pair{"at0", 2u}, {"at64", 3u}, {"at128", 5u}, {"at192", 5u}, {"at256", 5u}, {"at320", 5u}})
      device.scripted.addKernel(symbol, words, [this, symbol, words](const uint64_t* args, const uint32_t* grid) {
        seen.push_back({symbol, {args, args + words}, grid[0]});
      });
    code = DeviceCode::load(*device.context, engine.plan(), 0, [](uint64_t) { return test::kScriptedImage; }).take();
    program = DeviceProgram::bind(engine.plan(), 0, index, code, {0x100000, 0x200000, 0x300000, {0x400000}},
                                  {16, 8, 4, 200}, numerics)
                  .take();
  }
  void run(StepCounts counts) {
    seen.clear();
    ASSERT_TRUE(program->enqueue(*device.stream, counts));
    ASSERT_TRUE(device.stream->synchronize());
  }
};

TEST(DeviceProgram, LaunchesWithThePlansWordsVariantsAndGrids) {
  Bound bound(0);
  EXPECT_TRUE(bound.program->decodes());
  EXPECT_TRUE(bound.program->takes(4, 1));
  EXPECT_FALSE(bound.program->takes(4, 2));
  bound.run({4, 1, 4});
  ASSERT_EQ(bound.seen.size(), 3u);
  EXPECT_EQ(bound.seen[0].symbol, "at0");
  EXPECT_EQ(bound.seen[0].words, (std::vector<uint64_t>{0x300000, 0x200000 + test::FakeEngine::kLayerBytes}));
  EXPECT_EQ(bound.seen[0].grid, 2u + 4u);    // a block for two tokens, one for a sequence
  EXPECT_EQ(bound.seen[2].symbol, "at128");  // S = 1
  // Regions: fixed 128, tokens 192 * (4 + 16), as no step of one token a sequence has more than 4.
  const uint64_t tokens = 0x100000 + 128, rows = tokens + 192 * 20;
  EXPECT_EQ(bound.seen[2].words[1], tokens + 64 * 20);
  EXPECT_EQ(bound.seen[2].words[2], 0x400000u);
  EXPECT_EQ(bound.seen[2].words[3], rows + 64 * 20);
  EXPECT_EQ(bound.program->logits(), rows + 64 * 20);
  bound.run({4, 2, 4});
  EXPECT_EQ(bound.seen[2].symbol, "at192");
  bound.run({3, 0, 3});
  EXPECT_EQ(bound.seen.size(), 2u);  // nothing on rows
}

TEST(DeviceProgram, InvariantTakesTheVariantForAny) {
  Bound bound(1, Numerics::kInvariant);
  EXPECT_FALSE(bound.program->decodes());
  EXPECT_TRUE(bound.program->takes(1000, 1000));
  bound.run({1, 1, 1});
  EXPECT_EQ(bound.seen[2].symbol, "at320");
}

TEST(DeviceProgram, NoMoreBlocksThanMultiprocessorsTake) {
  Bound bound(1);
  bound.run({250, 1, 4});
  EXPECT_EQ(bound.seen[0].grid, 129u);
  bound.run({400, 1, 4});
  EXPECT_EQ(bound.seen[0].grid, 132u);
}

TEST(DeviceProgram, NoPartOfAClusterIsLaunched) {
  EXPECT_EQ(mostBlocks(0, 132, 2), 0u);
  EXPECT_EQ(mostBlocks(1, 132, 0), 132u);
  EXPECT_EQ(mostBlocks(1, 132, 2), 132u);
  EXPECT_EQ(mostBlocks(1, 131, 2), 130u);
  EXPECT_EQ(mostBlocks(2, 131, 4), 260u);
  EXPECT_EQ(mostBlocks(1, 1, 2), 2u);
}

TEST(DeviceProgram, KernelsThatWaitStartEarlyButForTheFirst) {
  Bound bound(0);
  bound.run({4, 1, 4});
  EXPECT_EQ(bound.device.scripted.script().launches, 3u);
  EXPECT_EQ(bound.device.scripted.script().early, 2u);
}

TEST(DeviceProgram, RefusesAWeightWithoutAnAddress) {
  Bound bound(0);
  auto program =
      DeviceProgram::bind(bound.engine.plan(), 0, 0, bound.code, {1, 2, 3, {}}, {16, 8, 4, 200}, Numerics::kFast);
  ASSERT_FALSE(program);
  EXPECT_EQ(program.status().code(), "RT_PLAN");
}

TEST(DeviceProgram, AFailedLaunchNamesItsKernel) {
  Bound bound(0);
  bound.device.scripted.script().failAt = bound.device.scripted.script().calls + 2;
  bound.device.scripted.script().failCode = 701;
  const Status status = bound.program->enqueue(*bound.device.stream, {1, 1, 1});
  EXPECT_NE(status.message().find("launch of kernel attend"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace llmc::rt::cuda
