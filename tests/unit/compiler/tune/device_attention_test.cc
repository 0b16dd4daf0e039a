// Attention to be measured: a kernel for every kind of cache, steps whose pages are all there and each once, loads that
// fit the device.
#include "compiler/tune/DeviceAttention.h"

#include "codegen/cuda/attention/AttendTuning.h"
#include "compiler/tune/DeviceRun.h"
#include "runtime/format/kernel_abi.h"
#include "tests/unit/compiler/tune/scripted_context.h"
#include "gtest/gtest.h"
#include <set>

namespace llmc {
namespace {

DeviceAttention taskOf(const char *key, AttentionLoad load = {}) { return {*readAttentionKey(key), load}; }

TEST(DeviceAttention, EveryKindHasAKernel) {
  auto nvrtc = Nvrtc::load();
  if (!nvrtc)
    GTEST_SKIP() << nvrtc.status().toString();
  const Arch &arch = *findArch("sm_90a");
  for (const char *key : {"8x2x64,f16,16", "8x2x64,int8,0,window100", "4x4x128,fp8,4,softcap", "8x1x256,bf16,0"}) {
    const DeviceAttention task = taskOf(key);
    EXPECT_EQ(task.key(), key);
    const auto candidates = task.candidates(arch, 3);
    ASSERT_EQ(candidates.size(), 3u);
    EXPECT_EQ(candidates[0], attendNumbers(chooseAttendLayout(attendShape(*readAttentionKey(key)), arch)));
    auto kernel = compileCandidate(**nvrtc, arch, task, candidates[1]);
    ASSERT_TRUE(kernel) << key << ": " << kernel.status().toString();
    EXPECT_EQ(kernel->text.words, 4);
    EXPECT_NE(kernel->text.text.find(llvm::StringRef(key).contains("window") ? "window = 100" : "window = 0"),
              std::string::npos);
    EXPECT_NE(kernel->text.config.find("KV head"), std::string::npos) << kernel->text.config;
  }
  EXPECT_GT(taskOf("8x2x64,f16,16").candidates(arch, 0).size(), 50u);
}

class DeviceAttentionWorks : public ScriptedContext {};

/// Each copy of a step has pages of its own, all inside the cache, and a batch that llmc-run could have written.
void expectSound(const DeviceWork &work, int64_t tokensEach, int64_t context) {
  std::set<int32_t> seen;
  for (size_t copy = 0; copy < work.copies; ++copy) {
    const auto &batch = *reinterpret_cast<const rt::Batch *>(work.words(copy)[2]);
    ASSERT_EQ(batch.tokens, work.tokens);
    ASSERT_EQ(batch.sequences, work.sequences);
    ASSERT_EQ(batch.tokens, work.sequences * tokensEach);
    EXPECT_EQ(batch.queryStarts[0], 0);
    for (int32_t sequence = 0; sequence < batch.sequences; ++sequence) {
      EXPECT_EQ(batch.contextLens[sequence], context);
      EXPECT_EQ(batch.queryStarts[sequence + 1] - batch.queryStarts[sequence], tokensEach);
      for (int64_t page = 0; page < (context + 15) / 16; ++page)
        EXPECT_TRUE(seen.insert(batch.blockTable[sequence * batch.blockStride + page]).second) << "used twice";
    }
    for (int32_t token = 0; token < batch.tokens; ++token) {
      EXPECT_EQ(batch.tokenSeq[token], token / tokensEach);
      EXPECT_EQ(batch.positions[token], context - tokensEach + token % tokensEach);
    }
  }
}

TEST_F(DeviceAttentionWorks, StepsAreWhole) {
  scripted_.script().freeBytes = 8 << 20;
  for (const char *key : {"2x1x64,f16,4", "2x1x64,int8,0"}) {
    const bool parts = llvm::StringRef(key).ends_with("4");
    const DeviceAttention task = taskOf(key, {3, 100});
    auto works = task.works(*stream_);
    ASSERT_TRUE(works) << works.status().toString();
    ASSERT_EQ(works->works.size(), 2u);
    scripted_.openMemory(true);
    expectSound(works->works[0], parts ? 1 : 100, 100);
    expectSound(works->works[1], 1, 100);
    scripted_.openMemory(false);
    EXPECT_GT(works->works[0].copies, works->works[1].copies);
    EXPECT_EQ(works->what, parts ? "1 and 3 sequences of 100" : "a prompt of 100 tokens, 3 sequences of 100");
  }
}

TEST_F(DeviceAttentionWorks, LoadsShrinkToWhatIsFree) {
  scripted_.script().freeBytes = 16 << 20;
  const DeviceAttention task = taskOf("8x8x128,f16,16"); // a sequence of 4,096 has 16 MiB
  auto works = task.works(*stream_);
  ASSERT_TRUE(works) << works.status().toString();
  EXPECT_EQ(works->works[1].sequences, 1);
  EXPECT_EQ(works->what, "1 and 1 sequences of 1024");
  *works = {};
  scripted_.script().freeBytes = 1 << 10;
  works = task.works(*stream_);
  ASSERT_FALSE(works);
  EXPECT_EQ(works.status().code(), "CU_MEMORY");
}

/// Parts that keys fall into differently are the same result; sums of empty parts are nobody's.
TEST_F(DeviceAttentionWorks, PartsAreComparedJoined) {
  scripted_.script().freeBytes = 8 << 20;
  const DeviceAttention task = taskOf("1x1x16,f16,2", {1, 64});
  auto works = task.works(*stream_);
  ASSERT_TRUE(works) << works.status().toString();
  auto joined = [&](std::vector<float> row) {
    std::vector<uint8_t> bytes(works->works[0].outBytes);
    std::memcpy(bytes.data(), row.data(), row.size() * 4);
    return works->works[0].values(bytes);
  };
  std::vector<float> two(36, 3.0f), one(36, NAN);
  two[16] = two[34] = 1.0f, two[17] = two[35] = 2.0f; // largest score, sum of weights
  std::fill(one.begin(), one.begin() + 16, 6.0f);
  one[16] = 1.0f, one[17] = 4.0f, one[34] = -INFINITY, one[35] = 0;
  EXPECT_EQ(joined(two), std::vector<float>(16, 1.5f));
  EXPECT_EQ(joined(one), std::vector<float>(16, 1.5f));
}

} // namespace
} // namespace llmc
