// Small PTX kernels written in tests: one argument block of words, run in the emulator.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/emulator/ptx_program.h"

namespace llmc::emu {

/// A kernel whose words are %w0, %w1, ... (b64); `body` may use the registers declared here: %r, %f, %h, %d, %x (b64)
/// and %p of two digits, %tid = the thread's number.
inline std::string ptxEntry(const std::string& name, const std::string& body, int words) {
  std::string text = "\n.visible .entry " + name + "(.param .align 8 .b8 args[" + std::to_string(8 * words) +
                     "])\n{\n"
                     ".reg .b32 %r<100>;\n.reg .f32 %f<100>;\n.reg .b16 %h<100>;\n.reg .f64 %d<100>;\n"
                     ".reg .b64 %x<100>;\n.reg .pred %p<100>;\n.reg .b64 %w<10>;\n.reg .b32 %tid;\n"
                     "mov.u32 %tid, %tid.x;\n";
  for (int i = 0; i < words; ++i)
    text += "ld.param.u64 %w" + std::to_string(i) + ", [args+" + std::to_string(8 * i) + "];\n";
  return text + body + "\nret;\n}\n";
}

constexpr const char* kPtxHeader = ".version 9.0\n.target sm_90a\n.address_size 64\n";

/// A module with one kernel `k`.
inline std::string ptxModule(const std::string& body, int words = 4, const std::string& globals = "") {
  return kPtxHeader + globals + ptxEntry("k", body, words);
}

/// Loads and launches; `words` are the kernel's arguments. The status of whichever failed.
inline rt::Status runPtx(const std::string& module, const std::vector<uint64_t>& words, Dim3 grid, Dim3 block,
                         uint32_t sharedBytes = 0, const LaunchChecks& checks = {}) {
  auto program = PtxProgram::load(module);
  if (!program) return program.takeStatus();
  return (*program)->launch("k", grid, block, sharedBytes, std::as_bytes(std::span(words)), checks);
}

/// One instruction, or a few, on many operands each: A, B and C are loaded as 64 bits and as parts of them, D is
/// stored. In `code` %x1..%x3 hold the operands, %r1..%r3 their low words, %h1..%h3 their low halves; the same bits are
/// %f1..%f3 and %d1..%d3; %p1 is bit 0 of the third. The result is in %x9.
struct PtxOperands {
  std::vector<uint64_t> a, b, c;
};

inline std::vector<std::vector<uint64_t>> evaluatePtx(const std::vector<std::string>& codes,
                                                      const PtxOperands& operands) {
  const auto count = (uint32_t)operands.a.size();
  std::string module = kPtxHeader;
  for (size_t i = 0; i < codes.size(); ++i)
    module += ptxEntry(
        "k" + std::to_string(i),
        "mul.wide.u32 %x10, %tid, 8;\nadd.s64 %x11, %w0, %x10;\nadd.s64 %x12, %w1, %x10;\nadd.s64 %x13, %w2, %x10;\n"
        "add.s64 %x14, %w3, %x10;\nld.global.u64 %x1, [%x11];\nld.global.u64 %x2, [%x12];\nld.global.u64 %x3, [%x13];\n"
        "cvt.u32.u64 %r1, %x1;\ncvt.u32.u64 %r2, %x2;\ncvt.u32.u64 %r3, %x3;\n"
        "cvt.u16.u64 %h1, %x1;\ncvt.u16.u64 %h2, %x2;\ncvt.u16.u64 %h3, %x3;\n"
        "mov.b32 %f1, %r1;\nmov.b32 %f2, %r2;\nmov.b32 %f3, %r3;\nmov.b64 %d1, %x1;\nmov.b64 %d2, %x2;\n"
        "mov.b64 %d3, %x3;\nand.b32 %r20, %r3, 1;\nsetp.ne.s32 %p1, %r20, 0;\n" +
            codes[i] + "\nst.global.u64 [%x14], %x9;\n",
        4);
  std::vector<std::vector<uint64_t>> results(codes.size(), std::vector<uint64_t>(count, 0xdeadbeefdeadbeef));
  auto program = PtxProgram::load(module);
  EXPECT_TRUE(program.isOk()) << program.status().toString();
  for (size_t i = 0; program.isOk() && i < codes.size(); ++i) {
    const std::vector<uint64_t> words = {(uint64_t)operands.a.data(), (uint64_t)operands.b.data(),
                                         (uint64_t)operands.c.data(), (uint64_t)results[i].data()};
    rt::Status status =
        (*program)->launch("k" + std::to_string(i), {1, 1, 1}, {count, 1, 1}, 0, std::as_bytes(std::span(words)));
    EXPECT_TRUE(status.isOk()) << codes[i] << ": " << status.toString();
  }
  return results;
}

inline std::vector<uint64_t> evaluatePtx(const std::string& code, const PtxOperands& operands) {
  return evaluatePtx(std::vector<std::string>{code}, operands)[0];
}

/// Ends of ranges, special floats of all widths, and seeded noise.
inline PtxOperands sampleOperands() {
  std::vector<uint64_t> special = {0,
                                   1,
                                   2,
                                   3,
                                   31,
                                   32,
                                   33,
                                   63,
                                   64,
                                   255,
                                   0x7fff,
                                   0x8000,
                                   0xffff,
                                   0x7fffffff,
                                   0x80000000,
                                   0xffffffff,
                                   0x7fffffffffffffff,
                                   0x8000000000000000,
                                   ~0ull,
                                   ~0ull - 4,
                                   0x3f800000,
                                   0xbf800000,
                                   0x7f800000,
                                   0xff800000,
                                   0x7fc00000,
                                   0x00000001,
                                   0x80000001,
                                   0x007fffff,
                                   0x3fc00000,
                                   0x40490fdb,
                                   0x4b000001,
                                   0xcb000001,
                                   0x5f000000,
                                   0x3c003c00,
                                   0x7c00fc00,
                                   0x3f803f80,
                                   0x3ff0000000000000,
                                   0xbff8000000000000,
                                   0x7ff0000000000000};
  PtxOperands operands;
  uint64_t noise = 88172645463325252ull;
  auto next = [&] {
    noise ^= noise << 13;
    noise ^= noise >> 7;
    noise ^= noise << 17;
    return noise;
  };
  for (size_t i = 0; i < 512; ++i) {
    auto pick = [&] { return next() % 3 == 0 ? next() : special[next() % special.size()]; };
    operands.a.push_back(pick());
    operands.b.push_back(pick());
    operands.c.push_back(pick());
  }
  return operands;
}

}  // namespace llmc::emu
