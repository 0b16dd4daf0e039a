// Facts from cubins, and files that are none.
#include "codegen/cuda/CubinInfo.h"

#include "tests/unit/codegen/cuda/nvrtc_fixture.h"

using namespace llmc;

namespace {

class CubinInfoTest : public NvrtcFixture {
protected:
  CompiledText make(const char *arch) {
    KernelText kernel;
    kernel.symbol = "reversed";
    kernel.text =
        "struct Args { u64 word[3]; };\nextern \"C\" __global__ void reversed(const __grid_constant__ Args args) {\n"
        "  __shared__ u32 kept[100];\n  kept[threadIdx.x] = *reinterpret_cast<const u32 *>(args.word[0]);\n"
        "  __syncthreads();\n  *reinterpret_cast<u32 *>(args.word[1]) = kept[99 - threadIdx.x];\n}\n";
    kernel.threads = 100;
    kernel.words = 3;
    auto made = compiler().compile(kernel, *findArch(arch));
    EXPECT_TRUE(made.isOk()) << made.status().toString();
    return made ? made.take() : CompiledText();
  }
};

TEST_F(CubinInfoTest, SharedMemoryWithoutWhatTheSystemReserves) {
  for (const char *arch : {"sm_80", "sm_90a", "sm_120a"}) {
    CompiledText made = make(arch);
    auto info = readCubin(made.cubin, "reversed");
    ASSERT_TRUE(info.isOk()) << info.status().toString();
    EXPECT_EQ(info->sharedBytes, 400) << arch;
    EXPECT_EQ(info->parameterBytes, 24) << arch;
    EXPECT_EQ(info->frameBytes, 0) << arch;
    EXPECT_GT(info->registers, 3) << arch;
  }
}

TEST_F(CubinInfoTest, OtherKernelsAndCutFilesAreErrors) {
  CompiledText made = make("sm_90a");
  auto other = readCubin(made.cubin, "reverse");
  ASSERT_FALSE(other.isOk());
  EXPECT_EQ(other.status().code(), "CU_CUBIN");
  EXPECT_NE(other.status().message().find("no kernel reverse"), std::string::npos);
  // No length may crash; those without the tables at the end are errors.
  for (size_t length = 0; length < made.cubin.size(); length += 13)
    if (auto cut = readCubin(made.cubin.substr(0, length), "reversed"); !cut)
      EXPECT_EQ(cut.status().code(), "CU_CUBIN");
  EXPECT_FALSE(readCubin(made.cubin.substr(0, made.cubin.size() / 2), "reversed").isOk());
}

TEST(CubinInfoFileTest, NotACubin) {
  for (std::string bytes : {std::string(), std::string("ELF"), std::string(200, '\x7f')}) {
    auto info = readCubin(bytes, "k");
    ASSERT_FALSE(info.isOk());
    EXPECT_EQ(info.status().code(), "CU_CUBIN");
  }
}

} // namespace
