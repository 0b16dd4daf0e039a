// Opening of engines: what a good file gives, and that every damaged byte or missing byte is refused.
#include "runtime/format/engine_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>
#include <vector>

#include "runtime/format/kernel_abi.h"
#include "tests/unit/runtime/format/tiny_engine.h"
#include "tests/unit/sanitized.h"

namespace llmc::rt {
namespace {

using test::TemporaryFile;

std::string codeOf(const std::string& path, const OpenOptions& options = {}) {
  auto file = EngineFile::open(path, options);
  return file ? "ok" : file.status().code();
}

TEST(EngineFile, GivesWhatWasWritten) {
  TemporaryFile tiny(test::tinyEngine());
  for (Residency residency : {Residency::kMapped, Residency::kCopied}) {
    auto file = EngineFile::open(tiny.path(), {.weights = residency});
    ASSERT_TRUE(file) << file.status().toString();
    EXPECT_EQ(file->plan().model()->vocab_size(), 32u);
    EXPECT_EQ(file->text(SectionKind::kTokenizer), R"({"model":{}})");
    EXPECT_EQ(file->text(SectionKind::kTemplate), "");
    EXPECT_EQ(file->sections().size(), test::kTinyCount + 1u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(file->weightAddress(1)) % 64, 0u);
    for (int i = 0; i < 256; ++i) ASSERT_EQ(file->weightAddress(1)[i], static_cast<std::byte>(512 + i));
    EXPECT_EQ(file->weightAddress(1)[256 + kWeightsTailBytes - 1], std::byte{0});
  }
  EXPECT_TRUE(checkFile(tiny.path()));
}

TEST(EngineFile, TellsHowFarItIs) {
  TemporaryFile tiny(test::tinyEngine());
  std::vector<uint64_t> seen;
  uint64_t all = 0;
  OpenOptions options{.threads = 1, .progress = [&](uint64_t done, uint64_t total) {
                        seen.push_back(done);
                        all = total;
                      }};
  ASSERT_TRUE(EngineFile::open(tiny.path(), options));
  ASSERT_FALSE(seen.empty());
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), all);
  options.verify = Verify::kLazy;
  const uint64_t whole = std::exchange(all, 0);
  ASSERT_TRUE(EngineFile::open(tiny.path(), options));
  EXPECT_LT(all, whole) << "weights are not read then";
}

TEST(EngineFile, CodeRunsOnlyOnceActivated) {
  TemporaryFile tiny(test::tinyEngine());
  auto file = EngineFile::open(tiny.path());
  ASSERT_TRUE(file);
  EXPECT_EQ(file->codeAddress(1, 0), nullptr);
  ASSERT_TRUE(file->activateLevel(1));
  EXPECT_EQ(file->codeAddress(0, 0), nullptr);
  EXPECT_EQ(file->codeAddress(1, 1 << 20), nullptr);
  EXPECT_FALSE(file->activateLevel(2));
  auto kernel = reinterpret_cast<KernelFn>(const_cast<void*>(file->codeAddress(1, 32)));
  EXPECT_EQ(kernel(nullptr, 0, 1, nullptr), 0);
}

TEST(EngineFile, NeverWritableAndExecutable) {
  TemporaryFile tiny(test::tinyEngine());
  auto file = EngineFile::open(tiny.path());
  ASSERT_TRUE(file && file->activateLevel(0));
  std::ifstream maps("/proc/self/maps");
  int executable = 0;
  for (std::string line; std::getline(maps, line);) {
    EXPECT_EQ(line.find(" rwx"), std::string::npos) << line;
    executable += line.find(" r-xp") != std::string::npos ? 1 : 0;
  }
  EXPECT_GT(executable, 0);
}

TEST(EngineFile, CodeChangedAfterOpenIsNotMadeExecutable) {
  TemporaryFile tiny(test::tinyEngine());
  auto file = EngineFile::open(tiny.path());
  ASSERT_TRUE(file);
  int fd = ::open(tiny.path().c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(fd, "X", 1, static_cast<off_t>(file->sections()[test::kTinyCode0].offset)), 1);
  ::close(fd);
  EXPECT_EQ(file->activateLevel(0).code(), "EN_DIGEST");
  EXPECT_EQ(file->codeAddress(0, 0), nullptr);
  EXPECT_TRUE(file->activateLevel(1));
}

