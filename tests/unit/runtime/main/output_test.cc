// Writes that cannot be done are errors.
#include "runtime/main/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "runtime/base/standard_streams.h"

namespace llmc::rt {
namespace {

TEST(Output, WritesAll) {
  testing::internal::CaptureStdout();
  const std::string text(100000, 'x');
  EXPECT_TRUE(writeOutput(text));
  EXPECT_TRUE(writeOutput(""));
  EXPECT_EQ(testing::internal::GetCapturedStdout(), text);
}

TEST(Output, AFullDiskIsAnError) {
  const int saved = dup(STDOUT_FILENO);
  const int full = open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  dup2(full, STDOUT_FILENO);
  const Status status = writeOutput("text");
  dup2(saved, STDOUT_FILENO);
  close(saved);
  close(full);
  EXPECT_EQ(status.code(), "CLI_OUTPUT");
  EXPECT_EQ(exitStatus(status.kind()), 74);
}

TEST(Output, AReaderThatIsGoneIsToldApart) {
  secureStandardStreams();  // EPIPE instead of a signal
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  const int saved = dup(STDOUT_FILENO);
  dup2(ends[1], STDOUT_FILENO);
  const Status status = writeOutput("text");
  dup2(saved, STDOUT_FILENO);
  close(saved);
  close(ends[1]);
  EXPECT_EQ(status.code(), "CLI_READER");
}

}  // namespace
}  // namespace llmc::rt
