// Sizes of launches, and that the words of the ABI are those of the CPU's.
#include "runtime/format/cuda_abi.h"

#include <gtest/gtest.h>

namespace llmc::rt::cuda {
namespace {

TEST(CudaAbi, BlocksOfAStep) {
  EXPECT_EQ(blocks({}, 7, 3, 2), 1u);
  EXPECT_EQ(blocks({.base = 12}, 7, 3, 2), 12u);
  EXPECT_EQ(blocks({.base = 0, .tTile = 8, .tCount = 5}, 0, 0, 0), 1u);
  EXPECT_EQ(blocks({.base = 0, .tTile = 8, .tCount = 5}, 8, 0, 0), 5u);
  EXPECT_EQ(blocks({.base = 0, .tTile = 8, .tCount = 5}, 9, 0, 0), 10u);
  EXPECT_EQ(blocks({.base = 0, .sTile = 1, .sCount = 2}, 9, 3, 0), 6u);
  EXPECT_EQ(blocks({.base = 0, .seqCount = 4}, 9, 3, 2), 8u);
  EXPECT_EQ(blocks({.base = 1, .tTile = 16, .tCount = 1, .sTile = 2, .sCount = 1, .seqCount = 1}, 17, 3, 2), 7u);
}

TEST(CudaAbi, NoSumWraps) {
  GridDim largest = {~0u, 1, ~0u, 1, ~0u, ~0u};
  EXPECT_EQ(blocks(largest, kMaxStepTokens, kMaxStepTokens, kMaxStepTokens), uint64_t{0xffffffff} * (1 + 3 * 65535));
}

}  // namespace
}  // namespace llmc::rt::cuda
