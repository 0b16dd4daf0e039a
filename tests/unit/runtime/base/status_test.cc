// Status text, exit statuses and Result.
#include "runtime/base/status.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

TEST(Status, PrintsCodeMessageAndHint) {
  EXPECT_EQ(Status::ok().toString(), "ok");
  EXPECT_EQ(Status::error(ErrorKind::kIo, "X_Y", "bad").toString(), "error[X_Y] bad");
  EXPECT_EQ(Status::error(ErrorKind::kIo, "X_Y", "bad", "try").toString(), "error[X_Y] bad; try");
}

TEST(Status, EachKindHasItsExitStatus) {
  EXPECT_EQ(exitStatus(ErrorKind::kUsage), 64);
  EXPECT_EQ(exitStatus(ErrorKind::kBadInput), 65);
  EXPECT_EQ(exitStatus(ErrorKind::kMissing), 66);
  EXPECT_EQ(exitStatus(ErrorKind::kUnavailable), 69);
  EXPECT_EQ(exitStatus(ErrorKind::kInternal), 70);
  EXPECT_EQ(exitStatus(ErrorKind::kDeviceFault), 71);
  EXPECT_EQ(exitStatus(ErrorKind::kWatchdog), 72);
  EXPECT_EQ(exitStatus(ErrorKind::kIo), 74);
  EXPECT_EQ(exitStatus(ErrorKind::kNotPermitted), 77);
  EXPECT_EQ(exitStatus(ErrorKind::kMismatch), 78);
}

Result<int> half(int value) {
  if (value % 2) return Status::error(ErrorKind::kBadInput, "ODD", "odd");
  return value / 2;
}

Status quarter(int value, int& out) {
  auto first = half(value);
  LLMC_TRY(first.status());
  auto second = half(*first);
  LLMC_TRY(second.status());
  out = *second;
  return Status::ok();
}

TEST(Status, TryLeavesAtTheFirstError) {
  int out = 0;
  EXPECT_TRUE(quarter(8, out));
  EXPECT_EQ(out, 2);
  EXPECT_EQ(quarter(6, out).code(), "ODD");
  EXPECT_EQ(half(3).status().kind(), ErrorKind::kBadInput);
}

TEST(Status, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(escaped("plain text"), "plain text");
  EXPECT_EQ(escaped("a\x1b[2J\n\\"), "a\\x1b[2J\\x0a\\x5c");
  EXPECT_EQ(escaped(std::string(300, 'x'), 4), "xxxx...");
}

}  // namespace
}  // namespace llmc::rt
