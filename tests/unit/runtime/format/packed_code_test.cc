// Frames made by zstd itself, whole, cut, changed and lying; then engines whose code is such a frame.
#include "runtime/format/packed_code.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <functional>
#include <random>
#include <string>

#include "runtime/base/limits.h"
#include "runtime/format/engine_reader.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc::rt {
namespace {

std::string packed(const std::string& plain) {
  std::string frame(ZSTD_compressBound(plain.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), plain.data(), plain.size(), 3));
  return frame;
}

/// What unpackCode() says of `frame` for a level of `bytes`; what it wrote, where it is ok. One byte more is watched.
Status unpacked(const std::string& frame, size_t bytes, std::string* plain = nullptr) {
  std::string out(bytes + 1, '\x5a');
  const Status status =
      unpackCode(std::as_bytes(std::span(frame)), std::as_writable_bytes(std::span(out.data(), bytes)));
  EXPECT_EQ(out.back(), '\x5a');
  out.pop_back();
  if (plain) *plain = out;
  return status;
}

std::string codeLike(size_t bytes) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < bytes) text += "\tfma.rn.f32 \t%f" + std::to_string(random() % 1000) + ", %f1, %f2;\n";
  text.resize(bytes);
  return text;
}

void refused(const std::string& frame, size_t bytes, const char* text) {
  const Status status = unpacked(frame, bytes);
  EXPECT_EQ(status.code(), "EN_CODE") << text;
  EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
}

