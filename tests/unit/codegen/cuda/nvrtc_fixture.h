// A test that needs NVIDIA's compiler: skips where it is missing, keeps its cache in a folder of its own.
#pragma once

#include "codegen/cuda/Nvrtc.h"
#include <gtest/gtest.h>
#include <cstdlib>
#include <filesystem>

namespace llmc {

class NvrtcFixture : public ::testing::Test {
protected:
  void SetUp() override {
    useCache(freshFolder());
    if (!compiler_)
      GTEST_SKIP() << why_;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  const Nvrtc &compiler() const { return *compiler_; }
  /// A folder that no other test has; all go with the test.
  std::string freshFolder() {
    if (root_.empty()) {
      std::string name = (std::filesystem::temp_directory_path() / "llmc-nvrtc-XXXXXX").string();
      root_ = mkdtemp(name.data());
    }
    return (root_ / std::to_string(folders_++)).string();
  }
  /// From now on compiler() keeps its results there.
  void useCache(const std::string &folder) {
    setenv("XDG_CACHE_HOME", folder.c_str(), 1);
    auto loaded = Nvrtc::find();
    if (loaded)
      compiler_ = loaded.take();
    else
      why_ = loaded.status().toString();
  }
  int64_t cachedFiles() const {
    int64_t count = 0;
    for (const auto &entry : std::filesystem::recursive_directory_iterator(root_))
      count += entry.is_regular_file();
    return count;
  }

private:
  std::filesystem::path root_;
  int folders_ = 0;
  std::unique_ptr<Nvrtc> compiler_;
  std::string why_;
};

} // namespace llmc
