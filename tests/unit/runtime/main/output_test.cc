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

TEST(Output, NoticesAreTextOrJsonLines) {
  testing::internal::CaptureStderr();
  writeNotice("two\nlines \"quoted\"");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "two\nlines \"quoted\"\n");
  EXPECT_EXIT(
      {
        writeNoticesAsJson();  // for the life of a process
        writeNotice("two\nlines \"quoted\"");
        std::exit(0);
      },
      testing::ExitedWithCode(0),
      R"(^\{"time":"20[0-9-]+T[0-9:.]+Z","level":"info","message":"two\\nlines \\"quoted\\""\})"
      "\n$");
  EXPECT_EXIT(
      {
        writeNoticesAsJson();
        writeError(Status::error(ErrorKind::kUsage, "CLI_FLAG", "what\xff", "do this"));
        std::exit(0);
      },
      testing::ExitedWithCode(0),
      R"(^\{"time":"20[0-9-]+T[0-9:.]+Z","level":"error","code":"CLI_FLAG","message":"error\[CLI_FLAG\] what.+; do this"\})"
      "\n$");
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
