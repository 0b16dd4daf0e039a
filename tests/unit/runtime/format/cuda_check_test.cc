// Hostile plans for CUDA: each field that only they have set to each wrong value, digests made to match.
#include "runtime/format/cuda_check.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "runtime/format/engine_reader.h"
#include "runtime/format/kernel_abi.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc::rt {
namespace {

constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();

Status statusWith(const std::function<void(fb::EngineT&)>& edit) {
  fb::EngineT plan = test::tinyCudaPlan();
  edit(plan);
  test::TemporaryFile tiny(test::assemble(test::tinySections(plan)));
  return checkFile(tiny.path());
}

void refused(const char* code, const std::string& path, const std::function<void(fb::EngineT&)>& edit) {
  Status status = statusWith(edit);
  ASSERT_FALSE(status) << path;
  EXPECT_EQ(status.code(), code) << status.message();
  // After the file's name.
  EXPECT_TRUE(status.message().substr(status.message().find("': ") + 3).starts_with(path)) << status.message();
}

fb::LaunchShapeT& launchOf(fb::EngineT& plan) { return *plan.kernels[1]->variants[0]->code[1]->launch; }

TEST(CudaCheck, UneditedPlanIsAccepted) {
  Status status = statusWith([](fb::EngineT&) {});
  EXPECT_TRUE(status) << status.toString();
}

TEST(CudaCheck, Target) {
  for (const char* bad : {"rocm", "CUDA", "cuda:sm_90a"})
    refused("EN_SEMANTIC", "target is '", [&](auto& p) { p.target = bad; });
  // A plan of the other target under this one's rules.
  refused("EN_SEMANTIC", "programs[0].t_max", [](auto& p) {
    p.target = "cpu", p.abi_version = kKernelAbiVersion;
    for (auto& kernel : p.kernels)
      for (auto& variant : kernel->variants)
        for (auto& code : variant->code) code->offset = 0, code->size = 32;
  });
  Status status = statusWith([](auto& p) { p.abi_version = 77; });
  EXPECT_EQ(status.code(), "EN_VERSION");
  EXPECT_EQ(exitStatus(status.kind()), 78);
}

/// A slot for the sampled tokens of the last program, written where its logits are.
void addSample(fb::EngineT& plan) {
  fb::ProgramT& program = *plan.programs.back();
  auto slot = std::make_unique<fb::SlotT>();
  slot->unit = fb::Unit::Row;
  slot->offset = program.region_bytes[2];
  slot->bytes = rowStrideBytes(4);
  program.region_bytes[2] += slot->bytes;
  program.sample_slot = static_cast<int32_t>(program.slots.size());
  program.slots.push_back(std::move(slot));
  auto launch = std::make_unique<fb::LaunchT>(*program.phases[0]->launches[0]);
  launch->args[2]->index = static_cast<uint32_t>(program.sample_slot);
  program.phases.back()->launches.push_back(std::move(launch));
}

TEST(CudaCheck, SampledTokens) {
  EXPECT_TRUE(statusWith(addSample)) << statusWith(addSample).toString();
  const auto last = [](fb::EngineT& p) -> fb::ProgramT& { return *p.programs.back(); };
  const auto path = "programs[" + std::to_string(test::tinyCudaPlan().programs.size() - 1) + "]";
  const auto refusedSample = [&](const char* code, const std::string& text,
                                 const std::function<void(fb::EngineT&)>& edit) {
    refused(code, path + text, [&](fb::EngineT& plan) {
      addSample(plan);
      edit(plan);
    });
  };
  refusedSample("EN_PLAN", " has sample_slot -2", [&](auto& p) { last(p).sample_slot = -2; });
  refusedSample("EN_SEMANTIC", ".sample_slot", [&](auto& p) { last(p).sample_slot = 99; });
  refusedSample("EN_SEMANTIC", ".sample_slot",
                [&](auto& p) { last(p).sample_slot = static_cast<int32_t>(last(p).logits_slot); });
  refusedSample("EN_PLAN", ".sample_slot has", [&](auto& p) { last(p).sample_slot = 0; });  // counted in tokens
}

TEST(CudaCheck, Levels) {
  for (const char* bad : {"x86-64-v3", "sm_90a", "cuda:sm_", "cuda:sm_9", "cuda:sm_9000", "cuda:sm_90A", "cuda:sm_90ab",
                          "cuda:compute_90a", "cuda:compute_", "cuda:sm_90a ", "cuda:SM_90"})
    refused("EN_SEMANTIC", "levels[0].name", [&](auto& p) { p.levels[0]->name = bad; });
  for (const char* good : {"cuda:sm_80", "cuda:sm_120a", "cuda:sm_103f"})
    EXPECT_TRUE(statusWith([&](auto& p) { p.levels[0]->name = good; })) << good;
}

TEST(CudaCheck, Symbols) {
  const std::string path = "kernels[0].variants[1].symbol";
  for (std::string bad : {std::string(), std::string("9lives"), std::string("a b"), std::string("a\0b", 3),
                          std::string("a-b"), std::string(257, 'a')})
    refused("EN_CODE", path, [&](auto& p) { p.kernels[0]->variants[1]->symbol = bad; });
  EXPECT_TRUE(statusWith([](auto& p) { p.kernels[0]->variants[1]->symbol = std::string(256, 'a'); }));
}

TEST(CudaCheck, LaunchShapes) {
  const std::string path = "kernels[1].variants[0].code[1].launch";
  refused("EN_CODE", path + " is missing", [](auto& p) { p.kernels[1]->variants[0]->code[1]->launch.reset(); });
  for (uint32_t bad : {0u, 16u, 33u, 1056u, kMax32})
    refused("EN_CODE", path + ".threads", [&](auto& p) { launchOf(p).threads = bad; });
  for (uint32_t bad : {(227u << 10) + 1, kMax32})
    refused("EN_CODE", path + ".shared_bytes", [&](auto& p) { launchOf(p).shared_bytes = bad; });
  for (uint32_t bad : {(226u << 10) + 1, kMax32})
    refused("EN_CODE", path + ".static_shared_bytes", [&](auto& p) { launchOf(p).static_shared_bytes = bad; });
  for (uint32_t bad : {33u, kMax32})
    refused("EN_CODE", path + ".blocks_per_sm", [&](auto& p) { launchOf(p).blocks_per_sm = bad; });
  EXPECT_TRUE(statusWith([](auto& p) { launchOf(p).blocks_per_sm = 32; }));
  for (uint32_t bad : {9u, kMax32}) refused("EN_CODE", path + ".cluster", [&](auto& p) { launchOf(p).cluster = bad; });
  refused("EN_CODE", path + ".grid.size", [](auto& p) { launchOf(p).grid.pop_back(); });
  EXPECT_TRUE(statusWith([](auto& p) { launchOf(p).threads = 1024, launchOf(p).shared_bytes = 227u << 10; }));
}

TEST(CudaCheck, ClustersAreWhole) {
  const std::string path = "kernels[1].variants[0].code[1].launch.grid[0]";
  const auto with = [](uint32_t base, uint32_t tokens, uint32_t sequences) {
    return [=](auto& p) {
      fb::GridDimT& x = *launchOf(p).grid[0];
      x.base = base, x.t_tile = 1, x.t_count = tokens, x.s_tile = 1, x.s_count = 4, x.seq_count = sequences;
      launchOf(p).cluster = 2;
    };
  };
  EXPECT_TRUE(statusWith(with(2, 4, 0)));
  refused("EN_CODE", path, with(1, 4, 0));
  refused("EN_CODE", path, with(2, 3, 0));
  refused("EN_CODE", path, with(2, 4, 1));
}

TEST(CudaCheck, GridsThatNoDeviceTakes) {
  const std::string path = "kernels[1].variants[0].code[1].launch.grid";
  refused("EN_CODE", path + "[0]", [](auto& p) { launchOf(p).grid[0]->base = 0x80000000u; });
  refused("EN_CODE", path + "[0]",
          [](auto& p) { launchOf(p).grid[0]->t_tile = 1, launchOf(p).grid[0]->t_count = kMax32; });
  refused("EN_CODE", path + "[1]", [](auto& p) { launchOf(p).grid[1]->base = 65536; });
  refused("EN_CODE", path + "[1]", [](auto& p) { launchOf(p).grid[1]->seq_count = 1; });  // and its base of 1
  refused("EN_CODE", path + "[2]", [](auto& p) { launchOf(p).grid[2]->s_tile = 1, launchOf(p).grid[2]->s_count = 2; });
  EXPECT_TRUE(statusWith([](auto& p) { launchOf(p).grid[1]->base = 0, launchOf(p).grid[1]->seq_count = 1; }));
  EXPECT_TRUE(statusWith([](auto& p) { launchOf(p).grid[0]->base = 0, launchOf(p).grid[0]->seq_count = 32768; }));
}

TEST(CudaCheck, CodeRanges) {
  for (uint64_t bad : {uint64_t{1} << 20, uint64_t{1} << 63})
    refused("EN_CODE", "kernels[0].variants[0].code[0]",
            [&](auto& p) { p.kernels[0]->variants[0]->code[0]->offset = bad; });
}

TEST(CudaCheck, Programs) {
  refused("EN_SEMANTIC", "programs is empty", [](auto& p) { p.programs.clear(); });
  refused("EN_SEMANTIC", "programs[0].q_max", [](auto& p) { p.programs[0]->q_max = 65536; });
  refused("EN_SEMANTIC", "programs[0].t_max", [](auto& p) { p.programs[0]->t_max = kMax32; });
  refused("EN_SEMANTIC", "programs[1] has q_max 0", [](auto& p) { p.programs[0]->q_max = 0; });
  refused("EN_SEMANTIC", "programs[1] has q_max 1", [](auto& p) { p.programs[1]->q_max = 1; });
  refused("EN_SEMANTIC", "programs[1] must take any step", [](auto& p) { p.programs[1]->q_max = 2; });
  refused("EN_SEMANTIC", "programs[1] must take any step", [](auto& p) { p.programs[1]->t_max = 64; });
  EXPECT_TRUE(statusWith([](auto& p) { p.programs[0]->t_max = 64; }));
}

TEST(CudaCheck, NoWorkers) {
  refused("EN_PLAN", "programs[0].region_bytes[3]", [](auto& p) { p.programs[0]->region_bytes[3] = 64; });
}

TEST(CudaCheck, WeightsStartWhereFragmentsDo) {
  refused("EN_SEMANTIC", "weights[1].offset", [](auto& p) { p.weights[1]->offset = 64; });
}

TEST(CudaCheck, Arguments) {
  refused("EN_SEMANTIC", "kernels[1].args", [](auto& p) { p.kernels[1]->args = 513; });
}

TEST(CudaCheck, CpuProgramsAreBoundedByTokensAlone) {
  fb::EngineT plan = test::tinyPlan();
  plan.programs[0]->q_max = 1;
  test::TemporaryFile tiny(test::assemble(test::tinySections(plan)));
  Status status = checkFile(tiny.path());
  EXPECT_EQ(status.code(), "EN_SEMANTIC");
  EXPECT_NE(status.message().find("programs[0].q_max is 1, must be 0 for target cpu"), std::string::npos);
}

/// What activateLevel says of section `section` with `edit` made to its bytes.
Status activated(uint32_t level, const std::function<void(std::string&)>& edit) {
  auto sections = test::tinySections(test::tinyCudaPlan());
  edit(sections[test::kTinyCode0 + level].bytes);
  test::TemporaryFile tiny(test::assemble(sections));
  auto file = EngineFile::open(tiny.path());
  if (!file) return file.takeStatus();
  Status status = file->activateLevel(level);
  EXPECT_EQ(file->codeAddress(level, 0) != nullptr, static_cast<bool>(status));
  return status;
}

TEST(CudaCheck, CodeIsForADriverAndNeverExecutable) {
  for (uint32_t level : {0u, 1u}) {
    Status status = activated(level, [](std::string&) {});
    EXPECT_TRUE(status) << status.toString();
  }
  const size_t second = test::tinySections(test::tinyCudaPlan())[test::kTinyCode0].bytes.size() / 2;
  for (size_t at : {second, second + 1, second + 18}) {
    const Status status = activated(0, [&](auto& b) { b[at] = 'x'; });
    EXPECT_EQ(status.code(), "EN_CODE");
    EXPECT_NE(status.message().find("kernels[0].variants[1].code[0] does not start as a cubin does"), std::string::npos)
        << status.message();
  }
  EXPECT_EQ(activated(1, [](auto& b) { b[10] = '\0'; }).code(), "EN_CODE");
}

/// What a launch would give the kernel is what its code takes, on the device that the level names.
TEST(CudaCheck, CodeIsThatOfThePlan) {
  const auto refusedCode = [](const std::function<void(fb::EngineT&)>& edit, uint32_t level, const std::string& text) {
    fb::EngineT plan = test::tinyCudaPlan();
    edit(plan);
    test::TemporaryFile tiny(test::assemble(test::tinySections(plan)));
    auto file = EngineFile::open(tiny.path());
    ASSERT_TRUE(file) << file.status().toString();
    const Status status = file->activateLevel(level);
    EXPECT_EQ(status.code(), "EN_CODE");
    EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
  };
  refusedCode([](auto& p) { p.levels[0]->name = "cuda:sm_80"; }, 0,
              "kernels[0].variants[0].code[0] is code for sm_90, must be for sm_80");
  refusedCode([](auto& p) { p.levels[1]->name = "cuda:compute_100"; }, 1,
              "kernels[0].variants[0].code[1] is code for sm_90, must be for sm_100");
  for (const uint32_t level : {0u, 1u}) {
    const std::string where = "kernels[1].variants[0].code[" + std::to_string(level) + "]";
    refusedCode([](auto& p) { p.kernels[1]->variants[0]->symbol = "other"; }, level, where + " has no kernel other");
    // A plan that gives every kernel a word more.
    refusedCode(
        [](auto& p) {
          p.kernels[1]->args = 5;
          for (auto& program : p.programs)
            for (auto& phase : program->phases)
              for (auto& launch : phase->launches)
                if (launch->kernel == 1) launch->args.push_back(std::make_unique<fb::ArgT>(*launch->args.back()));
        },
        level, where + " takes 32 bytes of arguments, must take 40");
    refusedCode(
        [&](auto& p) { p.kernels[1]->variants[0]->code[level]->size -= 3; }, level,
        where + (level == 0 ? " is cut: its table of sections ends behind its " : " is not one zero-terminated"));
  }
}

}  // namespace
}  // namespace llmc::rt
