// --bench --profile: kernels and phases of a step with their shares and limits, as a table and as JSON.
#include "runtime/main/profile_report.h"

#include "runtime/device/phase_barrier.h"
#include "runtime/exec/executor.h"
#include "tests/unit/runtime/exec/fake_engine.h"
#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

TEST_F(Run, ProfileNamesKernelsPhasesAndTheirShares) {
  ASSERT_EQ(run({"--bench", "--profile", "--prompt-tokens", "20", "--output-tokens", "6", "--repeat", "2", "--json",
                 "--threads", "2"}),
            0)
      << err_;
  const auto profile = nlohmann::json::parse(out_)["profile"];
  EXPECT_GT(profile["limits"]["read_gb_per_s"].get<double>(), 0.1);
  EXPECT_GT(profile["limits"]["f32_gop_per_s"].get<double>(), 1);
  EXPECT_EQ(profile["prefill"]["steps"], 2);
  const auto decode = profile["decode"];
  EXPECT_EQ(decode["steps"], 10);
  const double outside = decode["barrier_share"].get<double>() + decode["idle_share"].get<double>();
  EXPECT_GT(decode["barrier_share"].get<double>(), 0);
  EXPECT_GT(decode["idle_share"].get<double>(), 0);
  EXPECT_NEAR(decode["kernel_share"].get<double>() + outside, 1, 1e-6);
  double shares = outside, phases = decode["idle_share"].get<double>(), count = 0;
  for (const auto& kernel : decode["kernels"]) {
    EXPECT_FALSE(kernel["name"].get<std::string>().empty());
    EXPECT_GE(kernel["imbalance"].get<double>(), 1);
    shares += kernel["share"].get<double>();
  }
  for (const auto& phase : decode["phases"]) {
    EXPECT_FALSE(phase["kernels"].empty());
    EXPECT_LE(phase["wait_share"].get<double>(), 1);
    phases += phase["share"].get<double>();
    count += phase["per_step"].get<double>();
  }
  EXPECT_NEAR(shares, 1, 1e-6);
  EXPECT_NEAR(phases, 1, 1e-2);  // a step's end is some cycles after its last barrier
  EXPECT_EQ(decode["phases_per_step"], count);
}

TEST_F(Run, ProfileTableIsForPeople) {
  ASSERT_EQ(
      run({"--bench", "--profile", "--prompt-tokens", "4", "--output-tokens", "3", "--repeat", "1", "--threads", "1"}),
      0)
      << err_;
  EXPECT_NE(out_.find("waiting at barriers"), std::string::npos);
  EXPECT_NE(out_.find("kernel (rows at most)"), std::string::npos);
  EXPECT_NE(out_.find("phases a layer"), std::string::npos);
  EXPECT_NE(out_.find(" phases   us each   us/step  share    waiting  kernels between two barriers"),
            std::string::npos);
  EXPECT_NE(out_.find("limits: read"), std::string::npos);
  EXPECT_EQ(run({"--prompt-ids", "1", "--profile"}), 64);
}

/// Walks that never ran, with times as wanted.
class InventedTimes : public ::testing::Test {
 protected:
  FakeEngine engine_;
  Arena kv_ = Arena::map(64 * FakeEngine::kPageBytes, "test").take();
  std::unique_ptr<WorkerPool> pool_ = WorkerPool::create({.threads = 1}).take();
  std::unique_ptr<Executor> executor_ =
      Executor::create(engine_.source(), *pool_, {16, 8, 4, 200}, {kv_.data(), 64}).take();

