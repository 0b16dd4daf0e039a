// Tests of row access: ranges, un-interleaving, files that change.
#include "compiler/import/Checkpoint.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>

#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

struct Fixture {
  TempFolder folder;
  std::string path;
  std::unique_ptr<Checkpoint> checkpoint;

  Fixture(const std::string& bytes, StorageType type, std::vector<int64_t> shape) {
    path = folder.write("tensor.bin", bytes);
    auto file = SourceFile::open(path);
    TensorInfo tensor{"w", "w", type, std::move(shape), 0, 0, bytes.size(), false};
    checkpoint = std::make_unique<Checkpoint>(std::vector{*file}, std::vector{tensor});
  }
  const TensorInfo& tensor() const { return *checkpoint->lookup("w"); }
};

std::string floats(int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += bytesOf(static_cast<float>(i));
  return bytes;
}

TEST(Checkpoint, ReadsRowsAndRefusesOthers) {
  Fixture f(floats(12), StorageType::F32, {4, 3});
  std::vector<float> out(6);
  ASSERT_TRUE(f.checkpoint->rowsToFloat(f.tensor(), 1, 2, out.data()).isOk());
  EXPECT_EQ(out, (std::vector<float>{3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(codeOf(f.checkpoint->rowsToFloat(f.tensor(), 3, 2, out.data())), "IX_RANGE");
  EXPECT_EQ(codeOf(f.checkpoint->rowsToFloat(f.tensor(), -1, 1, out.data())), "IX_RANGE");
  EXPECT_EQ(f.checkpoint->lookup("v"), nullptr);
}

TEST(Checkpoint, UnpermuteFollowsTheConvertersDefinition) {
  // convert: weights.reshape(H, 2, D/2, K).swapaxes(1, 2): HF row (h, half, i) is stored as row (h, i, half).
  constexpr int kHeads = 3, kHalf = 4, kWidth = 2, kRows = kHeads * 2 * kHalf;
  std::string stored;
  for (int h = 0; h < kHeads; ++h)
    for (int i = 0; i < kHalf; ++i)
      for (int half = 0; half < 2; ++half)
        for (int k = 0; k < kWidth; ++k)
          stored += bytesOf(static_cast<float>((h * 2 * kHalf + half * kHalf + i) * kWidth + k));
  Fixture f(stored, StorageType::F32, {kRows, kWidth});
  std::vector<float> all(kRows * kWidth), part(5 * kWidth);
  ASSERT_TRUE(f.checkpoint->rowsToFloat(f.tensor(), 0, kRows, all.data(), kHeads).isOk());
  for (size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], static_cast<float>(i));
  ASSERT_TRUE(f.checkpoint->rowsToFloat(f.tensor(), 6, 5, part.data(), kHeads).isOk());  // across a head's border
  for (size_t i = 0; i < part.size(); ++i) ASSERT_EQ(part[i], static_cast<float>(12 + i));
}

TEST(Checkpoint, UnpermutesBlocksAndVectorsToo) {
  std::string block0 = bytesOf<uint16_t>(0x3c00) + std::string(16, '\x11'),
              block1 = bytesOf<uint16_t>(0x3c00) + std::string(16, '\x22');
  Fixture blocks(block0 + block1 + block0 + block1, StorageType::Q4_0, {4, 32});
  std::string out(72, '\0');
  ASSERT_TRUE(blocks.checkpoint->rowsRaw(blocks.tensor(), 0, 4, reinterpret_cast<std::byte*>(out.data()), 1).isOk());
  EXPECT_EQ(out, block0 + block0 + block1 + block1);
  Fixture bias(floats(4), StorageType::F32, {4});
  std::vector<float> values(4);
  ASSERT_TRUE(bias.checkpoint->rowsToFloat(bias.tensor(), 0, 4, values.data(), 1).isOk());
  EXPECT_EQ(values, (std::vector<float>{0, 2, 1, 3}));
}

TEST(Checkpoint, NonFiniteWeightsNeedTheFlag) {  // ST19, GG19
  Fixture f(bytesOf(1.0f) + bytesOf(std::nanf("")), StorageType::F32, {1, 2});
  float out[2];
  EXPECT_EQ(codeOf(f.checkpoint->rowsToFloat(f.tensor(), 0, 1, out)), "W_NONFINITE");
  f.checkpoint->allowNonFinite(true);
  EXPECT_EQ(codeOf(f.checkpoint->rowsToFloat(f.tensor(), 0, 1, out)), "ok");
}

TEST(Checkpoint, ShrinkingOrChangedFileGivesAnErrorAndNoSignal) {  // IX5
  float out[3];
  Fixture shrunk(floats(12), StorageType::F32, {4, 3});
  ASSERT_EQ(::truncate(shrunk.path.c_str(), 8), 0);
  EXPECT_EQ(codeOf(shrunk.checkpoint->rowsToFloat(shrunk.tensor(), 3, 1, out)), "IX_CHANGED");
  Fixture touched(floats(12), StorageType::F32, {4, 3});
  struct timespec times[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, touched.path.c_str(), times, 0), 0);
  EXPECT_EQ(codeOf(touched.checkpoint->rowsToFloat(touched.tensor(), 0, 1, out)), "IX_CHANGED");
}

TEST(Checkpoint, RankZeroAndEmptyTensorsHaveRows) {
  TensorInfo scalar{"s", "s", StorageType::F32, {}, 0, 0, 4, false},
      empty{"e", "e", StorageType::F32, {0, 5}, 0, 0, 0, false};
  EXPECT_EQ(scalar.rows() * scalar.rowLength(), 1);
  EXPECT_EQ(empty.rows() * empty.rowLength(), 0);
}

}  // namespace
}  // namespace llmc
