// PTX text that is understood, and text that is refused with its line.
#include "tests/emulator/translate.h"

#include "tests/emulator/ptx_kernel.h"

namespace llmc::emu {
namespace {

TEST(TranslateTest, UnknownInstructionsAreNamedWithTheirLine) {
  for (const char* unknown : {"frobnicate.u32 %r1, %r2;", "add.frob.u32 %r1, %r2, %r3;", "ld.global.zz.u32 %r1, [%w0];",
                              "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%d1, %d2}, {%d3}, {%d4}, {%d5, %d6};",
                              "cvt.rn.bf16x2.e3m2x2 %r1, %h1;", "tcgen05.wait::ld.sync.aligned;"}) {
    auto result = translatePtx(ptxModule(std::string("mov.u32 %r2, 1;\n") + unknown, 1));
    ASSERT_FALSE(result.isOk()) << unknown;
    EXPECT_EQ(result.status().code(), "EMU_PTX");
    EXPECT_NE(result.status().message().find("PTX line 18"), std::string::npos) << result.status().message();
    EXPECT_NE(result.status().message().find(std::string(unknown).substr(0, 8)), std::string::npos)
        << result.status().message();
  }
}

TEST(TranslateTest, WhatIsNotDeclaredIsAnError) {
  EXPECT_FALSE(translatePtx(ptxModule("mov.u32 %r200x, 1;")).isOk());
  EXPECT_FALSE(translatePtx(ptxModule("bra NOWHERE;")).isOk());
  EXPECT_FALSE(translatePtx(ptxModule("mov.u64 %x1, nothing;")).isOk());
  EXPECT_FALSE(translatePtx("not PTX at all").isOk());
  EXPECT_FALSE(translatePtx(".version 9.0\n.visible .entry k() {").isOk());
}

TEST(TranslateTest, ParametersLieAsTheDeviceLaysThem) {
  auto result = translatePtx(
      ".version 9.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u32 a, .param .u64 .ptr .align 1 b, "
      ".param .u8 c, .param .align 16 .b8 d[20])\n.maxntid 96, 1, 1\n{ ret; }\n");
  ASSERT_TRUE(result.isOk()) << result.status().toString();
  const Entry& entry = result->entries.at(0);
  EXPECT_EQ(entry.params, (std::vector<std::pair<uint32_t, uint32_t>>{{0, 4}, {8, 8}, {16, 1}, {32, 20}}));
  EXPECT_EQ(entry.paramBytes, 52u);
  EXPECT_EQ(entry.maxThreads, 96u);
}

TEST(TranslateTest, FunctionsScopesTablesAndConstants) {
  uint32_t out[4] = {};
  const std::string globals = R"(
.const .align 4 .b32 table[4] = {10, 20, 30, 40};
.func (.param .b32 result) twice(.param .b32 x)
{
  .reg .b32 %r<3>;
  .local .align 4 .b8 stack[8];
  .reg .b64 %s;
  ld.param.b32 %r1, [x];
  mov.u64 %s, stack;
  st.local.u32 [%s+4], %r1;
  ld.local.u32 %r2, [%s+4];
  add.s32 %r2, %r2, %r1;
  st.param.b32 [result+0], %r2;
  ret;
}
)";
  rt::Status status = runPtx(ptxModule(R"(
    mov.u32 %r5, %ctaid.x;
    { .param .b32 param0; st.param.b32 [param0], %r5; .param .b32 retval0;
      call.uni (retval0), twice, (param0); ld.param.b32 %r6, [retval0]; }
    { .reg .b32 %r6x; mov.u32 %r6x, 7; { .reg .b32 %r6x; mov.u32 %r6x, 9; } add.s32 %r6, %r6, %r6x; }
    mov.u64 %x1, table;
    mul.wide.u32 %x2, %r5, 4;
    add.s64 %x3, %x1, %x2;
    ld.const.u32 %r7, [%x3];
    TARGETS: .branchtargets ZERO, ONE, OTHER, OTHER;
    brx.idx %r5, TARGETS;
    ZERO: mov.u32 %r8, 1000; bra END;
    ONE: mov.u32 %r8, 2000; bra END;
    OTHER: mov.u32 %r8, 3000;
    END: add.s32 %r9, %r6, %r7;
    add.s32 %r9, %r9, %r8;
    add.s64 %x4, %w0, %x2;
    st.global.u32 [%x4], %r9;
  )",
                                       1, globals),
                             {(uint64_t)out}, {4, 1, 1}, {1, 1, 1});
  ASSERT_TRUE(status.isOk()) << status.toString();
  for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(out[i], 2 * i + 7 + 10 * (i + 1) + (i < 2 ? 1000 * (i + 1) : 3000));
}