TEST(PackedCode, IsWhatWasPacked) {
  for (size_t bytes : {size_t{1}, size_t{100}, size_t{300'000}}) {
    std::string plain;
    const Status status = unpacked(packed(codeLike(bytes)), bytes, &plain);
    EXPECT_TRUE(status) << status.toString();
    EXPECT_EQ(plain, codeLike(bytes));
  }
}

TEST(PackedCode, CutAtEveryByte) {
  const std::string frame = packed(codeLike(5000));
  for (size_t bytes = 0; bytes < frame.size(); ++bytes)
    EXPECT_EQ(unpacked(frame.substr(0, bytes), 5000).code(), "EN_CODE") << bytes;
  refused(frame.substr(0, frame.size() - 1), 5000, "is cut or damaged: zstd says '");
  refused("", 5000, "does not start as a zstd frame does");
}

TEST(PackedCode, OneFrameAndNothingElse) {
  const std::string frame = packed(codeLike(5000));
  refused(frame + '\0', 5000, ("ends at byte " + std::to_string(frame.size())).c_str());
  refused(frame + frame, 10'000, "ends at byte ");
  const std::string skippable("\x50\x2a\x4d\x18\x04\0\0\0abcd", 12), old("\x27\xb5\x2f\xfd\0\0\0\0", 8);
  refused(skippable + frame, 5000, "does not start as a zstd frame does");
  refused(old, 5000, "does not start as a zstd frame does");
}

TEST(PackedCode, SizesMustAgree) {
  const std::string frame = packed(codeLike(5000));
  for (size_t bytes : {size_t{1}, size_t{4999}, size_t{5001}, size_t{1} << 20})
    refused(frame, bytes, ("holds 5000 bytes, its level has " + std::to_string(bytes)).c_str());
  // A header that lies about what follows: two bytes, the size less 256.
  for (const char* lie : {"\xff\0", "\x10\x27"}) {
    std::string lying = frame;
    ASSERT_EQ(lying[4] & 0xe0, 0x60) << "a segment, its size in two bytes";
    lying.replace(5, 2, lie, 2);
    const size_t bytes = 256 + static_cast<unsigned char>(lie[0]) + 256 * static_cast<unsigned char>(lie[1]);
    EXPECT_EQ(unpacked(lying, bytes).code(), "EN_CODE") << bytes;
  }
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  std::string silent(1000, '\0');
  silent.resize(ZSTD_compress2(context, silent.data(), silent.size(), "abc", 3));
  ZSTD_freeCCtx(context);
  refused(silent, 3, "does not say its size");
}

TEST(PackedCode, ABombIsRefusedByItsSize) {
  // A megabyte of zeros in some forty bytes, and a header of a terabyte: nothing is unpacked to find out.
  const std::string bomb = packed(std::string(1 << 20, '\0'));
  EXPECT_LT(bomb.size(), 100u);
  refused(bomb, 64, "holds 1048576 bytes, its level has 64");
  const std::string terabyte("\x28\xb5\x2f\xfd\xc0\x58\0\0\0\0\0\x01\0\0\x01\0\0", 17);
  refused(terabyte, 64, "its level has 64");
}

TEST(PackedCode, ChangedBytesStayInside) {
  const std::string frame = packed(codeLike(20'000));
  std::mt19937 random(11);
  int wrong = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string changed = frame;
    for (uint32_t n = 0; n <= random() % 3; ++n) changed[random() % changed.size()] = static_cast<char>(random());
    wrong += unpacked(changed, 20'000).code() == "EN_CODE" ? 1 : 0;
  }
  EXPECT_GT(wrong, 500);  // the rest changed literals alone: digests are what finds these
}

/// A tiny engine for CUDA whose level 1, PTX, is `frame`, which its plan says to hold the tiny PTX.
struct PackedEngine {
  fb::EngineT plan = test::tinyCudaPlan();
  std::string plain = test::tinySections(plan)[test::kTinyCode1].bytes;
  std::string frame = packed(plain);
  uint64_t features = kPackedCode;
  uint32_t flags = kPacked;

  PackedEngine() { plan.levels[1]->plain_bytes = plain.size(); }

  std::string bytes() const {
    auto sections = test::tinySections(plan);
    sections[test::kTinyCode1].bytes = frame;
    return test::assemble(sections, [this](Header& header, std::vector<SectionEntry>& table) {
      header.requiredFeatures = features;
      table[test::kTinyCode1].flags = flags;
    });
  }
};

TEST(PackedCode, ALevelIsUnpackedWhenItIsUsed) {
  const PackedEngine engine;
  const test::TemporaryFile file(engine.bytes());
  auto opened = EngineFile::open(file.path());
  ASSERT_TRUE(opened) << opened.status().toString();
  const Status status = opened->activateLevel(1);
  ASSERT_TRUE(status) << status.toString();
  const auto* code = static_cast<const char*>(opened->codeAddress(1, 0));
  ASSERT_NE(code, nullptr);
  EXPECT_EQ(std::string(code, engine.plain.size()), engine.plain);
  EXPECT_EQ(opened->codeAddress(1, engine.plain.size() - 1), code + engine.plain.size() - 1);
  EXPECT_EQ(opened->codeAddress(1, engine.plain.size()), nullptr);
  EXPECT_TRUE(opened->activateLevel(0)) << "cubins as they are, as older engines have them";
}

TEST(PackedCode, PlanTableAndHeaderSayTheSame) {
  const auto refusedWith = [](const char* text, const std::function<void(PackedEngine&)>& edit) {
    PackedEngine engine;
    edit(engine);
    const Status status = checkFile(test::TemporaryFile(engine.bytes()).path());
    EXPECT_EQ(status.code(), "EN_SEMANTIC") << text << ": " << status.message();
    EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
  };
  refusedWith("there are 1 packed code sections", [](auto& e) { e.features = 0; });
  refusedWith("there are 0 packed code sections", [](auto& e) { e.flags = 0; });
  refusedWith(".flags is 2, must be 0 or 1", [](auto& e) { e.flags = 2; });
  refusedWith("levels[0].plain_bytes is 64, must be 0", [](auto& e) { e.plan.levels[0]->plain_bytes = 64; });
  for (uint64_t bad : {uint64_t{0}, limits::kDeviceCodeBytes + 1, ~uint64_t{0}})
    refusedWith("levels[1].plain_bytes is ", [&](auto& e) { e.plan.levels[1]->plain_bytes = bad; });
  refusedWith("levels[1] is of a CPU", [](auto& e) {
    e.plan = test::tinyPlan();
    e.plan.levels[1]->plain_bytes = 135;
  });
}

TEST(PackedCode, RangesCountInPlainBytes) {
  PackedEngine engine;
  const std::string less = std::to_string(engine.plain.size() - 1);
  engine.plan.levels[1]->plain_bytes = engine.plain.size() - 1;  // the second kernel ends one byte later
  const Status status = checkFile(test::TemporaryFile(engine.bytes()).path());
  EXPECT_EQ(status.code(), "EN_CODE");
  EXPECT_NE(status.message().find("the image has " + less + " bytes"), std::string::npos) << status.message();
}

TEST(PackedCode, AHostileFrameIsAnErrorOfItsLevel) {
  const auto activated = [](const std::function<void(PackedEngine&)>& edit) {
    PackedEngine engine;
    edit(engine);
    const test::TemporaryFile file(engine.bytes());
    auto opened = EngineFile::open(file.path());
    EXPECT_TRUE(opened) << opened.status().toString();
    const Status status = opened->activateLevel(1);
    EXPECT_EQ(opened->codeAddress(1, 0), nullptr);
    EXPECT_NE(status.message().find("level 'cuda:compute_90': packed code "), std::string::npos) << status.message();
    return status.code();
  };
  EXPECT_EQ(activated([](auto& e) { e.frame.pop_back(); }), "EN_CODE");
  EXPECT_EQ(activated([](auto& e) { e.frame = packed(std::string(1 << 20, '\0')); }), "EN_CODE");
  EXPECT_EQ(activated([](auto& e) { e.plan.levels[1]->plain_bytes = limits::kDeviceCodeBytes; }), "EN_CODE");
  EXPECT_EQ(activated([](auto& e) { e.frame = e.plain; }), "EN_CODE");
}

}  // namespace
}  // namespace llmc::rt
