// Tuning on a device: which products are wanted, and that nothing is measured where there is no device or no code for
// it.
#include "compiler/tools/TuneDeviceCommand.h"

#include "gtest/gtest.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc {
namespace {

TEST(TuneDeviceCommand, KernelsAreWantedByAPartOrByTheWholeOfTheirName) {
  const std::string name = "linear 960x576,q4m16k64-asym,1";
  for (const char* only : {"", "960x576", "linear", "960x576,q4m16k64-asym,1", "960x576,q4m16k64-asym,1 8",
                           "linear 960x576,q4m16k64-asym,1 8"})
    EXPECT_TRUE(isWanted(name, 8, only)) << only;
  for (const char* only : {"960x576,q4m16k64-asym,1 16", "960x577", "attend", "60x576,q4m16k64-asym,1 8"})
    EXPECT_FALSE(isWanted(name, 8, only)) << only;
}

TEST(TuneDeviceCommand, NothingIsMeasuredForAnEngineWithoutCodeForADevice) {
  rt::test::TemporaryFile file(rt::test::tinyEngine());  // for CPUs
  auto engine = rt::EngineFile::open(file.path(), {.verify = rt::Verify::kLazy});
  ASSERT_TRUE(engine) << engine.status().toString();
  int told = 0;
  const TuneSink sink{[&](const std::string&) { ++told; }, [&](const std::string&, bool) { ++told; }};
  const rt::Status status = tuneDevice(*engine, {}, sink);
  ASSERT_FALSE(status);
  EXPECT_TRUE(status.kind() == rt::ErrorKind::kUnavailable || status.kind() == rt::ErrorKind::kMismatch)
      << status.toString();
  EXPECT_EQ(told, 0);
}

}  // namespace
}  // namespace llmc