/// As each module that a device loads; the compiled text is one in the process. A kernel that leaves a count behind, as
/// one with a planted fault may, must not reach what runs beside it.
TEST(TranslateTest, EachProgramHasItsOwnVariables) {
  const std::string text =
      ptxModule("mov.u64 %x1, count; atom.global.add.u32 %r1, [%x1], 1; st.global.u32 [%w0], %r1;\n", 1,
                ".global .align 4 .u8 before[3];\n.global .align 4 .u32 count[2] = {5, 0};\n");
  const auto counted = [](PtxProgram& program, bool checked) {
    uint32_t count = 0;
    const auto word = (uint64_t)&count;
    LaunchChecks checks;
    checks.checked = checked;
    EXPECT_TRUE(program.launch("k", {1, 1, 1}, {1, 1, 1}, 0, std::as_bytes(std::span(&word, 1)), checks).isOk());
    return count;
  };
  auto one = PtxProgram::load(text).take(), two = PtxProgram::load(text).take();
  EXPECT_EQ(counted(*one, false), 5u);
  EXPECT_EQ(counted(*one, false), 6u);
  EXPECT_EQ(counted(*one, true), 7u) << "both builds are one module";
  EXPECT_EQ(counted(*two, false), 5u);
}

TEST(TranslateTest, LaunchesThatDoNotFitAreRefused) {
  auto program = PtxProgram::load(ptxModule("", 1));
  ASSERT_TRUE(program.isOk()) << program.status().toString();
  const uint64_t word = 0;
  auto bytes = std::as_bytes(std::span(&word, 1));
  EXPECT_TRUE((*program)->launch("k", {1, 1, 1}, {32, 1, 1}, 0, bytes).isOk());
  EXPECT_EQ((*program)->launch("x", {1, 1, 1}, {32, 1, 1}, 0, bytes).code(), "EMU_SYMBOL");
  EXPECT_EQ((*program)->launch("k", {1, 1, 1}, {1025, 1, 1}, 0, bytes).code(), "EMU_LAUNCH");
  EXPECT_EQ((*program)->launch("k", {0, 1, 1}, {32, 1, 1}, 0, bytes).code(), "EMU_LAUNCH");
  EXPECT_EQ((*program)->launch("k", {1, 1, 1}, {32, 1, 1}, 228 << 10, bytes).code(), "EMU_LAUNCH");
  EXPECT_EQ((*program)->launch("k", {1, 1, 1}, {32, 1, 1}, 0, bytes.first(4)).code(), "EMU_LAUNCH");
}

TEST(TranslateTest, BlocksOnSeveralThreadsDoTheSame) {
  std::vector<uint32_t> one(4096), many(4096);
  const std::string code =
      "mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mad.lo.s32 %r3, %r1, %r2, %tid;\n"
      "mul.wide.u32 %x1, %r3, 4; add.s64 %x2, %w0, %x1; mul.lo.s32 %r4, %r3, %r3;\n"
      "st.global.u32 [%x2], %r4;\n";
  LaunchChecks checks;
  checks.osThreads = 4;
  ASSERT_TRUE(runPtx(ptxModule(code, 1), {(uint64_t)one.data()}, {64, 1, 1}, {64, 1, 1}).isOk());
  ASSERT_TRUE(runPtx(ptxModule(code, 1), {(uint64_t)many.data()}, {64, 1, 1}, {64, 1, 1}, 0, checks).isOk());
  EXPECT_EQ(one, many);
  EXPECT_EQ(one[1000], 1000000u);
}

}  // namespace
}  // namespace llmc::emu
