// The search on a scripted device: products as an engine's explanation names them, what is kept, what each failure
// leaves.
#include "compiler/tune/TuneDevice.h"

#include "codegen/cuda/matmul/ProductTuning.h"
#include "compiler/tune/DeviceProduct.h"
#include "tests/unit/runtime/device/cuda/scripted_driver.h"
#include "gtest/gtest.h"
#include <chrono>
#include <limits>
#include <thread>

namespace llmc {
namespace {

using rt::test::ScriptedDriver;

/// "linear 960x576,q4m16k64-asym,1 8" of each.
std::vector<std::string> namesOf(const std::vector<std::unique_ptr<DeviceTask>> &tasks) {
  std::vector<std::string> names;
  for (const auto &task : tasks)
    names.push_back(task->family() + " " + task->key() + " " + std::to_string(task->mMax()));
  return names;
}

TEST(TuneDevice, ReadsKernelsOfAnExplanation) {
  const char *text = R"({"kernels": [
    {"name": "a", "product": "960x576,q4m16k64-asym,1", "variants": [{"m_max": 8}, {"m_max": 0}, {"m_max": 8}]},
    {"name": "f", "attention": "9x3x64,f16,16", "variants": [{"m_max": 0}]},
    {"name": "b", "product": "3072x576,bf16m16k16,2", "variants": [{"m_max": 64}, {"m_max": 7}]},
    {"name": "c", "product": "960x576,q4m16k64-asym,1", "variants": [{"m_max": 16}]},
    {"name": "g", "attention": "9x3x64,f16,16", "variants": [{"m_max": 0}]},
    {"name": "h", "attention": "9x3x65,f16,16", "variants": [{"m_max": 0}]},
    {"name": "i", "attention": "9x3x64,f16,0", "variants": [{"m_max": 8}]},
    {"name": "d", "variants": [{"m_max": 0}]}]})";
  auto tasks = deviceTasksOf(text, {});
  ASSERT_TRUE(tasks) << tasks.status().toString();
  EXPECT_EQ(namesOf(*tasks),
            (std::vector<std::string>{"linear 960x576,q4m16k64-asym,1 8", "linear 960x576,q4m16k64-asym,1 16",
                                      "linear 960x576,q4m16k64-asym,1 0", "linear 3072x576,bf16m16k16,2 64",
                                      "attend 9x3x64,f16,16 0"}));
}

TEST(TuneDevice, AnExplanationWithoutProductsIsToldApart) {
  for (const char *text : {"", "{", "[]", "7", R"({"kernels": 3})", R"({"kernels": [1, null, {"product": 5}]})",
                           R"({"kernels": [{"product": "960x576", "variants": {}}]})",
                           R"({"kernels": [{"attention": "9x3x64,f16,16", "variants": [{"m_max": 0}]}]})"}) {
    auto tasks = deviceTasksOf(text, {});
    ASSERT_FALSE(tasks) << text;
    EXPECT_EQ(tasks.status().code(), "TUNE_TARGET");
  }
  EXPECT_TRUE(deviceTasksOf(R"({"kernels": [{"product": "9x5,bf16m16k16,1", "variants": 4}]})", {}));
}

/// A device on which a kernel takes as long as a test says of its grid.
class TuneOnDevice : public testing::Test {
protected:
  void SetUp() override {
    auto nvrtc = Nvrtc::load();
    if (!nvrtc)
      GTEST_SKIP() << nvrtc.status().toString();
    nvrtc_ = *nvrtc;
  }
  void TearDown() override { EXPECT_EQ(scripted_.alive(), 0u); }

  void addKernel(
      std::function<int(uint32_t x, uint32_t y)> microseconds,
      std::function<float(uint32_t y)> result = [](uint32_t) { return 1.0f; }) {
    scripted_.addKernel("product", 4, [microseconds, result](const uint64_t *words, const uint32_t *grid) {
      reinterpret_cast<float *>(words[3])[5] = result(grid[1]);
      const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(microseconds(grid[0], grid[1]));
      while (std::chrono::steady_clock::now() < end) {
      }
    });
  }
  rt::Result<DeviceTuned> tune(const DeviceTuneOptions &options) {
    auto driver = rt::cuda::Driver::open(ScriptedDriver::path());
    LLMC_TRY(driver.status());
    auto context = rt::cuda::Context::open(**driver, 0);
    LLMC_TRY(context.status());
    auto stream = rt::cuda::Stream::create(**context);
    LLMC_TRY(stream.status());
    return tuneOnDevice(*nvrtc_, *findArch("sm_90a"), **stream, DeviceProduct(shape_), options);
  }

  const Nvrtc *nvrtc_ = nullptr;
  ScriptedDriver scripted_;
  ProductShape shape_{64, 4096, Layout::BF16M16K16, 8, 1};
};

