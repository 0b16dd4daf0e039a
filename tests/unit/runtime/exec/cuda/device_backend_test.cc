// Whole steps on the scripted device: programs by tokens a sequence, graphs by sequences, every error at every call.
#include "runtime/exec/cuda/device_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "tests/unit/runtime/exec/cuda/fake_cuda_engine.h"

namespace llmc::rt {
namespace {

using test::CudaMachine;
using test::FakeEngine;

/// Logits of a row: the sum of its sequence's ids so far, the variant that ran, and whether it was the wide program's.
void expectRow(const CudaMachine& machine, uint32_t row, int sum, int variant, bool wide) {
  const auto logits = machine.executor->logits(row);
  ASSERT_EQ(logits.size(), test::kVocabulary);
  for (uint32_t v = 0; v < test::kVocabulary; ++v)
    ASSERT_FLOAT_EQ(logits[v], static_cast<float>(sum) * static_cast<float>(v + 1) +
                                   static_cast<float>(variant) * 1000 + (wide ? 0.5f : 0.0f))
        << "row " << row << " column " << v;
}

TEST(DeviceBackend, PromptsRunTheWideProgramOnScatteredPages) {
  CudaMachine machine;
  const std::vector<int32_t> first = {1, 2, 3}, second = {10, 20}, pagesA = {63, 5}, pagesB = {17};
  const StepSequence prompts[] = {{first, pagesA, 0, RowChoice::kLast, {}}, {second, pagesB, 0, RowChoice::kAll, {}}};
  ASSERT_TRUE(machine.executor->step(prompts));
  ASSERT_EQ(machine.executor->rows(), 3u);
  expectRow(machine, 0, 6, 2, true);
  expectRow(machine, 1, 10, 2, true);
  expectRow(machine, 2, 30, 2, true);
  EXPECT_EQ(machine.scripted.script().graphLaunches, 0u);
  EXPECT_EQ(machine.scripted.script().launches, 3u);
}

TEST(DeviceBackend, DecodedStepsRunTheGraphOfTheirBucket) {
  CudaMachine machine({16, 8, 6, 200});
  EXPECT_EQ(machine.backend->graphs(), 4u);  // 1, 2, 4, 6
  std::vector<std::vector<int32_t>> pages;
  for (int32_t s = 0; s < 6; ++s) pages.push_back({s * 3, s * 3 + 1});
  std::vector<int> sums(6, 0);
  for (uint32_t step = 0; step < 20; ++step) {
    for (size_t count = 1; count <= 6; ++count) {
      if (step > 0 && count < 6) continue;
      std::vector<int32_t> ids(count);
      std::vector<StepSequence> batch;
      for (size_t s = 0; s < count; ++s) {
        ids[s] = static_cast<int32_t>((step * 7 + s * 3) % 30);
        batch.push_back({std::span(ids).subspan(s, 1), pages[s], step, RowChoice::kLast, {}});
      }
      const uint64_t graphs = machine.scripted.script().graphLaunches;
      ASSERT_TRUE(machine.executor->step(batch));
      EXPECT_EQ(machine.scripted.script().graphLaunches, graphs + 1);
      for (size_t s = 0; s < count; ++s) {
        const int sum = (step == 0 ? 0 : sums[s]) + ids[s];
        expectRow(machine, static_cast<uint32_t>(s), sum, count == 1 ? 1 : 2, false);
        if (count == 6) sums[s] = sum;
      }
    }
  }
}

TEST(DeviceBackend, GraphsGiveWhatLaunchesGive) {
  CudaMachine machine({16, 8, 4, 200}, {.graphs = true});
  std::vector<std::vector<float>> expected;
  const std::vector<int32_t> pages[] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
  const auto run = [&](Executor& executor) {
    std::mt19937 again(17);
    for (uint32_t step = 0; step < 30; ++step) {
      const size_t count = 1 + again() % 4;
      std::vector<int32_t> ids(4);
      for (auto& id : ids) id = static_cast<int32_t>(again() % 39);
      std::vector<StepSequence> batch;
      for (size_t s = 0; s < count; ++s)
        batch.push_back({std::span(ids).subspan(s, 1), pages[s], 0, s == 2 ? RowChoice::kNone : RowChoice::kLast, {}});
      ASSERT_TRUE(executor.step(batch));
      for (uint32_t row = 0; row < executor.rows(); ++row) {
        const auto logits = executor.logits(row);
        expected.emplace_back(logits.begin(), logits.end());
      }
    }
  };
  run(*machine.executor);
  const auto graphs = std::move(expected);
  expected.clear();
  auto device = machine.engine.load(*machine.context);
  ASSERT_TRUE(device);
  auto eager = cuda::DeviceBackend::create(*machine.stream, device.take(), {16, 8, 4, 200}, machine.kv.address(),
                                           {.graphs = false});
  ASSERT_TRUE(eager);
  EXPECT_EQ((*eager)->graphs(), 0u);
  auto executor = Executor::create(eager.take(), machine.engine.plan(), *machine.pool, {16, 8, 4, 200}, 64).take();
  const uint64_t launched = machine.scripted.script().graphLaunches;
  run(*executor);
  EXPECT_EQ(machine.scripted.script().graphLaunches, launched);
  EXPECT_EQ(graphs, expected);
}

TEST(DeviceBackend, InvariantStepsTakeTheLastProgramAndVariant) {
  CudaMachine machine({16, 8, 4, 200}, {.numerics = Numerics::kInvariant});
  const std::vector<int32_t> id = {7}, pages = {9};
  const StepSequence step{id, pages, 0, RowChoice::kLast, {}};
  ASSERT_TRUE(machine.executor->step(std::span(&step, 1)));
  expectRow(machine, 0, 7, 2, true);
  EXPECT_EQ(machine.backend->graphs(), 0u);
}

TEST(DeviceBackend, RowsGrowBeyondTheSequences) {
  CudaMachine machine({64, 40, 2, 200});
  std::vector<int32_t> ids(40, 1), pages = {1, 2, 3};
  const StepSequence step{ids, pages, 0, RowChoice::kAll, {}};
  ASSERT_TRUE(machine.executor->step(std::span(&step, 1)));
  for (uint32_t row = 0; row < 40; ++row) expectRow(machine, row, static_cast<int>(row) + 1, 2, true);
}

TEST(DeviceBackend, LogitsThatNobodyReadsStayOnTheDevice) {
  CudaMachine machine({16, 8, 6, 200});
  const std::vector<int32_t> pages[] = {{1}, {2}, {3}, {4}, {5}};
  const std::vector<int32_t> ids = {1, 2, 3, 4, 5};
  const auto run = [&](const std::vector<bool>& read, int32_t more) {
    std::vector<int32_t> now(5);
    std::vector<StepSequence> batch;
    for (size_t s = 0; s < 5; ++s) {
      now[s] = ids[s] + more;
      batch.push_back({std::span(now).subspan(s, 1), pages[s], 0, RowChoice::kLast, {}, /*apart=*/false, read[s]});
    }
    ASSERT_TRUE(machine.executor->step(batch));
  };
  run({true, true, true, true, true}, 0);
  run({false, true, true, false, true}, 10);
  for (uint32_t row = 0; row < 5; ++row) {
    const bool copied = row != 0 && row != 3;
    // What was not copied is what the step before has left.
    expectRow(machine, row, ids[row] + (copied ? 10 : 0), 2, false);
    const auto tiles = machine.executor->tiles(row);
    ASSERT_EQ(tiles.size(), 2 * FakeEngine::kTiles);
    EXPECT_EQ(tiles[2], static_cast<float>((ids[row] + 10) * 40 + 2000));
    EXPECT_EQ(tiles[5], 39.0f);
  }
  run({false, false, false, false, false}, 20);
  EXPECT_EQ(machine.executor->tiles(4)[2], static_cast<float>(25 * 40 + 2000));
}

TEST(DeviceBackend, SampledRowsComeAsTokensAndLeaveTheirLogitsOnTheDevice) {
  CudaMachine machine({16, 8, 6, 200}, {}, /*samples=*/true);
  ASSERT_TRUE(machine.executor->samples());
  const std::vector<int32_t> pages[] = {{1}, {2}, {3}};
  std::vector<cuda::SampleRow> rows(3);
  rows[0].mode = rows[2].mode = cuda::SampleMode::kBest;
  rows[2].edits = 1;
  const cuda::SampleEdit edit{39, cuda::kEditForbidden, 0, 0};
  const auto run = [&](int32_t id, const StepSampling& sampling) {
    const std::vector<int32_t> ids = {id, id + 1, id + 2};
    std::vector<StepSequence> batch;
    for (size_t s = 0; s < 3; ++s) batch.push_back({std::span(ids).subspan(s, 1), pages[s], 0, RowChoice::kLast, {}});
    return machine.executor->step(batch, sampling);
  };
  ASSERT_TRUE(run(1, {}));
  EXPECT_EQ(machine.executor->token(0), -1);  // nobody asked
  EXPECT_FALSE(machine.executor->tiles(0).empty());
  ASSERT_TRUE(run(11, {rows, {&edit, 1}}));
  EXPECT_EQ(machine.executor->token(0), 39);
  EXPECT_EQ(machine.executor->token(1), -1);
  EXPECT_EQ(machine.executor->token(2), 38);
  EXPECT_TRUE(machine.executor->tiles(0).empty());
  expectRow(machine, 0, 1, 2, false);  // of the step before: not copied
  expectRow(machine, 1, 12, 2, false);
  ASSERT_TRUE(machine.executor->fetchLogits(2));
  expectRow(machine, 2, 13, 2, false);
  EXPECT_EQ(run(1, {std::span(rows).first(2), {}}).code(), "RT_STEP");
  const std::vector<cuda::SampleEdit> many(cuda::kMostEdits + 1);
  EXPECT_EQ(run(1, {rows, many}).code(), "RT_STEP");
  EXPECT_EQ(CudaMachine().executor->samples(), false);
}

/// Decodes three sequences for `steps` steps, each on the tokens of the one before; with `ahead` steps a second one
/// under way. Tokens of all steps.
std::vector<int32_t> decode(CudaMachine& machine, uint32_t steps, bool ahead) {
  Executor& executor = *machine.executor;
  const std::vector<int32_t> pages[] = {{1, 9}, {2, 8}, {3, 7}};
  const std::vector<cuda::SampleRow> rows(3, {.mode = cuda::SampleMode::kBest, .edits = 39});
  // Each step would give the last token always: all but the sum's are forbidden in turn.
  std::vector<cuda::SampleEdit> edits;
  std::vector<int32_t> tokens, ids = {5, 11, 20};
  const auto start = [&](uint32_t step) {
    edits.clear();
    for (int32_t id = 0; id < 40; ++id)
      if (id != static_cast<int32_t>(step * 7 % 40)) edits.push_back({id, cuda::kEditForbidden, 0, 0});
    // The middle sequence changes places with the last one in every step.
    std::vector<StepSequence> batch;
    for (const size_t s : step % 2 ? std::array<size_t, 3>{0, 2, 1} : std::array<size_t, 3>{0, 1, 2})
      batch.push_back({std::span(ids).subspan(s, 1), pages[s], step, RowChoice::kLast, {}});
    return executor.start(batch, {rows, edits});
  };
  const auto finish = [&](uint32_t step) {
    EXPECT_TRUE(executor.finish());
    const auto row = [&](size_t s) { return static_cast<uint32_t>(s == 0 || step % 2 == 0 ? s : 3 - s); };
    for (size_t s = 0; s < 3; ++s) tokens.push_back(executor.token(row(s)));
    for (size_t s = 0; s < 3; ++s) ids[s] = executor.token(row(s));
  };
  EXPECT_TRUE(start(0));
  for (uint32_t step = 1; step < steps; ++step) {
    if (ahead) {
      const uint32_t before = step - 1;
      for (size_t s = 0; s < 3; ++s) ids[s] = -1 - static_cast<int32_t>(s == 0 || before % 2 == 0 ? s : 3 - s);
      EXPECT_TRUE(start(step));
      EXPECT_EQ(executor.underWay(), 2u);
      finish(before);
    } else {
      finish(step - 1);
      EXPECT_TRUE(start(step));
    }
  }
  finish(steps - 1);
  EXPECT_EQ(executor.underWay(), 0u);
  EXPECT_EQ(machine.scripted.script().changedSources, 0u);
  return tokens;
}

TEST(DeviceBackend, AStepTakesItsTokensFromTheOneThatRuns) {
  for (const bool graphs : {true, false}) {
    std::vector<int32_t> tokens[2];
    std::vector<float> logits[2];  // the context shows in them: pages hold what the tokens were
    for (const bool ahead : {false, true}) {
      CudaMachine machine({16, 8, 6, 200}, {.graphs = graphs}, /*samples=*/true);
      ASSERT_TRUE(machine.executor->ahead());
      tokens[ahead] = decode(machine, 20, ahead);
      for (uint32_t row = 0; row < 3; ++row) {
        ASSERT_TRUE(machine.executor->fetchLogits(row));
        logits[ahead].push_back(machine.executor->logits(row)[0]);
      }
    }
    EXPECT_EQ(tokens[0], tokens[1]);
    EXPECT_EQ(logits[0], logits[1]);
    EXPECT_EQ(std::count(tokens[0].begin(), tokens[0].end(), -1), 0);
  }
}

TEST(DeviceBackend, RefusesStepsBesideOneThatRuns) {
  CudaMachine machine({16, 8, 6, 200}, {}, /*samples=*/true);
  const std::vector<int32_t> pages = {1}, first = {3}, next = {-1}, wrong = {-2};
  const std::vector<cuda::SampleRow> best(1, {.mode = cuda::SampleMode::kBest});
  const auto start = [&](CudaMachine& on, const std::vector<int32_t>& ids, const StepSampling& sampling) {
    const StepSequence step{ids, pages, 0, RowChoice::kLast, {}};
    return on.executor->start(std::span(&step, 1), sampling);
  };
  EXPECT_EQ(start(machine, next, {best, {}}).code(), "RT_TOKEN_ID");  // no step before
  ASSERT_TRUE(start(machine, first, {best, {}}));
  EXPECT_EQ(start(machine, wrong, {best, {}}).code(), "RT_TOKEN_ID");
  EXPECT_EQ(start(machine, next, {}).code(), "RT_STEP");  // the host would sample
  ASSERT_TRUE(start(machine, next, {best, {}}));
  EXPECT_EQ(start(machine, next, {best, {}}).code(), "RT_STEP");  // a third one
  ASSERT_TRUE(machine.executor->finish());
  EXPECT_EQ(machine.executor->fetchLogits(0).code(), "RT_STEP");  // the second one has written there
  ASSERT_TRUE(machine.executor->finish());
  EXPECT_TRUE(machine.executor->fetchLogits(0));
}

TEST(DeviceBackend, WithoutSamplingNoStepStartsBesideAnother) {
  CudaMachine machine;
  const std::vector<int32_t> pages = {1}, ids = {3};
  const StepSequence step{ids, pages, 0, RowChoice::kLast, {}};
  EXPECT_FALSE(machine.executor->ahead());
  ASSERT_TRUE(machine.executor->start(std::span(&step, 1)));
  EXPECT_EQ(machine.executor->start(std::span(&step, 1)).code(), "RT_STEP");
  EXPECT_TRUE(machine.executor->finish());
}

TEST(DeviceBackend, RefusesMoreTokensThanAGridCounts) {
  CudaMachine machine;
  auto device = machine.engine.load(*machine.context);
  ASSERT_TRUE(device);
  auto backend = cuda::DeviceBackend::create(*machine.stream, device.take(), {70'000, 8, 4, 200}, machine.kv.address());
  ASSERT_FALSE(backend);
  EXPECT_EQ(backend.status().code(), "RT_LIMITS");
}

TEST(DeviceBackend, SaysWhatItNeedsBeforeItAsksForIt) {
  CudaMachine machine;
  const auto bytes = cuda::DeviceBackend::bytesFor(machine.engine.plan(), {16, 8, 4, 200}, Numerics::kFast);
  ASSERT_TRUE(bytes);
  const auto before = machine.context->memory();
  auto device = machine.engine.load(*machine.context);
  ASSERT_TRUE(device);
  const auto loaded = machine.context->memory();
  auto backend = cuda::DeviceBackend::create(*machine.stream, device.take(), {16, 8, 4, 200}, machine.kv.address());
  ASSERT_TRUE(backend);
  const auto after = machine.context->memory();
  EXPECT_GT(before->free, loaded->free);
  const uint64_t took = loaded->free - after->free;  // in pages of 4 KiB
  EXPECT_GE(took, *bytes);
  EXPECT_LE(took, *bytes + 2 * 4096);
}

TEST(DeviceBackend, EveryErrorAtEveryCallEndsTheStepAndLeaksNothing) {
  test::ScriptedDriver scripted;
  const auto attempt = [&](uint64_t failAt, int code, uint64_t* calls) {
    Status status;
    {
      test::FakeCudaEngine engine(scripted, FakeEngine::Kind::kSums, /*samples=*/true);
      scripted.script().failAt = failAt;
      scripted.script().failCode = code;
      auto pool = WorkerPool::create({.threads = 1}).take();
      status = [&]() -> Status {
        auto driver = cuda::Driver::open(test::ScriptedDriver::path());
        LLMC_TRY(driver.status());
        auto context = cuda::Context::open(**driver, 0);
        LLMC_TRY(context.status());
        auto stream = cuda::Stream::create(**context);
        LLMC_TRY(stream.status());
        auto kv = cuda::DeviceBuffer::create(**context, 64 * FakeEngine::kPageBytes, "the KV cache");
        LLMC_TRY(kv.status());
        auto device = engine.load(**context);
        LLMC_TRY(device.status());
        auto backend = cuda::DeviceBackend::create(**stream, device.take(), {16, 8, 2, 200}, kv->address());
        LLMC_TRY(backend.status());
        auto executor = Executor::create(backend.take(), engine.plan(), *pool, {16, 8, 2, 200}, 64);
        LLMC_TRY(executor.status());
        const std::vector<int32_t> ids = {1, 2, 3, 4, 5}, pages = {2};
        const StepSequence prompt{ids, pages, 0, RowChoice::kAll, {}};
        LLMC_TRY((*executor)->step(std::span(&prompt, 1)));
        // Two steps under way at once.
        const std::vector<int32_t> last = {-1};
        const std::vector<cuda::SampleRow> best(1, {.mode = cuda::SampleMode::kBest});
        const StepSequence decoded{std::span(ids).first(1), pages, 5, RowChoice::kLast, {}};
        const StepSequence ahead{last, pages, 6, RowChoice::kLast, {}};
        LLMC_TRY((*executor)->start(std::span(&decoded, 1), {best, {}}));
        LLMC_TRY((*executor)->start(std::span(&ahead, 1), {best, {}}));
        LLMC_TRY((*executor)->finish());
        return (*executor)->finish();
      }();
    }
    if (calls) *calls = scripted.script().calls;
    return status;
  };
  uint64_t calls = 0;
  ASSERT_TRUE(attempt(0, 0, &calls));
  ASSERT_EQ(scripted.alive(), 0u);
  uint64_t told = 0;
  for (const auto& [code, name] : {std::pair{2, "CU_MEMORY"}, {1, "CU_CALL"}, {719, "CU_FAULT"}}) {
    for (uint64_t call = 2; call <= calls; ++call) {
      scripted.reset();
      const Status status = attempt(call, code, nullptr);
      EXPECT_EQ(scripted.alive(), 0u) << "call " << call << " code " << code;
      if (status) continue;
      ++told;
      EXPECT_EQ(status.code(), name) << status.toString();
    }
  }
  EXPECT_GT(told, calls * 2);  // of three codes; the rest fell on what is given back
}

}  // namespace
}  // namespace llmc::rt
