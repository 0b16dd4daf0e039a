// Records of a database for CUDA: what is not legal is told with its line.
#include "codegen/cuda/TuningRecords.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

TEST(TuningRecords, AreCheckedWithTheirLine) {
  const std::string product = "cuda sm_90a linear 4096x4096,bf16m16k16,1 ", attention = "cuda sm_90a attend 32x8x128,";
  const std::pair<std::string, const char *> cases[] = {
      {product + "8 k_warps=6", ""},
      {"cpu x86-64-v3 linear 1024x3072,bf16n16k2,f32 0 group_block=16\n" + product + "0 form=2", ""},
      {"# one\n" + product + "8 k_warps=5", "a.tuning:3: k_warps 5: expected 4, 6"},
      {product + "7 k_warps=6", "a.tuning:2: expected a row class of 8, 16, 32, 64, 512 or 0, found 7"},
      {"cuda sm_91 linear 4096x4096,bf16m16k16,1 8 k_warps=6", "a.tuning:2: unknown architecture 'sm_91'"},
      {"cuda sm_90a norm 4096 0 threads=256", "a.tuning:2: expected the family linear or attend, found 'norm'"},
      {"cuda sm_90a linear 32x8x128,f16,16 8 k_warps=6",
       "expected a product such as 960x576,q4m16k64-asym,1, found '32x8x128,f16,16'"},
      {"cuda sm_90a linear 4096x4096,bf16n16k2,1 8 k_warps=6", "found '4096x4096,bf16n16k2,1'"},
      {"cuda sm_90a linear 4096x4096,bf16m16k16,3 8 k_warps=6", "found '4096x4096,bf16m16k16,3'"},
      {"cuda sm_90a linear 4096x4096,bf16m16k16 8 k_warps=6", "found '4096x4096,bf16m16k16'"},
      {attention + "f16,16 0 parts=4 warps=2", ""},
      {attention + "f16,0 0 row_blocks=1 pages=8", ""},
      {attention + "f16,16 8 parts=4", "a.tuning:2: expected the row class 0, the only one of attention, found 8"},
      {attention + "f16,16 0 parts=5", "a.tuning:2: parts 5: expected 1, 2, 4, 8, 16 on sm_90a"},
      {attention + "f16,0 0 splits=2", "a.tuning:2: unknown number 'splits'"},
      {"cuda sm_86 attend 32x8x128,f16,16 0 stages=4 warps=8", "warps 8: expected 1, 2 on sm_86"},
      {"cuda sm_91 attend 32x8x128,f16,16 0 warps=4", "a.tuning:2: unknown architecture 'sm_91'"},
      {"cuda sm_90a attend 4096x4096,bf16m16k16,1 0 warps=4",
       "expected an attention (heads x KV heads x columns, cache, splits) such as 32x8x128,f16,16, found"}};
  for (const auto &[text, expected] : cases) {
    auto database = TuningDatabase::parse(TuningDatabase::kHeader.str() + "\n" + text, "a.tuning");
    ASSERT_TRUE(database) << database.status().toString();
    const rt::Status status = checkCudaRecords(*database, "a.tuning");
    EXPECT_EQ(status.isOk(), std::string(expected).empty()) << text << ": " << status.toString();
    if (status)
      continue;
    EXPECT_EQ(status.code(), "TUNE_FILE");
    EXPECT_NE(status.message().find(expected), std::string::npos) << status.message() << "\n  not " << expected;
  }
}

} // namespace
} // namespace llmc