TEST_F(TuneOnDevice, KeepsWhatIsFasterThanTheModelsChoice) {
  const ProductConfig model = chooseProduct(*findArch("sm_90a"), shape_);
  const auto splits = static_cast<uint32_t>(model.splits);
  addKernel([splits](uint32_t, uint32_t y) { return y == splits ? 200 : 20; });
  size_t dumped = 0;
  DeviceTuneOptions options{.sampleSeconds = 1e-3, .samples = 3, .candidates = 8, .threads = 2};
  options.dump = [&](const std::string &name, const CompiledCandidate &product) {
    EXPECT_TRUE(llvm::StringRef(name).starts_with("linear.64x4096_bf16m16k16_1.m8.k_warps")) << name;
    EXPECT_FALSE(product.code.ptx.empty());
    ++dumped;
    return rt::Status::ok();
  };
  auto found = tune(options);
  ASSERT_TRUE(found) << found.status().toString();
  EXPECT_EQ(found->tried + found->refused, 8u);
  EXPECT_EQ(dumped, found->tried);
  ASSERT_FALSE(found->numbers.empty());
  EXPECT_LT(found->seconds, found->modelSeconds * 0.5);
  std::string fault;
  EXPECT_NE(productWith(*findArch("sm_90a"), shape_, found->numbers, fault).splits, model.splits);
  EXPECT_EQ(fault, "");
}

TEST_F(TuneOnDevice, KeepsTheModelsChoiceWhereNothingGainsEnough) {
  addKernel([](uint32_t, uint32_t) { return 50; });
  auto found = tune({.sampleSeconds = 1e-3, .samples = 3, .leastGain = 0.6, .candidates = 4});
  ASSERT_TRUE(found) << found.status().toString();
  EXPECT_TRUE(found->numbers.empty());
  EXPECT_EQ(found->seconds, found->modelSeconds);
  EXPECT_GT(found->seconds, 40e-6);
}

/// However fast it is.
TEST_F(TuneOnDevice, AConfigurationWithOtherResultsIsLeftOut) {
  const auto splits = static_cast<uint32_t>(chooseProduct(*findArch("sm_90a"), shape_).splits);
  for (const float other : {1.02f, -1.0f, std::numeric_limits<float>::quiet_NaN()}) {
    addKernel([splits](uint32_t, uint32_t y) { return y == splits ? 200 : 20; },
              [=](uint32_t y) { return y == splits ? 1.0f : other; });
    auto found = tune({.sampleSeconds = 1e-3, .samples = 3, .leastGain = 0.6, .candidates = 8, .threads = 2});
    ASSERT_TRUE(found) << found.status().toString();
    EXPECT_GT(found->wrong, 0u);
    EXPECT_LT(found->wrong, found->tried);
    EXPECT_TRUE(found->numbers.empty());
  }
  // Another order of the sums is no other result.
  addKernel([](uint32_t, uint32_t) { return 20; }, [=](uint32_t y) { return y == splits ? 1.0f : 1.005f; });
  auto found = tune({.sampleSeconds = 1e-4, .samples = 1, .candidates = 8, .threads = 2});
  ASSERT_TRUE(found) << found.status().toString();
  EXPECT_EQ(found->wrong, 0u);
}

TEST_F(TuneOnDevice, AModelsChoiceWithoutNumbersIsAnError) {
  addKernel([](uint32_t, uint32_t) { return 1; }, [](uint32_t) { return std::numeric_limits<float>::infinity(); });
  auto found = tune({.sampleSeconds = 1e-4, .samples = 1, .candidates = 2});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.status().code(), "TUNE_RESULT");
  EXPECT_NE(found.status().message().find("linear 64x4096,bf16m16k16,1 8: "), std::string::npos)
      << found.status().message();
}

/// Launches of one graph carry the mark that lets them start early, but for the first.
TEST_F(TuneOnDevice, LaunchesFollowOneAnotherAsInAStep) {
  addKernel([](uint32_t, uint32_t) { return 1; });
  ASSERT_TRUE(tune({.sampleSeconds = 1e-4, .samples = 1, .candidates = 1}));
  EXPECT_GT(scripted_.script().early, 0u);
  EXPECT_LT(scripted_.script().early, scripted_.script().launches);
}

TEST_F(TuneOnDevice, EveryFaultAtEveryCallIsTold) {
  addKernel([](uint32_t, uint32_t) { return 0; });
  const DeviceTuneOptions options{.sampleSeconds = 1e-6, .samples = 1, .candidates = 1};
  scripted_.script().freeBytes = 4 << 20;
  ASSERT_TRUE(tune(options));
  const uint64_t calls = scripted_.script().calls;
  size_t told = 0;
  for (const auto &[code, name] : {std::pair{700, "CU_FAULT"}, {2, "CU_MEMORY"}})
    for (uint64_t call = 2; call <= calls; ++call) {
      scripted_.reset();
      addKernel([](uint32_t, uint32_t) { return 0; });
      scripted_.script().freeBytes = 4 << 20;
      scripted_.script().failAt = call;
      scripted_.script().failCode = code;
      auto found = tune(options);
      ASSERT_EQ(scripted_.alive(), 0u) << call;
      if (found)
        continue; // a call that gives something back
      ++told;
      EXPECT_EQ(found.status().code(), name) << call << " " << found.status().toString();
    }
  EXPECT_GT(told, calls);
}

} // namespace
} // namespace llmc
