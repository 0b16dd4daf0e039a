// Variant choice, left-out launches and unresolved addresses.
#include "runtime/exec/bound_program.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/exec/fake_engine.h"

namespace llmc::rt {
namespace {

struct Bound {
  test::FakeEngine engine;
  StepLimits limits{32, 8, 4, 64};
  alignas(64) uint8_t arena[65536] = {};
  uint8_t kv[1024] = {};
  Batch batch;

  Result<std::unique_ptr<BoundProgram>> bind(ProgramSource source) {
    return BoundProgram::bind(source, 1, {arena, kv, &batch}, limits, 2);
  }
};

TEST(BoundProgram, PicksTheVariantByRows) {
  auto bound = std::make_unique<Bound>();
  auto program = bound->bind(bound->engine.source()).take();
  const Walk one = program->walk(5, 1);
  ASSERT_EQ(one.calls.size(), 3u);
  EXPECT_EQ(one.phaseEnds.size(), 3u);
  const auto few = one.calls[2].function;
  const auto many = program->walk(5, 2).calls[2].function;
  EXPECT_NE(few, many);
  EXPECT_EQ(program->walk(31, 8).calls[2].function, many);
  EXPECT_EQ(program->walk(31, 1).calls[2].function, few);
}

TEST(BoundProgram, WithoutMarksInvariantNumericsTakeTheVariantForAnyRows) {
  auto bound = std::make_unique<Bound>();
  auto program = bound->bind(bound->engine.source()).take();
  const auto many = program->walk(5, 2).calls[2].function;
  for (const uint32_t rows : {1u, 2u, 8u}) {
    EXPECT_EQ(program->walk(5, rows, Numerics::kInvariant).calls[2].function, many);
    // The same shape once more: the walk that is kept is one of other numerics.
    EXPECT_EQ(program->walk(5, rows).calls[2].function == many, rows > 1);
    EXPECT_EQ(program->walk(5, rows, Numerics::kInvariant).calls[2].function, many);
  }
}

TEST(BoundProgram, InvariantNumericsTakeWhatIsMarkedExact) {
  auto bound = std::make_unique<Bound>();
  // Classes 1, 4, 16 and any, the first and the third exact: the third takes whatever is more, too.
  std::unique_ptr<fb::EngineT> plan(bound->engine.plan().UnPack());
  auto& variants = plan->kernels[3]->variants;
  for (const uint32_t most : {4u, 16u})
    variants.insert(variants.end() - 1, std::make_unique<fb::VariantT>(*variants.back()))->get()->m_max = most;
  for (const size_t i : {0, 2}) variants[i]->code[0]->exact = true;
  for (size_t i = 0; i < variants.size(); ++i) variants[i]->code[0]->offset = i * 64;
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::Engine::Pack(builder, plan.get()), fb::EngineIdentifier());
  ProgramSource source = bound->engine.source();
  source.plan = fb::GetEngine(builder.GetBufferPointer());
  auto program = bound->bind(source).take();
  const auto variantFor = [&](uint32_t rows, Numerics numerics) {
    program->walk(31, rows, numerics);
    return program->origins()[2].variant;
  };
  const std::pair<uint32_t, uint32_t> exact[] = {{1, 0}, {2, 2}, {5, 2}, {16, 2}, {17, 2}, {31, 2}};
  for (const auto& [rows, variant] : exact) EXPECT_EQ(variantFor(rows, Numerics::kInvariant), variant) << rows;
  const std::pair<uint32_t, uint32_t> fast[] = {{1, 0}, {2, 1}, {5, 2}, {17, 3}};
  for (const auto& [rows, variant] : fast) EXPECT_EQ(variantFor(rows, Numerics::kFast), variant) << rows;
}

TEST(BoundProgram, WithoutRowsTheHeadIsNotRun) {
  auto bound = std::make_unique<Bound>();
  auto program = bound->bind(bound->engine.source()).take();
  const Walk walk = program->walk(5, 0);
  EXPECT_EQ(walk.calls.size(), 2u);
  EXPECT_EQ(walk.phaseEnds.size(), 2u);
}

TEST(BoundProgram, ResolvesEachKindOfArgument) {
  auto bound = std::make_unique<Bound>();
  auto program = bound->bind(bound->engine.source()).take();
  const Walk walk = program->walk(2, 1);
  EXPECT_EQ(walk.calls[0].args[0], reinterpret_cast<uint64_t>(&bound->batch));
  EXPECT_EQ(walk.calls[0].args[1], reinterpret_cast<uint64_t>(bound->kv) + test::FakeEngine::kLayerBytes);
  EXPECT_EQ(walk.calls[1].args[2], reinterpret_cast<uint64_t>(bound->arena) + 128 + 64 * 48);
  EXPECT_EQ(walk.calls[2].args[1], walk.calls[1].args[2]);
}

TEST(BoundProgram, NeedsEveryAddress) {
  auto bound = std::make_unique<Bound>();
  ProgramSource source = bound->engine.source();
  source.weightAddress = [](uint32_t) { return nullptr; };
  EXPECT_EQ(bound->bind(source).status().code(), "RT_PLAN");
  source = bound->engine.source();
  source.codeAddress = [](uint64_t) { return nullptr; };
  EXPECT_EQ(bound->bind(source).status().code(), "RT_PLAN");
}

}  // namespace
}  // namespace llmc::rt
