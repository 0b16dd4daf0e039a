// Files that cannot be opened or read: which of the three exit statuses, and at which byte.
#include "compiler/import/SourceFile.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

/// "IX_MISSING 66" of an open that must fail.
std::string refusal(const std::string& path) {
  auto file = SourceFile::open(path);
  return file ? "ok" : file.status().code() + " " + std::to_string(rt::exitStatus(file.status().kind()));
}

/// The descriptor of this process that is open on `path`.
int descriptorOf(const std::string& path) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code none;
    if (std::filesystem::read_symlink(entry.path(), none) == path) return std::stoi(entry.path().filename());
  }
  return -1;
}

TEST(SourceFile, WhatIsNoFileIsToldApart) {
  TempFolder folder;
  EXPECT_EQ(refusal(folder.path() + "/none"), "IX_MISSING 66");
  EXPECT_EQ(refusal(folder.write("file", "x") + "/below"), "IX_MISSING 66");
  EXPECT_EQ(refusal(""), "IX_PATH 65");
  EXPECT_EQ(refusal(std::string("a\0b", 3)), "IX_PATH 65");
  EXPECT_EQ(refusal(folder.path()), "IX_NOT_REGULAR 65");
  EXPECT_EQ(refusal(folder.path() + "/" + std::string(300, 'n')), "IX_OPEN 74");
}

TEST(SourceFile, NoDescriptorLeftIsAnErrorOfTheSystem) {
  TempFolder folder;
  const std::string path = folder.write("file", "x");
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  const int next = ::dup(0);
  ::close(next);
  rlimit none{static_cast<rlim_t>(next), old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  auto file = SourceFile::open(path);
  setrlimit(RLIMIT_NOFILE, &old);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.status().toString().find("error[IX_OPEN] " + path + ": cannot open: Too many open files"), 0u)
      << file.status().toString();
  EXPECT_EQ(rt::exitStatus(file.status().kind()), 69);
}

TEST(SourceFile, NoPermissionIsAStatusOfItsOwn) {
  TempFolder folder;
  const std::string path = folder.write("secret", "x");
  ASSERT_EQ(::chmod(path.c_str(), 0), 0);
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  const bool root = ::geteuid() == 0;  // who may read anything
  if (root) ASSERT_EQ(::seteuid(65534), 0);
  const std::string found = refusal(path);
  if (root) ASSERT_EQ(::seteuid(0), 0);
  EXPECT_EQ(found, "IX_OPEN 77");
}

TEST(SourceFile, AReadThatFailsNamesFileAndByte) {
  TempFolder folder;
  const std::string path = folder.write("weights", std::string(100, 'x'));
  auto file = SourceFile::open(path);
  ASSERT_TRUE(file);
  char bytes[10];
  const auto out = std::as_writable_bytes(std::span(bytes));
  EXPECT_TRUE((*file)->read(90, out));
  EXPECT_EQ((*file)->read(91, out).code(), "IX_RANGE");
  // The same file behind the same descriptor, but not open for reading.
  const int descriptor = descriptorOf(path), blind = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(descriptor, 0);
  ASSERT_EQ(::dup2(blind, descriptor), descriptor);
  ::close(blind);
  auto status = (*file)->read(40, out);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.toString().find("error[IX_READ] " + path + ": byte 40: "), 0u) << status.toString();
  EXPECT_EQ(rt::exitStatus(status.kind()), 74);
}

TEST(SourceFile, AFileThatChangesIsNoticed) {
  TempFolder folder;
  const std::string path = folder.write("weights", std::string(100, 'x'));
  auto file = SourceFile::open(path);
  ASSERT_TRUE(file);
  ASSERT_EQ(::truncate(path.c_str(), 50), 0);
  char bytes[10];
  EXPECT_EQ((*file)->read(0, std::as_writable_bytes(std::span(bytes))).code(), "IX_CHANGED");
}

TEST(SourceFile, AFileLargerThanItMayBeIsNotRead) {
  TempFolder folder;
  const std::string path = folder.write("config.json", std::string(100, 'x'));
  auto file = SourceFile::open(path);
  ASSERT_TRUE(file);
  EXPECT_TRUE((*file)->readAll(100, "CF_TOO_LARGE"));
  EXPECT_EQ((*file)->readAll(99, "CF_TOO_LARGE").status().message().find(path + ": byte 99: file has 100 bytes"), 0u);
}

}  // namespace
}  // namespace llmc
