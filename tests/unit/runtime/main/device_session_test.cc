// llmc-run on an engine for CUDA, over the scripted driver: devices chosen and refused, memory planned, faults told.
#include "runtime/main/device_session.h"

#include "tests/unit/runtime/device/cuda/scripted_driver.h"
#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

/// The tiny engine's two kernels do nothing: all logits are zero, as on the CPU.
class RunOnDevice : public Run {
 protected:
  RunOnDevice() {
    engine_.write(letterEngine({}, tinyCudaPlan()));
    addKernels();
  }
  void addKernels() {
    for (const auto& [symbol, words] :
         {std::pair{"embed_m4", 3u}, {"embed_m0", 3u}, {"linear_m4", 4u}, {"linear_m0", 4u}})
      scripted_.addKernel(symbol, words, [](const uint64_t*, const uint32_t*) {});
  }
  void TearDown() override { EXPECT_EQ(scripted_.alive(), 0u); }

  ScriptedDriver scripted_;
};

TEST_F(RunOnDevice, GeneratesAsOnTheCpu) {
  ASSERT_EQ(run({"--prompt", "de", "--max-tokens", "5", "--json", "--threads", "1"}), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["text"], "aaaaa");
  EXPECT_GT(scripted_.script().graphLaunches, 0u);
  scripted_.script().graphLaunches = 0;
  ASSERT_EQ(run({"--prompt", "de", "--max-tokens", "5", "--device", "cuda:0", "--no-graphs", "--threads", "1"}), 0)
      << err_;
  EXPECT_EQ(out_, "aaaaa\n");
  EXPECT_EQ(scripted_.script().graphLaunches, 0u);
}

TEST_F(RunOnDevice, OtherModesRun) {
  EXPECT_EQ(run({"--check"}), 0) << err_;
  EXPECT_EQ(run({"--selftest", "--threads", "1"}), 0) << err_;
  ASSERT_EQ(run({"--bench", "--prompt-tokens", "8", "--output-tokens", "4", "--repeat", "1", "--streams", "3", "--json",
                 "--threads", "1"}),
            0)
      << err_;
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["device"], "cuda:0 Scripted GPU, CUDA 13.0");
  EXPECT_EQ(json["level"], "cuda:sm_90a");
  EXPECT_GT(json["copy_bandwidth_gb_per_s"].get<double>(), 0);
  EXPECT_FALSE(json.contains("read_bandwidth_gb_per_s"));
  ASSERT_EQ(run({"--bench", "--repeat", "1", "--prompt-tokens", "8", "--output-tokens", "4", "--threads", "1"}), 0)
      << err_;
  EXPECT_NE(out_.find("memory copies at"), std::string::npos) << out_;
}

TEST_F(RunOnDevice, RefusesWhatDoesNotGoWithTheEngine) {
  expectRefusals({{{"--prompt", "a", "--device", "cpu"}, 78, "RT_DEVICE"},
                  {{"--prompt", "a", "--device", "cuda:1"}, 69, "CU_NO_DEVICE"},
                  {{"--prompt", "a", "--device", "gpu"}, 64, "CLI_FLAG"},
                  {{"--prompt", "a", "--device", "cuda0"}, 64, "CLI_FLAG"},
                  {{"--prompt", "a", "--device", "cuda:x"}, 64, "CLI_FLAG"},
                  {{"--prompt", "a", "--device", "cuda:-1"}, 64, "CLI_FLAG"},
                  {{"--check", "--device", "cuda:0"}, 64, "CLI_FLAG"},
                  {{"--bench", "--profile", "--prompt-tokens", "8", "--output-tokens", "8"}, 64, "CLI_FLAG"}});
}

TEST_F(RunOnDevice, NamesTheDeviceWhenNoCodeFits) {
  scripted_.script().major = 8;
  EXPECT_EQ(run({"--prompt", "a"}), 78);
  EXPECT_NE(err_.find("error[CU_NO_CODE] the engine holds code for cuda:sm_90a, cuda:compute_90, none runs on Scripted "
                      "GPU (sm_80)"),
            std::string::npos)
      << err_;
  scripted_.script().major = 12;
  EXPECT_EQ(run({"--prompt", "a", "--max-tokens", "1", "--threads", "1"}), 0) << err_;  // PTX
}

TEST_F(RunOnDevice, RefusesWhatDoesNotFitWithNumbers) {
  EXPECT_EQ(run({"--prompt", "a", "--kv-memory", "2G"}), 69);
  EXPECT_NE(err_.find("error[RT_KV_MEMORY] --kv-memory is 2.00 GiB, and beside the engine the device has 9"),
            std::string::npos)
      << err_;
  scripted_.script().freeBytes = 20 << 10;
  EXPECT_EQ(run({"--prompt", "a"}), 69);
  EXPECT_NE(err_.find("error[CU_MEMORY] the engine does not fit: weights"), std::string::npos) << err_;
  EXPECT_NE(err_.find("20.0 KiB of 2.00 GiB are free on cuda:0 Scripted GPU"), std::string::npos) << err_;
}

