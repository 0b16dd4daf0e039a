// An engine that is being written is gone when nobody finishes it: at the end of its owner, of the process, by signals.
#include "compiler/pipeline/UnfinishedEngine.h"

#include <csignal>
#include <filesystem>
#include <unistd.h>

#include "compiler/pipeline/BuildEngine.h"
#include "gtest/gtest.h"
#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

namespace fs = std::filesystem;

/// An unfinished engine in `folder`, where there is a file now.
std::unique_ptr<UnfinishedEngine> begun(const TempFolder& folder, const char* name = "/e.bin") {
  auto engine = UnfinishedEngine::create(folder.path() + name, false);
  EXPECT_TRUE(engine) << engine.status().toString();
  EXPECT_FALSE(fs::is_empty(folder.path()));
  return engine ? engine.take() : nullptr;
}

TEST(UnfinishedEngine, IsRemovedWithItsOwner) {
  TempFolder folder;
  auto one = begun(folder), two = begun(folder, "/f.bin");
  one.reset();
  EXPECT_FALSE(fs::is_empty(folder.path())) << "the other one's";
  two.reset();
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(UnfinishedEngine, IsRemovedWithoutItsOwner) {
  TempFolder folder;
  EXPECT_EXIT(
      {
        auto engine = begun(folder);
        removeUnfinishedOutputs();
        _exit(fs::is_empty(folder.path()) ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(UnfinishedEngine, SignalsRemoveItAndEndTheProcess) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    TempFolder folder;
    EXPECT_EXIT(
        {
          installBuildSignalHandlers();
          auto engine = begun(folder);
          std::raise(signal);
        },
        testing::ExitedWithCode(128 + signal), "");
    EXPECT_TRUE(fs::is_empty(folder.path())) << signal;
  }
}

TEST(UnfinishedEngine, AnOutputThatIsThereIsNotReplacedUnlessForced) {
  TempFolder folder;
  folder.write("e.bin", "what was there");
  EXPECT_FALSE(UnfinishedEngine::create(folder.path() + "/e.bin", false));
  EXPECT_EQ(fs::file_size(folder.path() + "/e.bin"), 14u);
}

}  // namespace
}  // namespace llmc
