// Which products an engine has, and what the search keeps.
#include "compiler/tune/TuneProducts.h"

#include "runtime/device/cpu_features.h"
#include "gtest/gtest.h"
#include <set>

namespace llmc {
namespace {

/// Adds a launch of a kernel with `classes` that reads `weight`.
void addKernel(fb::EngineT &engine, const char *family, std::vector<uint32_t> classes, uint32_t weight) {
  auto kernel = std::make_unique<fb::KernelT>();
  kernel->name = "k" + std::to_string(engine.kernels.size());
  kernel->family = family;
  for (uint32_t mMax : classes) {
    kernel->variants.push_back(std::make_unique<fb::VariantT>());
    kernel->variants.back()->m_max = mMax;
  }
  auto launch = std::make_unique<fb::LaunchT>();
  launch->kernel = static_cast<uint32_t>(engine.kernels.size());
  for (uint32_t index : {uint32_t{0}, weight}) {
    launch->args.push_back(std::make_unique<fb::ArgT>());
    launch->args.back()->kind = fb::ArgKind::Weight;
    launch->args.back()->index = index;
  }
  engine.kernels.push_back(std::move(kernel));
  engine.programs[0]->phases.push_back(std::make_unique<fb::PhaseT>());
  engine.programs[0]->phases.back()->launches.push_back(std::move(launch));
}

void addWeight(fb::EngineT &engine, uint64_t rows, uint64_t cols, const char *layout) {
  engine.weights.push_back(std::make_unique<fb::WeightT>());
  engine.weights.back()->name = "w";
  engine.weights.back()->rows = rows;
  engine.weights.back()->cols = cols;
  engine.weights.back()->layout = layout;
}

TEST(TuneProducts, FindsEachProductOnceWithAllItsClasses) {
  fb::EngineT engine;
  engine.model = std::make_unique<fb::ModelT>();
  engine.model->activations = "int8";
  engine.kv = std::make_unique<fb::KvSpecT>();
  engine.programs.push_back(std::make_unique<fb::ProgramT>());
  addWeight(engine, 576, 1, "plain");
  addWeight(engine, 4096, 576, "q4n16k4-asym");
  addWeight(engine, 960, 576, "q4n16k4-asym");
  addWeight(engine, 4096, 576, "bf16n16k2");
  addKernel(engine, "linear", {16, 64, 0}, 1);
  addKernel(engine, "linear", {1, 4}, 1);
  addKernel(engine, "linear", {1, 4}, 2);
  addKernel(engine, "linear", {1}, 3);
  addKernel(engine, "norm", {0}, 0);
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::Engine::Pack(builder, &engine));
  auto products = productsOf(*fb::GetEngine(builder.GetBufferPointer()));
  ASSERT_EQ(products.size(), 3u);
  EXPECT_EQ(productKey(products[0].shape), "960x576,q4n16k4-asym,int8");
  EXPECT_EQ(productKey(products[1].shape), "4096x576,q4n16k4-asym,int8");
  EXPECT_EQ(products[1].classes, (std::vector<int64_t>{1, 4, 16, 64, 0}));
  EXPECT_EQ(productKey(products[2].shape), "4096x576,bf16n16k2,f32");
}

/// Products of all tokens round where the engine does; the head, of selected rows, does not.
TEST(TuneProducts, InputsOfBf16AreThoseOfTheEngine) {
  fb::EngineT engine;
  engine.model = std::make_unique<fb::ModelT>();
  engine.model->activations = "bf16";
  engine.kv = std::make_unique<fb::KvSpecT>();
  engine.programs.push_back(std::make_unique<fb::ProgramT>());
  addWeight(engine, 576, 1, "plain");
  addWeight(engine, 960, 576, "bf16n16k2");
  addWeight(engine, 960, 576, "f16n16");
  addWeight(engine, 4096, 576, "bf16n16k2");
  for (uint32_t weight : {1u, 2u, 3u})
    addKernel(engine, "linear", {0}, weight);
  engine.kernels.back()->dim = fb::Dim::Row;
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::Engine::Pack(builder, &engine));
  std::set<std::string> keys;
  for (const TunableProduct &product : productsOf(*fb::GetEngine(builder.GetBufferPointer())))
    keys.insert(productKey(product.shape));
  EXPECT_EQ(keys, (std::set<std::string>{"960x576,bf16n16k2,bf16", "960x576,f16n16,f32", "4096x576,bf16n16k2,f32"}));
}

TEST(TuneProducts, KeepsWhatGainsEnoughAndNothingElse) {
  const Level *level = nullptr;
  for (const Level &each : cpuLevels())
    if (rt::supportsLevel(each.name.str(), rt::detectCpuFeatures()))
      level = &each;
  if (!level)
    GTEST_SKIP() << "no level of this machine";
  auto pool = rt::WorkerPool::create({.threads = 1});
  ASSERT_TRUE(pool);
  MatmulShape shape{64, 192, Layout::Q4N16K4Asym, ActKind::Int8, 16, 1};
  TuneOptions impossible{.sampleSeconds = 1e-4, .samples = 1, .leastGain = 0.99};
  auto none = tuneProduct(*level, shape, **pool, impossible);
  ASSERT_TRUE(none) << none.status().toString();
  EXPECT_TRUE(none->numbers.empty());
  EXPECT_GT(none->tried, 3u);
  EXPECT_EQ(none->seconds, none->tableSeconds);
  // A gain of minus anything: each value that differs is taken.
  TuneOptions everything{.sampleSeconds = 1e-4, .samples = 1, .leastGain = -1e9};
  auto all = tuneProduct(*level, shape, **pool, everything);
  ASSERT_TRUE(all) << all.status().toString();
  ASSERT_FALSE(all->numbers.empty());
  for (const TunedNumber &number : all->numbers)
    EXPECT_NE(number.name, "chunk_bytes") << "one worker deals nothing";
  TuningRecord record{"cpu", level->name.str(), "linear", productKey(shape), 16, all->numbers};
  auto database = TuningDatabase::parse(TuningDatabase::kHeader.str() + "\n" + record.print(), "found");
  EXPECT_TRUE(database) << database.status().toString();
}

} // namespace
} // namespace llmc
