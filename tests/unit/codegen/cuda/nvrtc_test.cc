// The compiler library: all architectures, same bytes every time, errors that say what to do.
#include "codegen/cuda/Nvrtc.h"

#include "tests/unit/codegen/cuda/nvrtc_fixture.h"
#include <gtest/gtest.h>
#include <thread>
#include <vector>

using namespace llmc;

namespace {

KernelText doubled(const std::string &symbol = "doubled") {
  KernelText kernel;
  kernel.symbol = symbol;
  kernel.text = "struct Args { u64 word[2]; };\nextern \"C\" __global__ void __launch_bounds__(64) " + symbol +
                "(const __grid_constant__ Args args) {\n"
                "  const float *x = reinterpret_cast<const float *>(args.word[0]);\n"
                "  reinterpret_cast<float *>(args.word[1])[threadIdx.x] = blockSum<64>(x[threadIdx.x]) + x[0];\n}\n";
  kernel.threads = 64;
  kernel.words = 2;
  return kernel;
}

class NvrtcTest : public NvrtcFixture {};

TEST_F(NvrtcTest, EveryArchitectureGivesCodeAndFacts) {
  for (const Arch &arch : cudaArchs()) {
    auto made = compiler().compile(doubled(), arch);
    ASSERT_TRUE(made.isOk()) << made.status().toString();
    EXPECT_EQ(made->cubin.substr(1, 3), "ELF");
    EXPECT_NE(made->ptx.find(".target " + arch.name.str()), std::string::npos) << arch.name.str();
    EXPECT_EQ(made->parameterBytes, 16);
    EXPECT_EQ(made->sharedBytes, 8) << arch.name.str(); // two warps' sums
    EXPECT_EQ(made->spillBytes, 0);
    EXPECT_GT(made->registers, 4);
    EXPECT_LE(made->registers, 255);
  }
}

TEST_F(NvrtcTest, SameBytesWithoutCacheOnManyThreads) {
  const Arch &arch = *findArch("sm_90a");
  std::vector<std::string> cubins(4);
  std::vector<std::thread> threads;
  for (std::string &cubin : cubins)
    threads.emplace_back([&] {
      // A loaded compiler of its own, and a cache that is empty: nothing is shared but the process.
      auto made = compiler().compile(doubled(), arch);
      if (made)
        cubin = made->cubin;
    });
  for (std::thread &thread : threads)
    thread.join();
  ASSERT_FALSE(cubins[0].empty());
  useCache(freshFolder());
  auto again = compiler().compile(doubled(), arch);
  ASSERT_TRUE(again.isOk());
  cubins.push_back(again->cubin);
  for (const std::string &cubin : cubins)
    EXPECT_EQ(cubin, cubins[0]);
}

TEST_F(NvrtcTest, CacheGivesWhatWasCompiled) {
  const Arch &arch = *findArch("sm_80");
  auto first = compiler().compile(doubled(), arch), second = compiler().compile(doubled(), arch);
  ASSERT_TRUE(first.isOk() && second.isOk());
  EXPECT_EQ(first->cubin, second->cubin);
  EXPECT_EQ(first->ptx, second->ptx);
  EXPECT_EQ(cachedFiles(), 1);
}

TEST_F(NvrtcTest, ErrorsInTheTextComeWithTheLog) {
  KernelText kernel = doubled();
  kernel.text += "int broken = noSuchName;\n";
  auto made = compiler().compile(kernel, *findArch("sm_80"));
  ASSERT_FALSE(made.isOk());
  EXPECT_EQ(made.status().code(), "CU_COMPILE");
  EXPECT_NE(made.status().message().find("doubled.cu(6)"), std::string::npos) << made.status().message();
  EXPECT_NE(made.status().message().find("noSuchName"), std::string::npos);
}

TEST_F(NvrtcTest, ArgumentsThatDisagreeAreRefused) {
  KernelText kernel = doubled();
  kernel.words = 3;
  auto made = compiler().compile(kernel, *findArch("sm_80"));
  ASSERT_FALSE(made.isOk());
  EXPECT_EQ(made.status().code(), "CU_PARAMS");
  EXPECT_NE(made.status().message().find("expected 24 bytes of arguments, found 16"), std::string::npos);
}

TEST_F(NvrtcTest, StackIsRefused) {
  KernelText kernel = doubled("spills");
  kernel.text =
      "struct Args { u64 word[2]; };\nextern \"C\" __global__ void spills(const __grid_constant__ Args args) {\n"
      "  const int *x = reinterpret_cast<const int *>(args.word[0]);\n  int kept[64];\n"
      "  for (int i = 0; i < 64; ++i) kept[x[i] & 63] = i;\n"
      "  reinterpret_cast<int *>(args.word[1])[threadIdx.x] = kept[x[threadIdx.x] & 63];\n}\n";
  auto made = compiler().compile(kernel, *findArch("sm_90a"));
  ASSERT_FALSE(made.isOk());
  EXPECT_EQ(made.status().code(), "CU_SPILL");
  EXPECT_NE(made.status().message().find("256 bytes of stack"), std::string::npos) << made.status().message();
}

TEST_F(NvrtcTest, MoreSharedMemoryThanABlockHasIsRefused) {
  KernelText kernel = doubled();
  kernel.sharedBytes = 99 * 1024 - 8;
  EXPECT_TRUE(compiler().compile(kernel, *findArch("sm_86")).isOk());
  ++kernel.sharedBytes;
  auto made = compiler().compile(kernel, *findArch("sm_86"));
  ASSERT_FALSE(made.isOk());
  EXPECT_EQ(made.status().code(), "CU_SHARED");
  EXPECT_TRUE(compiler().compile(kernel, *findArch("sm_80")).isOk());
}

TEST(NvrtcMissingTest, NamesThePlaceAndTheCommand) {
  auto loaded = Nvrtc::loadFrom("/nonexistent/libnvrtc.so.13");
  ASSERT_FALSE(loaded.isOk());
  EXPECT_EQ(loaded.status().code(), "CU_NVRTC_MISSING");
  EXPECT_NE(loaded.status().message().find("/nonexistent/libnvrtc.so.13"), std::string::npos);
  EXPECT_NE(loaded.status().hint().find("pip install \"nvidia-cuda-nvrtc==13.0.*\""), std::string::npos);
}

TEST(NvrtcMissingTest, TheVariableDecidesAlone) {
  const char *before = std::getenv("LLMC_NVRTC");
  const std::string kept = before ? before : "";
  setenv("LLMC_NVRTC", "/nonexistent", 1);
  auto found = Nvrtc::find();
  before ? setenv("LLMC_NVRTC", kept.c_str(), 1) : unsetenv("LLMC_NVRTC");
  ASSERT_FALSE(found.isOk());
  EXPECT_EQ(found.status().code(), "CU_NVRTC_MISSING");
  EXPECT_NE(found.status().message().find("/nonexistent"), std::string::npos);
}

TEST(NvrtcMissingTest, ALaterReleaseIsRefused) {
  EXPECT_TRUE(Nvrtc::loadFrom(LLMC_FAKE_NVRTC_0).isOk());
  auto loaded = Nvrtc::loadFrom(LLMC_FAKE_NVRTC_1);
  ASSERT_FALSE(loaded.isOk());
  EXPECT_EQ(loaded.status().code(), "CU_NVRTC_MISSING");
  EXPECT_NE(loaded.status().message().find("version 13.0, found 13.1 in " LLMC_FAKE_NVRTC_1), std::string::npos)
      << loaded.status().message();
  EXPECT_NE(loaded.status().hint().find("pip install \"nvidia-cuda-nvrtc==13.0.*\""), std::string::npos);
}

TEST(NvrtcIdentityTest, PatchReleasesDiffer) {
  namespace fs = std::filesystem;
  const fs::path patched = fs::path(testing::TempDir()) / "patched-nvrtc.so";
  fs::copy_file(LLMC_FAKE_NVRTC_0, patched, fs::copy_options::overwrite_existing);
  fs::resize_file(patched, fs::file_size(patched) + 1);
  auto one = Nvrtc::loadFrom(LLMC_FAKE_NVRTC_0), other = Nvrtc::loadFrom(patched.string());
  fs::remove(patched);
  ASSERT_TRUE(one.isOk() && other.isOk());
  EXPECT_EQ((*one)->version(), (*other)->version());
  EXPECT_NE((*one)->identity(), (*other)->identity());
}

TEST(NvrtcMissingTest, AnotherLibraryIsNotTakenForIt) {
  auto loaded = Nvrtc::loadFrom("libc.so.6");
  ASSERT_FALSE(loaded.isOk());
  EXPECT_EQ(loaded.status().code(), "CU_NVRTC_MISSING");
  EXPECT_NE(loaded.status().message().find("not NVRTC"), std::string::npos);
}

} // namespace