TEST(EngineFile, EveryShorterLengthIsRefused) {
  std::string good = test::tinyEngine();
  TemporaryFile tiny(good);
  EXPECT_EQ(codeOf(tiny.path()), "ok");
  for (size_t length = good.size(); length-- > 0;) {
    ASSERT_EQ(::truncate(tiny.path().c_str(), static_cast<off_t>(length)), 0);
    ASSERT_EQ(codeOf(tiny.path()), length == 0 ? "EN_MAGIC" : "EN_TRUNCATED") << length;
  }
}

TEST(EngineFile, OneMoreByteIsRefused) {
  EXPECT_EQ(codeOf(TemporaryFile(test::tinyEngine() + '\0').path()), "EN_TRAILING");
}

// Under a sanitizer an open is ten times slower: there one bit of each byte is flipped, another one from byte to byte.
constexpr size_t kFlipsPerByte = kSanitized ? 1 : 8;

TEST(EngineFile, EveryBitFlipIsRefused) {
  std::string good = test::tinyEngine();
  TemporaryFile tiny(good);
  int fd = ::open(tiny.path().c_str(), O_WRONLY);
  std::map<std::string, int> codes;
  for (size_t at = 0; at < good.size(); ++at) {
    for (size_t flip = 0; flip < kFlipsPerByte; ++flip) {
      size_t bit = (at + flip) % 8;
      char flipped = static_cast<char>(good[at] ^ (1 << bit));
      ASSERT_EQ(::pwrite(fd, &flipped, 1, static_cast<off_t>(at)), 1);
      std::string code = codeOf(tiny.path(), {.threads = 1});
      ASSERT_EQ(code, at < 8 ? "EN_MAGIC" : "EN_DIGEST") << "byte " << at << " bit " << bit;
      ++codes[code];
    }
    ASSERT_EQ(::pwrite(fd, &good[at], 1, static_cast<off_t>(at)), 1);
  }
  ::close(fd);
  EXPECT_EQ(codes["EN_DIGEST"] + codes["EN_MAGIC"], static_cast<int>(kFlipsPerByte * good.size()));
  EXPECT_EQ(codeOf(tiny.path()), "ok");
}

TEST(EngineFile, LazyLeavesOnlyWeightsUnchecked) {
  std::string bytes = test::tinyEngine();
  TemporaryFile tiny(bytes);
  auto file = EngineFile::open(tiny.path());
  ASSERT_TRUE(file);
  std::string weights = bytes, tokenizer = bytes;
  weights[file->sections()[test::kTinyWeights].offset + 5] ^= 1;
  tokenizer[file->sections()[test::kTinyTokenizer].offset + 5] ^= 1;
  tiny.write(weights);
  EXPECT_EQ(codeOf(tiny.path()), "EN_DIGEST");
  EXPECT_EQ(codeOf(tiny.path(), {.verify = Verify::kLazy}), "ok");
  EXPECT_EQ(codeOf(tiny.path(), {.verify = Verify::kLazy, .weights = Residency::kCopied}), "ok");
  tiny.write(tokenizer);
  EXPECT_EQ(codeOf(tiny.path(), {.verify = Verify::kLazy}), "EN_DIGEST");
  EXPECT_EQ(codeOf(tiny.path(), {.verify = Verify::kText}), "EN_DIGEST");
}

TEST(EngineFile, CodeThatATextOnlyViewLeavesIsCheckedWhenItIsActivated) {
  std::string bytes = test::tinyEngine();
  TemporaryFile tiny(bytes);
  auto whole = EngineFile::open(tiny.path());
  ASSERT_TRUE(whole);
  bytes[whole->sections()[test::kTinyCode0].offset + 5] ^= 1;
  tiny.write(bytes);
  EXPECT_EQ(codeOf(tiny.path(), {.verify = Verify::kLazy}), "EN_DIGEST");
  auto text = EngineFile::open(tiny.path(), {.verify = Verify::kText});
  ASSERT_TRUE(text);
  EXPECT_FALSE(text->text(SectionKind::kTokenizer).empty());
  EXPECT_EQ(text->activateLevel(0).code(), "EN_DIGEST");
}