/// The least memory that is enough, and a page, a byte less.
TEST_F(RunOnDevice, OnePageTooFewIsRefusedBeforeAnythingIsAllocated) {
  constexpr uint64_t kPage = 8192;
  const auto statusWith = [&](uint64_t free) {
    scripted_.script().freeBytes = free;
    return run({"--prompt", "de", "--max-tokens", "3", "--threads", "1", "--kv-memory", "64K"});
  };
  uint64_t less = 20 << 10, enough = 1 << 30;
  while (enough - less > 1) {
    const uint64_t middle = less + (enough - less) / 2;
    (statusWith(middle) == 0 ? enough : less) = middle;
  }
  ASSERT_EQ(statusWith(enough), 0) << err_;
  EXPECT_EQ(out_, "aaa\n");
  for (const uint64_t missing : {uint64_t{1}, kPage}) {
    EXPECT_EQ(statusWith(enough - missing), 69) << missing;
    EXPECT_NE(err_.find("error[RT_KV_MEMORY] --kv-memory is 64.0 KiB, and beside the engine the device has "),
              std::string::npos)
        << err_;
  }
}

TEST_F(RunOnDevice, EveryFaultAtEveryCallEndsWithItsStatus) {
  const std::vector<std::string> args = {"--prompt", "de", "--max-tokens", "3", "--threads", "1"};
  ASSERT_EQ(run(args), 0);
  const uint64_t calls = scripted_.script().calls;
  int told = 0;
  for (const auto& [code, exit] : {std::pair{700, 71}, {2, 69}}) {
    for (uint64_t call = 2; call <= calls; ++call) {
      scripted_.reset();
      addKernels();
      scripted_.script().failAt = call;
      scripted_.script().failCode = code;
      const int status = run(args);
      EXPECT_TRUE(status == exit || status == 0) << call << " " << err_;
      EXPECT_EQ(err_.find("error[") != std::string::npos, status != 0);
      told += status != 0;
      ASSERT_EQ(scripted_.alive(), 0u);
    }
  }
  EXPECT_GT(told, static_cast<int>(calls));
}

/// An engine for both targets.
class RunOfBoth : public RunOnDevice {
 protected:
  RunOfBoth() { engine_.write(letterEngineOfBoth()); }

  /// The code section that a generation of two tokens ran; empty when it failed.
  std::string level(std::vector<std::string> flags) {
    scripted_.script().launches = scripted_.script().graphLaunches = 0;
    flags.insert(flags.end(), {"--bench", "--prompt-tokens", "8", "--output-tokens", "4", "--repeat", "1", "--json",
                               "--threads", "1"});
    if (run(flags) != 0) return "";
    const std::string name = nlohmann::json::parse(out_)["level"];
    EXPECT_EQ(scripted_.script().launches > 0, name.starts_with("cuda:")) << name;
    return name;
  }
};

TEST_F(RunOfBoth, TakesTheDeviceUnlessToldOtherwise) {
  EXPECT_EQ(level({}), "cuda:sm_90a") << err_;
  EXPECT_EQ(level({"--device", "auto"}), "cuda:sm_90a") << err_;
  EXPECT_EQ(level({"--device", "cuda:0"}), "cuda:sm_90a") << err_;
  EXPECT_EQ(level({"--device", "cpu"}).substr(0, 6), "x86-64") << err_;
  EXPECT_EQ(level({"--no-graphs"}), "cuda:sm_90a") << err_;
}

TEST_F(RunOfBoth, TakesTheCpuWithoutADeviceOrCodeForIt) {
  scripted_.script().devices = 0;
  EXPECT_EQ(level({}).substr(0, 6), "x86-64") << err_;
  EXPECT_NE(err_.find("runs on the CPU, although there is a driver: the CUDA driver finds no device"),
            std::string::npos)
      << err_;
  scripted_.script().devices = 1;
  scripted_.script().major = 8;
  EXPECT_EQ(level({}).substr(0, 6), "x86-64") << err_;
  EXPECT_NE(err_.find("runs on the CPU, although there is a driver: the engine holds code for cuda:sm_90a"),
            std::string::npos)
      << err_;
}

TEST_F(RunOfBoth, TakesTheCpuWhereTheDriverIsTooOldOrRefusesTheCode) {
  scripted_.script().version = 12040;
  EXPECT_EQ(level({}).substr(0, 6), "x86-64") << err_;
  EXPECT_NE(err_.find("the CUDA driver is one for CUDA 12.4, the engine's code needs one for 13.0 or later"),
            std::string::npos)
      << err_;
  expectRefusals({{{"--prompt", "a", "--device", "cuda:0"}, 69, "CU_OLD_DRIVER"}});
  EXPECT_EQ(scripted_.alive(), 0u);
  scripted_.script().version = 13000;
  EXPECT_EQ(level({}), "cuda:sm_90a") << err_;
}

