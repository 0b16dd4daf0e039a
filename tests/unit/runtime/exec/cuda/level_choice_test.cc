// Which code a device takes: its own, an older one of its generation, PTX; and what is said when there is none.
#include "runtime/exec/cuda/level_choice.h"

#include <gtest/gtest.h>

#include <vector>

namespace llmc::rt::cuda {
namespace {

std::string chosen(std::vector<std::string_view> levels, int major, int minor, std::string_view wanted = {}) {
  auto level = selectLevel(levels, {.name = "Some GPU", .major = major, .minor = minor}, wanted);
  return level ? std::string(levels[*level]) : level.status().code();
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
  auto level = selectLevel(levels, {.name = "NVIDIA X", .major = 12, .minor = 0});
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
    const auto refused =
        selectLevel(std::vector<std::string_view>{"cuda:sm_8"}, {.name = "X", .major = major, .minor = minor});
    EXPECT_EQ(refused.status().hint(), "build it with --target cuda:" + std::string(arch));
    EXPECT_NE(chosen(levels, major, minor), "CU_NO_CODE");
  }
  EXPECT_EQ(archFor(7, 5), "");
  const auto old = selectLevel(std::vector<std::string_view>{"cuda:sm_80"}, {.name = "X", .major = 7, .minor = 5});
  EXPECT_EQ(old.status().hint(),
            "this GPU is too old, sm_80 is the oldest that llmc builds for: build it with --target cpu");
}

TEST(LevelChoice, NamesThatAreNoneAreNotChosen) {
  for (const std::string_view name : {"x86-64-v3", "cuda:sm_", "cuda:sm_x", "cuda:compute_"})
    EXPECT_EQ(chosen({name}, 9, 0), "CU_NO_CODE") << name;
}

}  // namespace
}  // namespace llmc::rt::cuda