TEST(EngineFile, DamageIsNamedBySectionAndChunk) {
  auto sections = test::tinySections(test::tinyPlan());
  sections[test::kTinyWeights].bytes.resize(3 * kChunkBytes + 777);
  std::string bytes = test::assemble(sections);
  TemporaryFile big(bytes);
  auto good = EngineFile::open(big.path());
  ASSERT_TRUE(good) << good.status().toString();
  uint64_t base = good->sections()[test::kTinyWeights].offset;
  bytes[base + 3 * kChunkBytes + 1] ^= 4;
  bytes[base + 2 * kChunkBytes + 9] ^= 4;
  big.write(bytes);
  for (unsigned threads : {1u, 8u}) {
    auto bad = EngineFile::open(big.path(), {.threads = threads});
    ASSERT_FALSE(bad);
    EXPECT_NE(bad.status().message().find("section weights is damaged in chunk 2"), std::string::npos)
        << bad.status().message();
    EXPECT_EQ(bad.status().message().find("'" + big.path() + "': "), 0u) << bad.status().message();
  }
}

std::string bothTargets(const fb::EngineT& cpu = test::tinyPlan(), const fb::EngineT& cuda = test::tinyCudaPlan()) {
  return test::assemble(test::tinySectionsOfBoth(cpu, cuda), test::markSeveralTargets);
}

TEST(EngineFile, OfTwoTargetsEachHasItsPlanItsCodeAndItsExplanation) {
  TemporaryFile both(bothTargets());
  auto file = EngineFile::open(both.path());
  ASSERT_TRUE(file) << file.status().toString();
  ASSERT_EQ(file->plans().size(), 2u);
  EXPECT_EQ(&file->plan(), file->plans()[0]);
  EXPECT_EQ(file->text(SectionKind::kExplain), R"({"of": "cpu"})");
  ASSERT_TRUE(file->activateLevel(0));
  file->usePlan(1);
  EXPECT_EQ(file->plan().target()->string_view(), "cuda");
  EXPECT_EQ(file->text(SectionKind::kExplain), R"({"of": "cuda"})");
  EXPECT_EQ(file->text(SectionKind::kTokenizer), R"({"model":{}})");
  EXPECT_EQ(file->codeAddress(0, 0), nullptr) << "the other plan's level is not this one's";
  ASSERT_TRUE(file->activateLevel(0));
  EXPECT_EQ(std::memcmp(file->codeAddress(0, 0),
                        "\x7f"
                        "ELF",
                        4),
            0);
  EXPECT_EQ(file->weightAddress(1), file->section(test::kTinyWeights + test::kTinyCount).data() + 512);
}

TEST(EngineFile, WhatTheTargetInUseDoesNotNeedIsNotVerified) {
  const std::string good = bothTargets();
  TemporaryFile both(good);
  auto whole = EngineFile::open(both.path());
  ASSERT_TRUE(whole);
  for (uint32_t section = 0; section + 1 < whole->sections().size(); ++section) {
    std::string bytes = good;
    bytes[whole->sections()[section].offset + 1] ^= 1;
    both.write(bytes);
    EXPECT_EQ(codeOf(both.path()), "EN_DIGEST") << section;
    for (uint32_t used : {0u, 1u}) {
      OpenOptions options;
      options.choose = [&](std::span<const fb::Engine* const> plans) {
        EXPECT_EQ(plans.size(), 2u);
        return used;
      };
      const uint32_t place = section % test::kTinyCount;
      const bool others = section < 2 * test::kTinyCount && section / test::kTinyCount != used &&
                          place >= test::kTinyCode0 && place <= test::kTinyWeights;
      EXPECT_EQ(codeOf(both.path(), options), others ? "ok" : "EN_DIGEST") << section << " for " << used;
    }
  }
}

