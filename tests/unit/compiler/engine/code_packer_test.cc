// What is packed against the runtime's side, and what that would refuse.
#include "compiler/engine/CodePacker.h"

#include <gtest/gtest.h>

#include "runtime/base/limits.h"
#include "runtime/format/packed_code.h"

namespace llmc {
namespace {

/// Texts as alike as those of kernels are.
std::string kernels(int count) {
  std::string text;
  for (int k = 0; k < count; ++k)
    for (int i = 0; i < 500; ++i) text += "\tfma.rn.f32 \t%f" + std::to_string(i * (k + 3)) + ", %f1, %f2, %f3;\n";
  return text;
}

TEST(CodePacker, TheRuntimeGetsWhatWasPacked) {
  for (const std::string& code : {std::string(1, '\0'), kernels(1), kernels(60)}) {
    auto frame = packCode(code);
    ASSERT_TRUE(frame) << frame.status().toString();
    std::string plain(code.size(), 'x');
    const rt::Status status =
        rt::unpackCode(std::as_bytes(std::span(*frame)), std::as_writable_bytes(std::span(plain)));
    EXPECT_TRUE(status) << status.toString();
    EXPECT_EQ(plain, code);
  }
}

TEST(CodePacker, EqualCodeEqualBytesAndFewOfThem) {
  const std::string code = kernels(60);
  auto once = packCode(code), again = packCode(code);
  ASSERT_TRUE(once && again);
  EXPECT_EQ(*once, *again);
  EXPECT_LT(once->size() * 5, code.size());
}

TEST(CodePacker, RefusesWhatNoRuntimeLoads) {
  for (uint64_t bytes : {uint64_t{0}, rt::limits::kDeviceCodeBytes + 1}) {
    auto frame = packCode(std::string_view(reinterpret_cast<const char*>(&bytes), bytes));  // not read
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.status().code(), "OUT_PACK");
    EXPECT_NE(frame.status().message().find("it has " + std::to_string(bytes)), std::string::npos);
  }
}

}  // namespace
}  // namespace llmc
