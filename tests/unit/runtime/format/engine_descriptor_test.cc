// What may be opened as an engine.
#include "runtime/format/engine_descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc::rt {
namespace {

TEST(EngineDescriptor, OpensRegularFilesAndClosesThem) {
  test::TemporaryFile file("four");
  int number = -1;
  {
    auto opened = EngineDescriptor::open(file.path());
    ASSERT_TRUE(opened) << opened.status().toString();
    EXPECT_EQ(opened->bytes(), 4u);
    EngineDescriptor moved = opened.take();
    EXPECT_EQ(moved.bytes(), 4u);
    number = moved.get();
    EXPECT_GE(::fcntl(number, F_GETFD), FD_CLOEXEC);
  }
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

TEST(EngineDescriptor, RefusesWhatIsNone) {
  const auto of = [](const char* path) { return EngineDescriptor::open(path).takeStatus(); };
  EXPECT_EQ(of("/nowhere/engine.bin").code(), "EN_MISSING");
  EXPECT_EQ(exitStatus(of("/nowhere/engine.bin").kind()), 66);
  EXPECT_EQ(of("/tmp").code(), "EN_MAGIC");
  EXPECT_EQ(of("/dev/null").code(), "EN_MAGIC");
}

}  // namespace
}  // namespace llmc::rt