TEST(EngineFile, PlansThatDoNotBelongTogetherAreRefused) {
  const auto refused = [](const fb::EngineT& first, const fb::EngineT& second, const std::string& why) {
    Status status = checkFile(TemporaryFile(bothTargets(first, second)).path());
    EXPECT_EQ(status.code(), "EN_SEMANTIC") << status.toString();
    EXPECT_NE(status.message().find(why), std::string::npos) << status.message();
  };
  refused(test::tinyPlan(), test::tinyPlan(), "targets of the plans are cpu and cpu, must be cpu and cuda");
  refused(test::tinyCudaPlan(), test::tinyPlan(), "are cuda and cpu");
  fb::EngineT other = test::tinyCudaPlan();
  other.model->vocab_size = 48;
  refused(test::tinyPlan(), other, "model.vocab_size of the plan for cuda is 48, must be 32");
  other = test::tinyCudaPlan();
  other.model->max_positions = 64;
  refused(test::tinyPlan(), other, "model.max_positions of the plan for cuda is 64, must be 128");
  other = test::tinyCudaPlan();
  other.kernels[1]->variants[0]->code[0]->size = 0;
  EXPECT_EQ(codeOf(TemporaryFile(bothTargets(test::tinyPlan(), other)).path()), "EN_CODE");
}

TEST(EngineFile, OtherFilesAreNotEngines) {
  EXPECT_EQ(codeOf(TemporaryFile("").path()), "EN_MAGIC");
  EXPECT_EQ(codeOf(TemporaryFile("hello\n").path()), "EN_MAGIC");
  EXPECT_EQ(codeOf(TemporaryFile(std::string("\x7f"
                                             "ELF") +
                                 std::string(9000, 'x'))
                       .path()),
            "EN_MAGIC");
  EXPECT_EQ(codeOf("/nonexistent/engine"), "EN_MISSING");
  EXPECT_EQ(exitStatus(EngineFile::open("/nonexistent/engine").status().kind()), 66);
  EXPECT_EQ(codeOf("/dev/null"), "EN_MAGIC");
  EXPECT_EQ(codeOf("/tmp"), "EN_MAGIC");
  TemporaryFile fifo("x");
  ::unlink(fifo.path().c_str());
  ASSERT_EQ(::mkfifo(fifo.path().c_str(), 0600), 0);
  EXPECT_EQ(codeOf(fifo.path()), "EN_MAGIC");
}

TEST(EngineFile, RenamedOrUnlinkedFileKeepsServing) {
  auto tiny = std::make_unique<TemporaryFile>(test::tinyEngine());
  auto file = EngineFile::open(tiny->path());
  ASSERT_TRUE(file);
  tiny.reset();
  EXPECT_TRUE(file->activateLevel(0));
  EXPECT_EQ(file->weightAddress(0)[7], std::byte{7});
}

TEST(EngineFile, MalformedPlanIsRefused) {
  auto sections = test::tinySections(test::tinyPlan());
  std::string plan = sections[test::kTinyPlan].bytes;
  sections[test::kTinyPlan].bytes = "";
  EXPECT_EQ(codeOf(TemporaryFile(test::assemble(sections)).path()), "EN_VERIFY");
  // Whatever single byte of the plan is wrong, with digests made to match: refused or valid, never a crash.
  TemporaryFile tiny("");
  int refused = 0;
  for (size_t at = 0; at < plan.size(); ++at) {
    for (char value : {'\0', '\x01', '\x7f', '\xff'}) {
      sections[test::kTinyPlan].bytes = plan;
      sections[test::kTinyPlan].bytes[at] = value;
      tiny.write(test::assemble(sections));
      std::string code = codeOf(tiny.path(), {.threads = 1});
      ASSERT_TRUE(code == "ok" || code == "EN_VERIFY" || code == "EN_SEMANTIC" || code == "EN_PLAN" ||
                  code == "EN_CODE" || code == "EN_VERSION")
          << code;
      refused += code != "ok" ? 1 : 0;
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace llmc::rt
