// Lines of a build on a stderr that is no terminal.
#include "compiler/pipeline/Progress.h"

#include "gtest/gtest.h"

namespace llmc {
namespace {

/// What `use` makes of a Progress.
template <typename Use>
std::string written(bool quiet, const Use& use) {
  testing::internal::CaptureStderr();
  Progress progress(quiet);
  use(progress);
  return testing::internal::GetCapturedStderr();
}

TEST(Progress, APhaseIsALineWithItsSecondsOnceItIsOver) {
  const std::string text = written(false, [](Progress& progress) {
    progress.phase("import");
    progress.phase("packing");
    progress.advance(1, 2);
    progress.finish();
    progress.finish();
  });
  EXPECT_EQ(text, "import                         0.00 s\npacking                        0.00 s\n")
      << "no bar, no escape";
}

TEST(Progress, QuietSaysNothing) {
  EXPECT_EQ(written(true,
                    [](Progress& progress) {
                      progress.phase("import");
                      progress.advance(1, 1);
                      progress.finish();
                    }),
            "");
}

TEST(Progress, AnUnfinishedPhaseHasNoLine) {
  EXPECT_EQ(written(false, [](Progress& progress) { progress.phase("import"); }), "");
}

}  // namespace
}  // namespace llmc
