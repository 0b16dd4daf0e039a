// The disk cache: what goes in comes out, broken files do not.
#include "codegen/cuda/CompileCache.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

using namespace llmc;

namespace {

class CompileCacheTest : public ::testing::Test {
protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "llmc-cache-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(CompileCacheTest, GivesBackWhatWasStored) {
  CompileCache cache((folder_ / "a/b").string()); // made when needed
  std::string key = CompileCache::key({"text", "options"}), binary("\0\x7f ELF\n", 7);
  EXPECT_FALSE(cache.find(key));
  cache.store(key, binary, "");
  auto found = cache.find(key);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->first, binary);
  EXPECT_EQ(found->second, "");
  EXPECT_FALSE(cache.find(CompileCache::key({"text", "option"})));
}

TEST_F(CompileCacheTest, KeysKeepPartsApart) {
  EXPECT_NE(CompileCache::key({"ab", "c"}), CompileCache::key({"a", "bc"}));
  EXPECT_NE(CompileCache::key({"ab"}), CompileCache::key({"ab", ""}));
  EXPECT_EQ(CompileCache::key({"ab", "c"}).size(), 64u);
}

TEST_F(CompileCacheTest, BrokenFilesAreNotReturned) {
  CompileCache cache(folder_.string());
  std::string key = CompileCache::key({"k"});
  cache.store(key, "first", "second");
  ASSERT_TRUE(cache.find(key));
  const auto file = folder_ / key;
  const auto size = std::filesystem::file_size(file);
  {
    std::fstream change(file, std::ios::in | std::ios::out | std::ios::binary);
    change.seekp(static_cast<std::streamoff>(size - 1));
    change.put('X');
  }
  EXPECT_FALSE(cache.find(key)) << "a changed byte";
  cache.store(key, "first", "second");
  for (uintmax_t shorter : {size - 1, uintmax_t{40}, uintmax_t{39}, uintmax_t{0}}) {
    std::filesystem::resize_file(file, shorter);
    EXPECT_FALSE(cache.find(key)) << shorter;
  }
}

TEST_F(CompileCacheTest, WhatWasNotUsedForLongestGoesFirst) {
  CompileCache cache(folder_.string());
  const std::string kilobyte(1000, 'x');
  const auto now = std::filesystem::file_time_type::clock::now();
  for (int i = 0; i < 8; ++i) {
    cache.store(std::to_string(i), kilobyte, "");
    std::filesystem::last_write_time(folder_ / std::to_string(i), now - std::chrono::hours(100 - i));
  }
  cache.trim(9000);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "1")) << "they fit";
  ASSERT_TRUE(cache.find("0")); // the oldest, but used
  cache.trim(8000);             // 8,320 bytes: 5 of 1,040 are below three quarters
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(std::filesystem::exists(folder_ / std::to_string(i)), i == 0 || i >= 4) << i;
}

TEST_F(CompileCacheTest, AFolderThatCannotBeWrittenIsNoError) {
  std::ofstream(folder_ / "file") << "x";
  CompileCache cache((folder_ / "file/below").string()), none("");
  for (CompileCache *each : {&cache, &none}) {
    each->store("key", "a", "b");
    EXPECT_FALSE(each->find("key"));
  }
}

} // namespace