  /// Replaces the times of each step by a second a call on worker 0, half of it on worker 1, half a second between
  /// the steps.
  class Clock : public StepObserver {
   public:
    explicit Clock(StepProfile& profile) : profile_(profile) {}
    void begin(uint64_t) override { profile_.begin(0); }
    void add(const MeasuredStep& step) override {
      const uint64_t second = tscTicks(1'000'000'000);
      WalkTimes times;
      times.begin = now_ += second / 2;
      times.starts.resize(2);
      times.ends.resize(2);
      times.opens.resize(2);
      for (size_t call = 0; call < step.walk.calls.size(); ++call) {
        for (int worker : {0, 1}) {
          times.starts[worker].push_back(now_);
          times.ends[worker].push_back(now_ + (worker ? second / 2 : second));
          times.opens[worker].push_back(now_ + second);
        }
        now_ += second;
      }
      times.end = now_;
      profile_.add({step.program, step.walk, times, step.batch});
    }
    void end(uint64_t) override {}

   private:
    StepProfile& profile_;
    uint64_t now_ = 0;
  };
};

TEST_F(InventedTimes, BecomeSharesAndRates) {
  StepProfile profile;
  Clock clock(profile);
  executor_->measure(&clock);
  const std::vector<int32_t> ids = {1, 2}, pages = {5};
  const StepSequence step[] = {{ids, pages, 0, RowChoice::kAll, {}}};
  ASSERT_TRUE(executor_->step(step));
  ASSERT_TRUE(executor_->step(step));
  executor_->measure(nullptr);
  const auto json = profileJson(profile, engine_.plan(), {});
  EXPECT_EQ(json["steps"], 2);
  EXPECT_NEAR(json["us_per_step"].get<double>(), 3.5e6, 1e4);  // three calls and half a second between
  EXPECT_NEAR(json["idle_share"].get<double>(), 0.5 / 3.5, 1e-3);
  EXPECT_NEAR(json["barrier_share"].get<double>(), 0.75 / 3.5, 1e-3);
  EXPECT_NEAR(json["kernel_share"].get<double>(), 2.25 / 3.5, 1e-3);
  EXPECT_EQ(json["phases_per_step"], 3);
  for (const auto& kernel : json["kernels"]) EXPECT_NEAR(kernel["imbalance"].get<double>(), 1 / 0.75, 1e-3);
  for (const auto& phase : json["phases"]) {
    EXPECT_NEAR(phase["wait_share"].get<double>(), 0.25, 1e-3);
    EXPECT_NEAR(phase["us_each"].get<double>(), 1e6, 1e3);
    EXPECT_NEAR(phase["us_per_step"].get<double>(), 1e6 * phase["per_step"].get<double>(), 1e3);
  }
}

/// What attention is held against, by the cache, the peaks of a level, and whether a sequence brings more than a token.
TEST_F(InventedTimes, AttentionIsHeldAgainstWhatItMultiplies) {
  struct Case {
    const char* activations;
    fb::DType cache;
    int bits;
    double bf16;
    const char *prompt, *decode;
  };
  const Case cases[] = {
      {"int8", fb::DType::F16, 256, 0, "int16", "f32"},   {"int8", fb::DType::F16, 512, 0, "f32", "f32"},
      {"int8", fb::DType::F16, 512, 9e9, "bf16", "f32"},  {"int8", fb::DType::I8, 256, 0, "int16", "int16"},
      {"int8", fb::DType::I8, 512, 9e9, "bf16", "int16"}, {"f32", fb::DType::I8, 512, 9e9, "int16", "int16"},
      {"f32", fb::DType::F16, 256, 0, "f32", "f32"},      {"bf16", fb::DType::F32, 512, 9e9, "f32", "f32"},
      {"bf16", fb::DType::F16, 512, 9e9, "f32", "f32"},
  };
  const std::vector<int32_t> ids = {1, 2}, pages = {5};
  for (const size_t tokens : {2u, 1u}) {
    StepProfile profile;
    Clock clock(profile);
    executor_->measure(&clock);
    const StepSequence step[] = {{std::span(ids).first(tokens), pages, 0, RowChoice::kAll, {}}};
    ASSERT_TRUE(executor_->step(step));
    executor_->measure(nullptr);
    for (const Case& c : cases) {
      std::unique_ptr<fb::EngineT> plan(engine_.plan().UnPack());
      plan->model->activations = c.activations;
      plan->model->heads = 4;
      plan->model->head_dim = 8;
      plan->kv->dtype = c.cache;
      for (auto& kernel : plan->kernels)
        if (kernel->name == "attend") kernel->family = "attend";
      flatbuffers::FlatBufferBuilder builder;
      builder.Finish(fb::Engine::Pack(builder, plan.get()));
      const MachineLimits limits{1e30, {8e9, 4e9, 2e9, c.bf16, "", c.bits}};
      const auto json = profileJson(profile, *fb::GetEngine(builder.GetBufferPointer()), limits);
      int seen = 0;
      for (const auto& kernel : json["kernels"]) {
        if (kernel["name"] != "attend") continue;
        ++seen;
        const std::string unit = tokens > 1 ? c.prompt : c.decode;
        EXPECT_EQ(kernel["bound"], unit) << c.activations << " " << fb::EnumNameDType(c.cache) << " " << c.bits;
        const double peak = unit == "int16" ? 4e9 : unit == "bf16" ? 9e9 : 2e9;
        EXPECT_NEAR(kernel["of_limit"].get<double>(), kernel["gop_per_s"].get<double>() * 1e9 / peak, 1e-12);
      }
      EXPECT_EQ(seen, 1);
    }
  }
}

TEST_F(InventedTimes, RowsAreThoseOfTheProgram) {
  StepProfile profile;
  Clock clock(profile);
  executor_->measure(&clock);
  const std::vector<int32_t> ids = {1}, pages = {5};
  const StepSequence step[] = {{ids, pages, 0, RowChoice::kAll, {}}};
  ASSERT_TRUE(executor_->step(step));
  executor_->measure(nullptr);
  for (const uint32_t most : {4u, 0u}) {
    std::unique_ptr<fb::EngineT> plan(engine_.plan().UnPack());
    for (auto& program : plan->programs) program->t_max = most;
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(fb::Engine::Pack(builder, plan.get()));
    const auto json = profileJson(profile, *fb::GetEngine(builder.GetBufferPointer()), {});
    for (const auto& kernel : json["kernels"])
      if (kernel["name"] == "write_kv") EXPECT_EQ(kernel["m_max"], most);
  }
}

/// Three phases a step, each of one kernel, of which as many are in layers as their origins say.
TEST_F(InventedTimes, PhasesOfALayerAreCounted) {
  StepProfile profile;
  Clock clock(profile);
  executor_->measure(&clock);
  const std::vector<int32_t> ids = {1}, pages = {5};
  const StepSequence step[] = {{ids, pages, 0, RowChoice::kAll, {}}};
  ASSERT_TRUE(executor_->step(step));
  executor_->measure(nullptr);
  struct Case {
    std::vector<std::string> origin;
    uint32_t layers;
    double expected;
  };
  const Case cases[] = {{{"layers.0.mlp", "layers.1.mlp"}, 1, 3},
                        {{"layers.0.norm", "output_norm"}, 1, 1.5},
                        {{"layers.0.mlp"}, 2, 1.5},
                        {{"head"}, 1, 0},
                        {{}, 1, 0}};
  for (const Case& c : cases) {
    std::unique_ptr<fb::EngineT> plan(engine_.plan().UnPack());
    plan->model->layers = c.layers;
    for (auto& kernel : plan->kernels) kernel->origin = c.origin;
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(fb::Engine::Pack(builder, plan.get()));
    const auto json = profileJson(profile, *fb::GetEngine(builder.GetBufferPointer()), {});
    EXPECT_NEAR(json["phases_per_layer"].get<double>(), c.expected, 1e-9);
  }
}

TEST_F(InventedTimes, StepsThatNeverRanHaveNoShares) {
  const auto json = profileJson(StepProfile(), engine_.plan(), {});
  EXPECT_EQ(profileTable(json, "decode"), "decode: no steps\n");
}

}  // namespace
}  // namespace llmc::rt::test
