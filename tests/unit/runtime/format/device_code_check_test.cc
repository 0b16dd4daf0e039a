// Code cut at every byte, changed at every byte, of another device, kernel or argument list.
#include "runtime/format/device_code_check.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "tests/unit/runtime/format/tiny_device_code.h"

namespace llmc::rt {
namespace {

const std::vector<test::TinyKernel> kKernels = {{"embed_any", 3}, {"linear_m8", 5}};
const DeviceKernel kLinear{90, "linear_m8", 40};

DeviceKernel changed(uint32_t architecture, std::string_view symbol, uint64_t bytes) {
  return {architecture, symbol, bytes};
}

/// A copy in memory of its own, so that sanitizers see what is read behind it.
std::string cutCubin(const std::string& whole, size_t bytes, const DeviceKernel& kernel = kLinear) {
  const std::vector<char> own(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(bytes));
  return cubinFault({own.data(), own.size()}, kernel);
}

TEST(DeviceCodeCheck, WholeCodeHasNoFault) {
  for (const uint32_t architecture : {80u, 90u, 120u})
    for (const test::TinyKernel& kernel : kKernels) {
      const DeviceKernel wanted{architecture, kernel.symbol, uint64_t{8} * kernel.words};
      EXPECT_EQ(cubinFault(test::tinyCubin(architecture, kKernels), wanted), "");
      EXPECT_EQ(ptxFault(test::tinyPtx(architecture, kKernels), wanted), "");
    }
}

TEST(DeviceCodeCheck, ACubinCutAnywhere) {
  const std::string whole = test::tinyCubin(90, kKernels);
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const std::string fault = cutCubin(whole, bytes);
    if (bytes < SELFMAG)
      EXPECT_EQ(fault, " does not start as a cubin does") << bytes;
    else
      EXPECT_TRUE(fault.starts_with(" is cut: its ")) << bytes << fault;
  }
  EXPECT_EQ(cutCubin(whole, 40), " is cut: its header ends behind its 40 bytes");
  EXPECT_EQ(cutCubin(whole, whole.size() - 1),
            " is cut: its table of sections ends behind its " + std::to_string(whole.size() - 1) + " bytes");
}

TEST(DeviceCodeCheck, PtxCutAnywhere) {
  const std::string whole = test::tinyPtx(90, kKernels);
  for (size_t bytes = 0; bytes + 3 < whole.size(); ++bytes) {
    EXPECT_NE(ptxFault(whole.substr(0, bytes), kLinear), "") << bytes;
    // And ended where it was cut; behind the first function it lacks the second one.
    EXPECT_NE(ptxFault(whole.substr(0, bytes) + '\0', kLinear), "") << bytes;
  }
  EXPECT_EQ(ptxFault(whole.substr(0, whole.size() - 4) + '\0', kLinear), " is cut: its last function does not end");
  EXPECT_EQ(ptxFault(whole + whole, kLinear), " is not one zero-terminated text of PTX");
  EXPECT_EQ(ptxFault("", kLinear), " is not one zero-terminated text of PTX");
  EXPECT_EQ(ptxFault(std::string("//\0", 3), kLinear), " is not PTX: it has no line .target");
}

TEST(DeviceCodeCheck, OfAnotherDeviceKernelOrArguments) {
  const std::string cubin = test::tinyCubin(90, kKernels), ptx = test::tinyPtx(90, kKernels);
  for (const auto& [kernel, fault] : {std::pair{changed(80, "linear_m8", 40), " is code for sm_90, must be for sm_80"},
                                      {changed(90, "linear_m", 40), " has no kernel linear_m"},
                                      {changed(90, "linear_m88", 40), " has no kernel linear_m88"},
                                      {changed(90, "linear_m8", 48), " takes 40 bytes of arguments, must take 48"}}) {
    EXPECT_EQ(cubinFault(cubin, kernel), fault);
    EXPECT_EQ(ptxFault(ptx, kernel), fault);
  }
}

TEST(DeviceCodeCheck, TablesThatPointOutside) {
  const std::string whole = test::tinyCubin(90, kKernels);
  const auto faultWith = [&](auto edit) {
    std::string bytes = whole;
    Elf64_Ehdr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    Elf64_Shdr first;
    char* const at = bytes.data() + header.e_shoff + sizeof first;
    std::memcpy(&first, at, sizeof first);
    edit(header, first);
    std::memcpy(at, &first, sizeof first);
    std::memcpy(bytes.data(), &header, sizeof header);
    return cutCubin(bytes, bytes.size(), {90, "embed_any", 24});
  };
  EXPECT_EQ(faultWith([](auto&, auto&) {}), "");
  for (const uint64_t far : {uint64_t{1} << 20, ~uint64_t{0}, ~uint64_t{0} - 63}) {
    EXPECT_NE(faultWith([&](auto& header, auto&) { header.e_shoff = far; }), "");
    EXPECT_NE(faultWith([&](auto& header, auto&) { header.e_phoff = far, header.e_phnum = 1; }), "");
    EXPECT_NE(faultWith([&](auto&, auto& section) { section.sh_offset = far; }), "");
    EXPECT_NE(faultWith([&](auto&, auto& section) { section.sh_size = far; }), "");
  }
  EXPECT_EQ(faultWith([](auto& header, auto&) { header.e_machine = EM_X86_64; }), " does not start as a cubin does");
  EXPECT_EQ(faultWith([](auto& header, auto&) { header.e_shstrndx = 0; }), " has no names of sections");
  EXPECT_EQ(faultWith([](auto&, auto& section) { section.sh_name = 1u << 30; }), " has no kernel embed_any");
  EXPECT_EQ(faultWith([](auto&, auto& section) { section.sh_size = 9; }),
            " does not say what arguments embed_any takes");
}

TEST(DeviceCodeCheck, ChangedBytesReadNothingOutside) {
  const std::string whole = test::tinyCubin(90, kKernels);
  std::mt19937 random(5);
  int wrong = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = whole;
    for (uint32_t n = 0; n <= random() % 4; ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
    wrong += cutCubin(bytes, bytes.size()).empty() ? 0 : 1;
  }
  EXPECT_GT(wrong, 1000);
}

}  // namespace
}  // namespace llmc::rt
