// Which code a device takes: its own, an older one of its generation, PTX; what fits its shared memory of these, and
// what is said when there is none.
#include "runtime/exec/cuda/level_choice.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/runtime/exec/cuda/fake_cuda_engine.h"

namespace llmc::rt::cuda {
namespace {

using test::ScriptedDriver;

constexpr uint64_t KiB = 1024;

/// With little shared memory.
Result<LevelChoice> select(const std::vector<std::string_view>& names, const DeviceFacts& facts,
                           std::string_view wanted = {}) {
  std::vector<CodeLevel> levels;
  for (const std::string_view name : names) levels.push_back({name, 0});
  return selectLevel(levels, facts, wanted);
}

std::string chosen(std::vector<std::string_view> levels, int major, int minor, std::string_view wanted = {}) {
  auto level = select(levels, {.name = "Some GPU", .major = major, .minor = minor}, wanted);
  return level ? std::string(levels[level->index]) : level.status().code();
}

TEST(LevelChoice, TakesTheDevicesOwnCubin) {
  EXPECT_EQ(chosen({"cuda:sm_80", "cuda:sm_90a", "cuda:compute_90"}, 9, 0), "cuda:sm_90a");
  EXPECT_EQ(chosen({"cuda:sm_90a", "cuda:sm_90"}, 9, 0), "cuda:sm_90a");
  EXPECT_EQ(chosen({"cuda:sm_80", "cuda:sm_89", "cuda:sm_86"}, 8, 9), "cuda:sm_89");
}

TEST(LevelChoice, TakesAnOlderCubinOfTheSameGeneration) {
  EXPECT_EQ(chosen({"cuda:sm_80", "cuda:sm_89", "cuda:sm_90a"}, 8, 6), "cuda:sm_80");
  EXPECT_EQ(chosen({"cuda:sm_86"}, 8, 0), "CU_NO_CODE");
  EXPECT_EQ(chosen({"cuda:sm_100a"}, 10, 3), "CU_NO_CODE");  // "a" code runs on its own device alone
  EXPECT_EQ(chosen({"cuda:sm_80"}, 9, 0), "CU_NO_CODE");
}

TEST(LevelChoice, TakesTheNewestPtxBelowTheDevice) {
  EXPECT_EQ(chosen({"cuda:sm_80", "cuda:compute_80", "cuda:compute_90"}, 12, 0), "cuda:compute_90");
  EXPECT_EQ(chosen({"cuda:compute_90"}, 8, 9), "CU_NO_CODE");
  EXPECT_EQ(chosen({"cuda:sm_80", "cuda:compute_80"}, 8, 6), "cuda:sm_80");
}

TEST(LevelChoice, TakesTheOneAskedForOrSaysWhyNot) {
  EXPECT_EQ(chosen({"cuda:sm_90a", "cuda:compute_80"}, 9, 0, "cuda:compute_80"), "cuda:compute_80");
  EXPECT_EQ(chosen({"cuda:sm_90a"}, 9, 0, "cuda:sm_80"), "CU_NO_CODE");
}

TEST(LevelChoice, TheRefusalNamesDeviceAndLevels) {
  const std::vector<std::string_view> levels = {"cuda:sm_80", "cuda:sm_90a"};
  auto level = select(levels, {.name = "NVIDIA X", .major = 12, .minor = 0});
  ASSERT_FALSE(level);
  EXPECT_EQ(exitStatus(level.status().kind()), 78);
  EXPECT_EQ(level.status().message(),
            "the engine holds code for cuda:sm_80, cuda:sm_90a, none runs on NVIDIA X (sm_120)");
  EXPECT_EQ(level.status().hint(), "build it with --target cuda:sm_120a");
}

/// What the hint says is taken by llmc build, and makes an engine that runs there.
TEST(LevelChoice, TheHintCanBeFollowed) {
  for (const auto& [major, minor, arch, levels] :
       {std::tuple{8, 7, "sm_86", std::vector<std::string_view>{"cuda:sm_86", "cuda:compute_86"}},
        {10, 3, "sm_100a", {"cuda:sm_100a", "cuda:compute_100"}},
        {11, 0, "sm_100a", {"cuda:sm_100a", "cuda:compute_100"}},
        {12, 1, "sm_120a", {"cuda:sm_120a", "cuda:compute_120"}}}) {
    EXPECT_EQ(archFor(major, minor), arch);
    const auto refused = select({"cuda:sm_8"}, {.name = "X", .major = major, .minor = minor});
    EXPECT_EQ(refused.status().hint(), "build it with --target cuda:" + std::string(arch));
    EXPECT_NE(chosen(levels, major, minor), "CU_NO_CODE");
  }
  for (const int minor : {3, 5}) {  // its cubins are for 10.0 alone, and the PTX is of the last architecture
    const std::vector<std::string_view> all = {"cuda:sm_80", "cuda:sm_90a", "cuda:sm_100a", "cuda:sm_120a",
                                               "cuda:compute_120"};
    EXPECT_EQ(select(all, {.name = "X", .major = 10, .minor = minor}).status().hint(),
              "build it with --target cuda:sm_100a");
  }
  EXPECT_EQ(archFor(7, 5), "");
  const auto old = select({"cuda:sm_80"}, {.name = "X", .major = 7, .minor = 5});
  EXPECT_EQ(old.status().hint(),
            "this GPU is too old, sm_80 is the oldest that llmc builds for: build it with --target cpu");
}

TEST(LevelChoice, NamesThatAreNoneAreNotChosen) {
  for (const std::string_view name : {"x86-64-v3", "cuda:sm_", "cuda:sm_x", "cuda:compute_"})
    EXPECT_EQ(chosen({name}, 9, 0), "CU_NO_CODE") << name;
}

/// An engine for one architecture: its cubins, as large as a block of such a device may have, and PTX for all.
std::vector<CodeLevel> engineFor(std::string_view arch) {
  struct Levels {
    std::string_view arch, cubin, ptx;
    uint64_t sharedBytes;
  };
  static constexpr Levels kAll[] = {{"sm_80", "cuda:sm_80", "cuda:compute_80", 153 * KiB},
                                    {"sm_86", "cuda:sm_86", "cuda:compute_86", 92 * KiB},
                                    {"sm_89", "cuda:sm_89", "cuda:compute_89", 92 * KiB},
                                    {"sm_90a", "cuda:sm_90a", "cuda:compute_90", 201 * KiB},
                                    {"sm_100a", "cuda:sm_100a", "cuda:compute_100", 140 * KiB},
                                    {"sm_120a", "cuda:sm_120a", "cuda:compute_120", 90 * KiB}};
  for (const Levels& one : kAll)
    if (one.arch == arch) return {{one.cubin, one.sharedBytes}, {one.ptx, 93 * KiB}};
  return {};
}

TEST(LevelChoice, EveryDeviceTakesWhatFitsIt) {
  constexpr uint64_t kSmall = 99 * KiB, kAmpere = 163 * KiB, kHopper = 227 * KiB;
  struct Row {
    int major, minor;
    uint64_t sharedBytes;
    std::string_view sm80, sm86, sm89, sm90a, sm100a, sm120a;  ///< what is taken; "-": nothing
  };
  // A cubin for sm_80 fits the A100 that it was made for, not what else is of its generation.
  constexpr Row kTable[] = {
      {8, 0, kAmpere, "sm_80", "-", "-", "-", "-", "-"},
      {8, 6, kSmall, "compute_80", "sm_86", "-", "-", "-", "-"},
      {8, 7, kAmpere, "sm_80", "sm_86", "-", "-", "-", "-"},
      {8, 9, kSmall, "compute_80", "sm_86", "sm_89", "-", "-", "-"},
      {9, 0, kHopper, "compute_80", "compute_86", "compute_89", "sm_90a", "-", "-"},
      {10, 0, kHopper, "compute_80", "compute_86", "compute_89", "compute_90", "sm_100a", "-"},
      {10, 3, kHopper, "compute_80", "compute_86", "compute_89", "compute_90", "compute_100", "-"},
      {12, 0, kSmall, "compute_80", "compute_86", "compute_89", "compute_90", "compute_100", "sm_120a"},
      {12, 1, kSmall, "compute_80", "compute_86", "compute_89", "compute_90", "compute_100", "compute_120"},
      {8, 6, 48 * KiB, "-", "-", "-", "-", "-", "-"},
  };
  for (const Row& row : kTable)
    for (const auto& [arch, want] : {std::pair<std::string_view, std::string_view>{"sm_80", row.sm80},
                                     {"sm_86", row.sm86},
                                     {"sm_89", row.sm89},
                                     {"sm_90a", row.sm90a},
                                     {"sm_100a", row.sm100a},
                                     {"sm_120a", row.sm120a}}) {
      const std::vector<CodeLevel> levels = engineFor(arch);
      const auto choice =
          selectLevel(levels, {.name = "X", .major = row.major, .minor = row.minor, .sharedBytes = row.sharedBytes});
      const std::string where = std::string(arch) + " on " + std::to_string(row.major * 10 + row.minor);
      EXPECT_EQ(choice ? levels[choice->index].name.substr(5) : "-", want) << where;
      if (!choice) continue;
      EXPECT_LE(levels[choice->index].sharedBytes, row.sharedBytes) << where;
      // Said wherever the driver has to compile, and how long it took.
      EXPECT_EQ(choice->compiles, want.starts_with("compute_")) << where;
      const std::string said = loadedNotice(levels[choice->index].name, *choice, 1.5);
      EXPECT_EQ(said.starts_with("runs cuda:" + std::string(want) + ", which the driver compiled in 1.50 s: "),
                choice->compiles)
          << where << said;
      EXPECT_EQ(said.empty(), !choice->compiles) << where << said;
    }
}

TEST(LevelChoice, SaysWhatEachWouldNeed) {
  const DeviceFacts facts = {.name = "NVIDIA A10", .major = 8, .minor = 6, .sharedBytes = 99 * KiB};
  const auto ptx = selectLevel(engineFor("sm_80"), facts);
  ASSERT_TRUE(ptx);
  EXPECT_EQ(loadedNotice("cuda:compute_80", *ptx, 0.816),
            "runs cuda:compute_80, which the driver compiled in 0.82 s: cuda:sm_80 needs 153.0 KiB of shared memory a "
            "block, NVIDIA A10 (sm_86) has 99.0 KiB; --target cuda:sm_86 makes code for it");
  std::vector<CodeLevel> levels = engineFor("sm_80");
  levels[1] = {"cuda:compute_90", 93 * KiB};
  const auto none = selectLevel(levels, facts);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.status().code(), "CU_SHARED");
  EXPECT_EQ(exitStatus(none.status().kind()), 78);
  EXPECT_EQ(none.status().message(),
            "cuda:sm_80 needs 153.0 KiB of shared memory a block, NVIDIA A10 (sm_86) has 99.0 KiB; the engine holds "
            "code for cuda:sm_80, cuda:compute_90");
  EXPECT_EQ(none.status().hint(), "build it with --target cuda:sm_86");
  levels[1] = {"cuda:compute_80", 100 * KiB};
  EXPECT_EQ(selectLevel(levels, facts).status().message(),
            "cuda:sm_80 needs 153.0 KiB, cuda:compute_80 100.0 KiB of shared memory a block, NVIDIA A10 (sm_86) has "
            "99.0 KiB; the engine holds code for cuda:sm_80, cuda:compute_80");
  // A device that has less than its architecture: another build would not help.
  const DeviceFacts less = {.name = "X", .major = 8, .minor = 6, .sharedBytes = 48 * KiB};
  EXPECT_EQ(selectLevel(engineFor("sm_86"), less).status().hint(), "build it with --target cpu");
}

TEST(LevelChoice, OneThatIsAskedForMustFit) {
  const DeviceFacts facts = {.name = "X", .major = 8, .minor = 9, .sharedBytes = 99 * KiB};
  const auto large = selectLevel(engineFor("sm_80"), facts, "cuda:sm_80");
  ASSERT_FALSE(large);
  EXPECT_EQ(large.status().message(),
            "LLMC_CUDA_LEVEL asks for 'cuda:sm_80': cuda:sm_80 needs 153.0 KiB of shared memory a block, X (sm_89) has "
            "99.0 KiB");
  const auto ptx = selectLevel(engineFor("sm_80"), facts, "cuda:compute_80");
  ASSERT_TRUE(ptx);
  EXPECT_EQ(loadedNotice("cuda:compute_80", *ptx, 2),
            "runs cuda:compute_80, which the driver compiled in 2.00 s: LLMC_CUDA_LEVEL asks for it");
  const auto cubin = selectLevel(engineFor("sm_86"), facts, "cuda:sm_86");
  ASSERT_TRUE(cubin);
  EXPECT_EQ(loadedNotice("cuda:sm_86", *cubin, 2), "");
}

/// What to build is named where that makes a cubin, later PTX where it does that, nothing where it makes the same.
TEST(LevelChoice, PtxSaysWhatToBuildForTheDevice) {
  const auto said = [](std::string_view arch, int major, int minor) {
    const auto choice =
        selectLevel(engineFor(arch), {.name = "X", .major = major, .minor = minor, .sharedBytes = 227 * KiB});
    return choice ? choice->reason : choice.status().message();
  };
  EXPECT_EQ(said("sm_90a", 10, 0),
            "no cubin of the engine (cuda:sm_90a) is for X (sm_100); --target cuda:sm_100a makes code for it");
  EXPECT_EQ(said("sm_80", 9, 0),
            "no cubin of the engine (cuda:sm_80) is for X (sm_90); --target cuda:sm_90a makes code for it");
  EXPECT_EQ(said("sm_90a", 10, 3),
            "no cubin of the engine (cuda:sm_90a) is for X (sm_103); llmc makes no cubin for it, but --target "
            "cuda:sm_100a makes later PTX");
  EXPECT_EQ(said("sm_120a", 12, 1),
            "no cubin of the engine (cuda:sm_120a) is for X (sm_121); llmc makes no cubin for it");
  // A cubin that is not the best one is nothing to compile.
  std::vector<CodeLevel> levels = {{"cuda:sm_80", 90 * KiB}, {"cuda:sm_86", 150 * KiB}, {"cuda:compute_86", 93 * KiB}};
  const auto older = selectLevel(levels, {.name = "X", .major = 8, .minor = 6, .sharedBytes = 99 * KiB});
  ASSERT_TRUE(older);
  EXPECT_EQ(loadedNotice("cuda:sm_80", *older, 2),
            "runs cuda:sm_80: cuda:sm_86 needs 150.0 KiB of shared memory a block, X (sm_86) has 99.0 KiB");
}

TEST(LevelChoice, ALevelNeedsWhatItsLargestKernelNeeds) {
  const ScriptedDriver scripted;
  const std::unique_ptr<fb::EngineT> plan(test::FakeCudaEngine(scripted).plan().UnPack());
  ASSERT_GE(plan->kernels.size(), 2u);
  auto& first = *plan->kernels[0]->variants[0]->code[0]->launch;
  first.shared_bytes = 100, first.static_shared_bytes = 28;
  plan->kernels[1]->variants[0]->code[0]->launch->shared_bytes = 120;
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::Engine::Pack(builder, plan.get()));
  const std::vector<CodeLevel> levels = codeLevels(*fb::GetEngine(builder.GetBufferPointer()));
  ASSERT_EQ(levels.size(), 1u);
  EXPECT_EQ(levels[0].name, "cuda:sm_90a");
  EXPECT_EQ(levels[0].sharedBytes, 128u);
}

TEST(DriverVersion, OneBeforeThatOfTheCodeIsTooOld) {
  EXPECT_TRUE(checkDriverVersion(13000));
  EXPECT_TRUE(checkDriverVersion(13010));
  const Status old = checkDriverVersion(12040);
  EXPECT_EQ(old.code(), "CU_OLD_DRIVER");
  EXPECT_EQ(exitStatus(old.kind()), 69);
  EXPECT_EQ(old.message(), "the CUDA driver is one for CUDA 12.4, the engine's code needs one for 13.0 or later");
  EXPECT_EQ(old.hint(), "install the NVIDIA driver, 580 or later");
}

}  // namespace
}  // namespace llmc::rt::cuda
