// Lines from something that is no terminal.
#include "runtime/main/line_reader.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime/format/tiny_engine.h"
#include "tests/unit/runtime/main/standard_input.h"

namespace llmc::rt {
namespace {

TEST(LineReader, GivesLinesThenNothing) {
  const test::TemporaryFile file("one\n\nthree without end");
  const test::StandardInput input(file.path());
  EXPECT_EQ(readLine("> "), "one");
  EXPECT_EQ(readLine("> "), "");
  EXPECT_EQ(readLine("> "), "three without end");
  EXPECT_FALSE(readLine("> "));
}

}  // namespace
}  // namespace llmc::rt
