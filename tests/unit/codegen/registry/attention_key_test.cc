// Keys of attention: what is printed is read back, and nothing else is.
#include "codegen/registry/AttentionKey.h"

#include "gtest/gtest.h"

namespace llmc {
namespace {

TEST(AttentionKey, ReadsWhatItPrints) {
  const std::pair<CudaAttention, const char *> cases[] = {
      {{32, 8, 128, "f16", 16, 0, false}, "32x8x128,f16,16"},
      {{9, 3, 64, "i8", 0, 4096, false}, "9x3x64,int8,0,window4096"},
      {{1, 1, 16, "e4m3", 0, 0, true}, "1x1x16,fp8,0,softcap"},
      {{16, 16, 256, "bf16", 4, 24, true}, "16x16x256,bf16,4,window24,softcap"}};
  for (const auto &[attention, key] : cases) {
    EXPECT_EQ(attentionKey(attention), key);
    EXPECT_EQ(readAttentionKey(key), attention);
  }
}

TEST(AttentionKey, NothingElseIsOne) {
  for (const char *key : {"",
                          "32x8x128",
                          "32x8x128,f16",
                          "32x8,f16,0",
                          "32x8x128x1,f16,0",
                          "32x8x128,f32,0",
                          "32x8x128,i8,0", // as --kv-cache spells it
                          "32x8x128,e4m3,0",
                          "32x7x128,f16,0", // groups
                          "8x32x128,f16,0",
                          "0x0x128,f16,0",
                          "32x8x40,f16,0",
                          "32x8x272,f16,0",
                          "32x8x128,f16,-1",
                          "32x8x128,f16,0,",
                          "32x8x128,f16,0,window",
                          "32x8x128,f16,0,window0",
                          "32x8x128,f16,0,softcap,window4", // in one order only
                          "032x8x128,f16,0",
                          "32x8x128,f16,0,sinks",
                          "99999999999x1x16,f16,0",
                          "960x576,q4m16k64-asym,1"})
    EXPECT_FALSE(readAttentionKey(key)) << key;
}

} // namespace
} // namespace llmc