TEST_F(RunOfBoth, WhatIsAskedForByNameIsNotReplaced) {
  scripted_.script().major = 8;
  expectRefusals({{{"--prompt", "a", "--device", "cuda:0"}, 78, "CU_NO_CODE"},
                  {{"--prompt", "a", "--device", "cuda:1"}, 69, "CU_NO_DEVICE"},
                  {{"--prompt", "a", "--device", "gpu"}, 64, "CLI_FLAG"},
                  {{"--prompt", "a", "--no-graphs"}, 64, "CLI_FLAG"}});
}

TEST_F(RunOfBoth, TakesTheCpuWhereTheDevicesMemoryIsShortAndSaysSo) {
  scripted_.script().freeBytes = 20 << 10;
  for (const auto& flags : std::vector<std::vector<std::string>>{{}, {"--device", "auto"}}) {
    EXPECT_EQ(level(flags).substr(0, 6), "x86-64") << err_;
    EXPECT_NE(err_.find("runs on the CPU, because the device's memory does not suffice: the engine does not fit: "
                        "weights "),
              std::string::npos)
        << err_;
    EXPECT_NE(err_.find("20.0 KiB of 2.00 GiB are free on cuda:0 Scripted GPU"), std::string::npos) << err_;
    EXPECT_EQ(scripted_.alive(), 0u);
  }
  ASSERT_EQ(run({"--prompt", "de", "--max-tokens", "5", "--threads", "1"}), 0) << err_;  // with its tokenizer
  EXPECT_EQ(out_, "aaaaa\n");
  expectRefusals({{{"--prompt", "a", "--device", "cuda:0"}, 69, "CU_MEMORY"},
                  {{"--prompt", "a", "--device", "cuda"}, 69, "CU_MEMORY"},
                  {{"--prompt", "a", "--no-graphs"}, 69, "CU_MEMORY"}});  // asks for a device
  // The cache alone is too much for the device.
  scripted_.script().freeBytes = uint64_t{1} << 30;
  EXPECT_EQ(level({"--kv-memory", "1G"}).substr(0, 6), "x86-64") << err_;
  EXPECT_NE(err_.find("does not suffice: --kv-memory is 1.00 GiB, and beside the engine the device has 9"),
            std::string::npos)
      << err_;
  expectRefusals({{{"--prompt", "a", "--device", "cuda:0", "--kv-memory", "1G"}, 69, "RT_KV_MEMORY"}});
}

/// Memory that somebody else takes while the engine is loaded.
TEST_F(RunOfBoth, TakesTheCpuWhereMemoryRunsOutOnTheWay) {
  const std::vector<std::string> args = {"--prompt", "de", "--max-tokens", "3", "--threads", "1"};
  ASSERT_EQ(run(args), 0) << err_;
  const uint64_t calls = scripted_.script().calls;
  int onCpu = 0;
  for (uint64_t call = 2; call <= calls; ++call) {
    scripted_.reset();
    addKernels();
    scripted_.script().failAt = call;
    scripted_.script().failCode = 2;
    const int status = run(args);
    ASSERT_EQ(scripted_.alive(), 0u) << call;
    if (err_.find("runs on the CPU, because the device's memory does not suffice") == std::string::npos) continue;
    ++onCpu;
    EXPECT_EQ(status, 0) << call << " " << err_;
    EXPECT_EQ(out_, "aaa\n");
  }
  EXPECT_GT(onCpu, 3);
}

TEST_F(RunOfBoth, ItsGoldenTokensAreTheCpus) {
  expectRefusals({{{"--selftest", "--threads", "1"}, 78, "EN_SELFTEST"}});
  EXPECT_EQ(run({"--selftest", "--device", "cpu", "--threads", "1"}), 0) << err_;
  EXPECT_EQ(run({"--check"}), 0) << err_;
  EXPECT_EQ(run({"--tokenize", "abc"}), 0) << err_;
}

TEST_F(Run, ACpuEngineRefusesADevice) {
  expectRefusals(
      {{{"--prompt", "a", "--device", "cuda:0"}, 78, "RT_DEVICE"}, {{"--prompt", "a", "--no-graphs"}, 64, "CLI_FLAG"}});
  EXPECT_EQ(run({"--prompt", "a", "--device", "cpu", "--max-tokens", "1", "--threads", "1"}), 0) << err_;
  EXPECT_EQ(run({"--prompt", "a", "--device", "auto", "--max-tokens", "1", "--threads", "1"}), 0) << err_;
}

}  // namespace
}  // namespace llmc::rt::test
