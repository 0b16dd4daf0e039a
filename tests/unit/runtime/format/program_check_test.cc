// Hostile programs: slots outside their regions, arenas that wrap, arguments that resolve to nothing.
#include "runtime/format/program_check.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "runtime/format/engine_reader.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc::rt {
namespace {

constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kMax64 = std::numeric_limits<uint64_t>::max();

void refused(const char* code, const char* path, const std::function<void(fb::EngineT&)>& edit) {
  fb::EngineT plan = test::tinyPlan();
  edit(plan);
  test::TemporaryFile tiny(test::assemble(test::tinySections(plan)));
  Status status = checkFile(tiny.path());
  ASSERT_FALSE(status) << path;
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_EQ(status.message().find(path), 0u) << status.message();
}

fb::ArgT& argOf(fb::EngineT& plan, int phase, int arg) {
  return *plan.programs[1]->phases[phase]->launches[0]->args[arg];
}

TEST(ProgramCheck, Bounds) {
  refused("EN_SEMANTIC", "programs is empty", [](auto& p) { p.programs.clear(); });
  refused("EN_SEMANTIC", "programs[1].t_max", [](auto& p) { p.programs[1]->t_max = 16; });
  refused("EN_SEMANTIC", "programs[0].t_max", [](auto& p) { p.programs[0]->t_max = 0; });
  refused("EN_SEMANTIC", "programs[0].t_max", [](auto& p) { p.programs[0]->t_max = kMax32; });
}

TEST(ProgramCheck, ArenaWraps) {
  for (uint64_t bad : {kMax64 - 63, uint64_t{1} << 63, uint64_t{1} << 45})
    refused("EN_PLAN", "programs[1].region_bytes[1]", [&](auto& p) { p.programs[1]->region_bytes[1] = bad; });
  refused("EN_PLAN", "programs[0].region_bytes[3]", [](auto& p) { p.programs[0]->region_bytes[3] = 100; });
  refused("EN_PLAN", "programs[0].region_bytes.size", [](auto& p) { p.programs[0]->region_bytes.pop_back(); });
  refused("EN_PLAN", "programs[0].region_bytes.size", [](auto& p) { p.programs[0]->region_bytes.push_back(64); });
}

TEST(ProgramCheck, Slots) {
  refused("EN_PLAN", "programs[0].slots[0].unit",
          [](auto& p) { p.programs[0]->slots[0]->unit = static_cast<fb::Unit>(4); });
  refused("EN_PLAN", "programs[0].slots[0].offset", [](auto& p) { p.programs[0]->slots[0]->offset = 8; });
  refused("EN_PLAN", "programs[0].slots[0].bytes", [](auto& p) { p.programs[0]->slots[0]->bytes = 100; });
  refused("EN_PLAN", "programs[0].slots[0].bytes", [](auto& p) { p.programs[0]->slots[0]->bytes = 0; });
  for (uint64_t bad : {uint64_t{256}, uint64_t{1} << 40, kMax64 - 63}) {
    refused("EN_PLAN", "programs[0].slots[2] has offset", [&](auto& p) { p.programs[0]->slots[2]->offset = bad; });
    refused("EN_PLAN", "programs[0].slots[0] has offset", [&](auto& p) { p.programs[0]->slots[0]->bytes = bad; });
  }
  refused("EN_PLAN", "programs[1].slots[0] has offset",
          [](auto& p) { p.programs[1]->slots[0]->unit = fb::Unit::Fixed; });
}

TEST(ProgramCheck, Logits) {
  refused("EN_SEMANTIC", "programs[0].logits_slot", [](auto& p) { p.programs[0]->logits_slot = 3; });
  refused("EN_SEMANTIC", "programs[0].logits_slot", [](auto& p) { p.programs[0]->logits_slot = kMax32; });
  refused("EN_PLAN", "programs[0].logits_slot", [](auto& p) { p.programs[0]->logits_slot = 0; });  // counted in tokens
  refused("EN_PLAN", "programs[0].logits_slot", [](auto& p) { p.programs[0]->slots[1]->bytes = 128; });
}

TEST(ProgramCheck, Launches) {
  refused("EN_SEMANTIC", "programs[1].phases[1].launches[0].kernel",
          [](auto& p) { p.programs[1]->phases[1]->launches[0]->kernel = 2; });
  refused("EN_SEMANTIC", "programs[1].phases[1].launches[0].args.size",
          [](auto& p) { p.programs[1]->phases[1]->launches[0]->args.pop_back(); });
  refused("EN_SEMANTIC", "programs[1].phases[0].launches[0].args.size",
          [](auto& p) { p.programs[1]->phases[0]->launches[0]->kernel = 1; });
  for (int32_t bad : {-2, 2, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()})
    refused("EN_SEMANTIC", "programs[1].phases[1].launches[0].layer",
            [&](auto& p) { p.programs[1]->phases[1]->launches[0]->layer = bad; });
}

TEST(ProgramCheck, Arguments) {
  const char* prefix = "programs[1].phases[1].launches[0].args[";
  refused("EN_SEMANTIC", (std::string(prefix) + "0].kind").c_str(),
          [](auto& p) { argOf(p, 1, 0).kind = static_cast<fb::ArgKind>(4); });
  for (uint32_t bad : {3u, kMax32}) {
    refused("EN_SEMANTIC", (std::string(prefix) + "0].index").c_str(), [&](auto& p) { argOf(p, 1, 0).index = bad; });
    refused("EN_SEMANTIC", (std::string(prefix) + "1].index").c_str(), [&](auto& p) { argOf(p, 1, 1).index = bad; });
    refused("EN_SEMANTIC", (std::string(prefix) + "2].index").c_str(), [&](auto& p) { argOf(p, 1, 2).index = bad; });
    refused("EN_SEMANTIC", "programs[1].phases[0].launches[0].args[0].index",
            [&](auto& p) { argOf(p, 0, 0).index = bad; });
  }
  for (uint64_t bad : {uint64_t{8192}, kMax64 - 4095}) {
    refused("EN_SEMANTIC", (std::string(prefix) + "0].offset").c_str(), [&](auto& p) { argOf(p, 1, 0).offset = bad; });
    refused("EN_SEMANTIC", (std::string(prefix) + "1].offset").c_str(), [&](auto& p) { argOf(p, 1, 1).offset = bad; });
    refused("EN_SEMANTIC", (std::string(prefix) + "2].offset").c_str(), [&](auto& p) { argOf(p, 1, 2).offset = bad; });
  }
  refused("EN_SEMANTIC", (std::string(prefix) + "1].offset").c_str(), [](auto& p) { argOf(p, 1, 1).offset = 64; });
  refused("EN_SEMANTIC", (std::string(prefix) + "2].offset").c_str(), [](auto& p) { argOf(p, 1, 2).offset = 4; });
  refused("EN_SEMANTIC", "programs[1].phases[0].launches[0].args[0].offset",
          [](auto& p) { argOf(p, 0, 0).offset = 8; });
}

}  // namespace
}  // namespace llmc::rt
