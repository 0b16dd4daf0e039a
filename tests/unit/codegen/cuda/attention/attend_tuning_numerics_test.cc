// Every value that a layout of attention can have, on the emulator against the reference: what llmc tune may choose.
#include "codegen/cuda/attention/AttendTuning.h"
#include "tests/emulator/kernel_case.h"
#include "tests/unit/codegen/cuda/attention/attend_case.h"

#include <gtest/gtest.h>
#include <cmath>

namespace llmc {
namespace {

/// Few of the legal layouts, all values of all numbers among them.
std::vector<std::vector<TunedNumber>> covering(const char *key, const char *arch) {
  std::vector<std::vector<TunedNumber>> all, chosen;
  for (const CudaAttendLayout &layout : legalAttendLayouts(attendShape(*readAttentionKey(key)), *findArch(arch)))
    all.push_back(attendNumbers(layout));
  std::set<std::pair<std::string, int64_t>> open;
  for (const auto &numbers : all)
    for (const TunedNumber &number : numbers)
      open.insert({number.name, number.value});
  auto news = [&](const std::vector<TunedNumber> &numbers) {
    return llvm::count_if(numbers,
                          [&](const TunedNumber &number) { return open.contains({number.name, number.value}); });
  };
  while (!open.empty()) {
    chosen.push_back(
        *std::max_element(all.begin(), all.end(), [&](const auto &a, const auto &b) { return news(a) < news(b); }));
    for (const TunedNumber &number : chosen.back())
      open.erase({number.name, number.value});
  }
  return chosen;
}

/// Parts joined as llm.attend_merge does, in the first one's place: which keys a part has is the layout's.
void joinParts(int64_t dim, int64_t splits, reference::Tensor &rows) {
  for (int64_t row = 0; row < rows.rows; ++row)
    for (int64_t head = 0; head < rows.cols; head += splits * (dim + 2)) {
      std::vector<double> sums(static_cast<size_t>(dim));
      double largest = -INFINITY, total = 0;
      for (int64_t at = head; at < head + splits * (dim + 2); at += dim + 2)
        largest = std::max(largest, rows.at(row, at + dim));
      for (int64_t at = head; at < head + splits * (dim + 2); at += dim + 2) {
        const double factor = std::exp(rows.at(row, at + dim) - largest);
        total += factor * rows.at(row, at + dim + 1);
        for (int64_t i = 0; i < dim && factor > 0; ++i)
          sums[static_cast<size_t>(i)] += factor * rows.at(row, at + i);
      }
      for (int64_t i = 0; i < splits * (dim + 2); ++i)
        rows.at(row, head + i) = i < dim ? sums[static_cast<size_t>(i)] / total : 0;
    }
}

void expectAllRight(const AttendCase &attend, const char *key, const char *arch, size_t least) {
  if (std::string missing = emu::missingNvrtc(); !missing.empty())
    GTEST_SKIP() << missing;
  const auto layouts = covering(key, arch);
  EXPECT_GE(layouts.size(), least);
  for (const std::vector<TunedNumber> &numbers : layouts) {
    std::string name;
    for (const TunedNumber &number : numbers)
      name += number.name + " " + std::to_string(number.value) + " ";
    SCOPED_TRACE(name + "of " + key + " on " + arch);
    emu::KernelCase test;
    test.text = attend.text();
    test.tuned = numbers;
    test.archs = {arch};
    test.allOrders = false;
    test.tolerance = attend.splits ? 5e-3 : 1e-2;
    test.sequences = {{0, 1}, {299, 1}, {63, 1}, {16, 1}};
    if (attend.splits)
      test.adjust = [&](size_t, reference::Tensor &want, reference::Tensor &got) {
        joinParts(attend.dim, attend.splits, want);
        joinParts(attend.dim, attend.splits, got);
      };
    else
      test.sequences = {{0, 65}, {40, 1}, {100, 7}, {20, 50}};
    emu::checkKernelCase(test);
  }
}

TEST(AttendTuningNumericsTest, EveryValueOfParts) {
  expectAllRight({"parts", 6, 2, 64, 8}, "6x2x64,f16,8", "sm_90a", 4);
  expectAllRight({"bytes", 2, 2, 128, 4, 100, 0, "i8"}, "2x2x128,int8,4,window100", "sm_80", 4);
}

TEST(AttendTuningNumericsTest, EveryValueOfTiles) {
  expectAllRight({"tiles", 6, 2, 64, 0}, "6x2x64,f16,0", "sm_90a", 4);
  expectAllRight({"bytes", 2, 1, 128, 0, 0, 0, "e4m3"}, "2x1x128,fp8,0", "sm_80", 4);
}

/// Numbers that no legal layout has are no code, and say so.
TEST(AttendTuningNumericsTest, WhatIsNotLegalHasNoCode) {
  emu::KernelCase test;
  test.text = AttendCase{"parts", 6, 2, 64, 8}.text();
  test.archs = {"sm_90a"};
  test.tuned = {{"parts", 3}};
  const emu::KernelOutcome outcome = emu::runKernelCase(test)[0];
  EXPECT_EQ(outcome.status.code(), "EMU_CASE");
  EXPECT_NE(outcome.status.message().find("the numbers asked for: parts 3: expected 1, 2, 4, 8 on sm_90a"),
            std::string::npos)
      << outcome.status.message();
}

} // namespace
} // namespace llmc
