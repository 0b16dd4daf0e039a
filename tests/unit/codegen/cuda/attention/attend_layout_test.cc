// Layouts of CUDA attention: shared memory fits on every architecture, warps and pages follow what is there.
#include "codegen/cuda/attention/AttendLayout.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

CudaAttendShape shapeOf(int64_t group, int64_t dim, int64_t splits) {
  CudaAttendShape shape;
  shape.heads = 2 * group, shape.kvHeads = 2, shape.headDim = dim, shape.layers = 1, shape.splits = splits;
  return shape;
}

TEST(AttendLayoutTest, FitsEveryArchitecture) {
  for (const Arch &arch : cudaArchs())
    for (int64_t dim = 16; dim <= 256; dim += 16)
      for (int64_t splits : {0, 8}) {
        CudaAttendLayout layout = chooseAttendLayout(shapeOf(4, dim, splits), arch);
        SCOPED_TRACE(arch.name.str() + ", heads of " + std::to_string(dim) + ", splits " + std::to_string(splits));
        EXPECT_LE(layout.sharedBytes, arch.sharedBytesMax);
        EXPECT_GE(layout.stages, 2) << "nothing is copied while a page is used";
        EXPECT_GE(layout.sharedBytes, layout.splitWarps * layout.stages * dim * 64);
        EXPECT_EQ(layout.tilePages > 0, splits == 0);
        if (layout.tilePages) {
          EXPECT_EQ(layout.tilePages % layout.scorePages, 0);
          EXPECT_LE(layout.rowBlocks * (dim / 2 + dim / 4 - 4 * layout.tileParked + 8 * layout.scorePages), 216)
              << "registers of a lane, without addresses";
        }
        EXPECT_EQ(layout.threads, 32 * (splits ? layout.splitWarps : 4));
      }
}

/// bf16 needs what f16 does; codes need half as much in the ring, and room for pages of f16.
TEST(AttendLayoutTest, OtherKindsFitToo) {
  for (const Arch &arch : cudaArchs())
    for (int64_t dim = 16; dim <= 256; dim += 16)
      for (int64_t splits : {0, 8})
        for (llm::QuantKind kind : {llm::QuantKind::BF16, llm::QuantKind::I8, llm::QuantKind::E4M3}) {
          CudaAttendShape shape = shapeOf(4, dim, splits);
          shape.kind = kind;
          CudaAttendLayout layout = chooseAttendLayout(shape, arch);
          EXPECT_LE(layout.sharedBytes, arch.sharedBytesMax) << arch.name.str() << " " << dim << " " << splits;
          EXPECT_GE(layout.stages, 2);
          const bool bytes = kind != llm::QuantKind::BF16;
          EXPECT_EQ(shape.headPageBytes(), 2 * 16 * (dim * (bytes ? 1 : 2) + (bytes ? 4 : 0)));
          EXPECT_EQ(shape.widePageBytes(), bytes ? 64 * dim : 0);
        }
}

TEST(AttendLayoutTest, TwoBlocksOnAMultiprocessor) {
  // Heads of 128 on the GPUs with most memory: 64 KiB under way a multiprocessor hide the latency of HBM.
  CudaAttendLayout layout = chooseAttendLayout(shapeOf(8, 128, 8), *findArch("sm_90a"));
  EXPECT_LE(2 * layout.sharedBytes, 227 * 1024);
  EXPECT_GE(2 * layout.splitWarps * (layout.stages - 1) * 8192, 64 * 1024);
}

TEST(AttendLayoutTest, RowsOfAGroup) {
  EXPECT_EQ(shapeOf(7, 64, 1).rowHeads(), 7);
  EXPECT_EQ(shapeOf(16, 64, 1).headBlocks(), 1);
  // Groups over 16 are shared out evenly.
  EXPECT_EQ(shapeOf(24, 64, 1).headBlocks(), 2);
  EXPECT_EQ(shapeOf(24, 64, 1).rowHeads(), 12);
  EXPECT_EQ(shapeOf(71, 64, 1).headBlocks(), 5);
  EXPECT_EQ(shapeOf(71, 64, 1).rowHeads(), 15);
}

TEST(AttendLayoutTest, DescriptionNamesTheLimit) {
  CudaAttendShape shape = shapeOf(4, 128, 8);
  EXPECT_EQ(
      describeAttend(shape, chooseAttendLayout(shape, *findArch("sm_90a"))),
      "mma f16, 4 heads of a KV head in 16 rows, 4 warps x 3 pages of 16 keys, 8 splits, 512 bytes and 2048 flops "
      "a key: 4 flops a byte, limit memory");
  shape.splits = 0;
  EXPECT_EQ(
      describeAttend(shape, chooseAttendLayout(shape, *findArch("sm_90a"))),
      "mma f16, tiles of 32 tokens x 4 heads against 64 keys a step, 512 bytes and 65536 flops a key and tile: 128 "
      "flops a byte, limit tensor cores; few rows: 4 heads of a KV head in 16 rows, 4 warps x 3 pages of 16 keys, "
      "512 bytes and 2048 flops a key: 4 flops a byte, limit memory");
  shape.splits = 8, shape.kind = llm::QuantKind::E4M3;
  EXPECT_EQ(
      describeAttend(shape, chooseAttendLayout(shape, *findArch("sm_90a"))),
      "mma f16 of e4m3, 4 heads of a KV head in 16 rows, 4 warps x 4 pages of 16 keys, 8 splits, 264 bytes and 2048 "
      "flops a key: 7.76 flops a byte, limit memory");
}

} // namespace
} // namespace llmc
