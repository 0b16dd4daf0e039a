// Atomic output: killed, full or refused writers leave the old file or none, and their leftovers go with the next run.
#include "compiler/engine/OutputFile.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace llmc {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "llmc-out-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path_); }
  std::string file(const char* name = "model.llmc") const { return path_ + "/" + name; }
  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }
  std::string read(const char* name = "model.llmc") const {
    std::ifstream in(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::string path_;
};

/// Writes `pieces` pieces of 64 KiB of `letter` and commits.
rt::Status writeAll(const std::string& path, char letter, int pieces, bool durable = false) {
  OutputFile out;
  LLMC_TRY(out.open(path));
  const std::string piece(65536, letter);
  for (int i = 0; i < pieces; ++i) LLMC_TRY(out.append(piece.data(), piece.size()));
  return out.commit(durable);
}

TEST(OutputFile, KeepsTheOrderOfAppendsAndWritesAcrossBlocks) {
  Folder folder;
  OutputFile out;
  ASSERT_TRUE(out.open(folder.file()));
  std::string expected;
  // Pieces that end before, at and after multiples of 2 MiB, and one that holds several blocks.
  for (size_t bytes : {1u, (2u << 20) - 1, 2u << 20, 5u << 20, 700u, (3u << 20) + 5}) {
    std::string piece(bytes, static_cast<char>('a' + expected.size() % 23));
    ASSERT_TRUE(out.append(piece.data(), piece.size()));
    expected += piece;
    EXPECT_EQ(out.size(), expected.size());
    // In what may not be in the file yet.
    ASSERT_TRUE(out.writeAt(expected.size() - 1, "!", 1));
    expected.back() = '!';
    ASSERT_TRUE(out.append("xyz", 3));
    ASSERT_TRUE(out.truncate(expected.size() + 1));
    expected += "x";
  }
  ASSERT_TRUE(out.commit(false));
  EXPECT_TRUE(folder.read() == expected);
}

TEST(OutputFile, AppearsWholeAtCommit) {
  Folder folder;
  OutputFile out;
  ASSERT_TRUE(out.open(folder.file()));
  ASSERT_TRUE(out.append("hello", 5));
  ASSERT_TRUE(out.writeAt(0, "J", 1));
  EXPECT_EQ(out.size(), 5u);
  EXPECT_FALSE(fs::exists(folder.file()));
  ASSERT_TRUE(out.commit(true));
  EXPECT_EQ(folder.read(), "Jello");
  EXPECT_EQ(folder.entries(), 1u);
  out.abort();
  EXPECT_EQ(folder.read(), "Jello");
}

TEST(OutputFile, AbortOrDestructionLeavesTheOldFile) {
  Folder folder;
  ASSERT_TRUE(writeAll(folder.file(), 'a', 1));
  {
    OutputFile out;
    ASSERT_TRUE(out.open(folder.file()));
    ASSERT_TRUE(out.append("x", 1));
    EXPECT_EQ(folder.entries(), 2u);
  }
  OutputFile out;
  ASSERT_TRUE(out.open(folder.file()));
  out.abort();
  EXPECT_EQ(folder.entries(), 1u);
  EXPECT_EQ(folder.read(), std::string(65536, 'a'));
}

TEST(OutputFile, ReplacesWhatALinkPointsAt) {
  Folder folder;
  ASSERT_TRUE(writeAll(folder.file("real"), 'a', 1));
  fs::create_symlink(folder.file("real"), folder.file("link"));
  ASSERT_TRUE(writeAll(folder.file("link"), 'b', 1));
  EXPECT_TRUE(fs::is_symlink(folder.file("link")));
  EXPECT_EQ(folder.read("real"), std::string(65536, 'b'));
}

TEST(OutputFile, ReplacesWhatADanglingLinkPointsAt) {
  Folder folder;
  fs::create_symlink("later", folder.file("link"));
  ASSERT_TRUE(writeAll(folder.file("link"), 'x', 1));
  EXPECT_TRUE(fs::is_symlink(folder.file("link")));
  EXPECT_EQ(folder.read("later").size(), 65536u);
}

TEST(OutputFile, ABareNameIsInTheCurrentFolder) {
  Folder folder;
  fs::path before = fs::current_path();
  fs::current_path(fs::path(folder.file()).parent_path());
  rt::Status status = writeAll("bare", 'x', 1, true);
  fs::current_path(before);
  EXPECT_TRUE(status) << status.toString();
  EXPECT_EQ(folder.read("bare").size(), 65536u);
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(OutputFile, CheckFolderSaysWhatOpenWould) {
  Folder folder;
  EXPECT_TRUE(OutputFile::checkFolder(folder.file()));
  for (const char* bad : {"none/engine.bin", "none/"}) {
    rt::Status checked = OutputFile::checkFolder(folder.file(bad));
    ASSERT_FALSE(checked);
    OutputFile out;
    EXPECT_EQ(out.open(folder.file(bad)).code(), checked.code());
  }
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(OutputFile, NoSuchFolder) {
  Folder folder;
  OutputFile out;
  rt::Status status = out.open(folder.file("none/model.llmc"));
  EXPECT_EQ(status.code(), "OUT_IO");
  EXPECT_EQ(rt::exitStatus(status.kind()), 74);
}

TEST(OutputFile, FileSizeLimitIsAnErrorAndLeavesNothing) {
  Folder folder;
  ASSERT_TRUE(writeAll(folder.file(), 'a', 1));
  pid_t child = ::fork();
  if (child == 0) {
    rlimit limit{1 << 20, 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    rt::Status status = writeAll(folder.file(), 'b', 100);
    ::_exit(status ? 0 : rt::exitStatus(status.kind()));
  }
  int result = 0;
  ::waitpid(child, &result, 0);
  ASSERT_TRUE(WIFEXITED(result)) << "ended by signal " << WTERMSIG(result);
  EXPECT_EQ(WEXITSTATUS(result), 74);
  EXPECT_EQ(folder.read(), std::string(65536, 'a'));
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(OutputFile, FullDeviceIsAnError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP();
  // The temporary file cannot be made to lie on a full disk without privileges; its error path can: a file that is one.
  Folder folder;
  pid_t child = ::fork();
  if (child == 0) {
    OutputFile out;
    if (!out.open(folder.file())) ::_exit(1);
    // Every descriptor of this process that points into the folder now points at /dev/full.
    int full = ::open("/dev/full", O_WRONLY);
    for (int fd = 3; fd < 64; ++fd) {
      char link[512], name[64];
      std::snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
      ssize_t length = ::readlink(name, link, sizeof(link));
      if (length > 0 && std::string_view(link, static_cast<size_t>(length)).find(".tmp-") != std::string_view::npos)
        ::dup2(full, fd);
    }
    rt::Status status = out.append("x", 1);
    if (status) status = out.commit(false);  // appended bytes are written at the latest here
    out.abort();
    bool named = !status && status.message().find("No space left") != std::string::npos;
    ::_exit(named ? rt::exitStatus(status.kind()) : 2);
  }
  int result = 0;
  ::waitpid(child, &result, 0);
  ASSERT_TRUE(WIFEXITED(result));
  EXPECT_EQ(WEXITSTATUS(result), 74);
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(OutputFile, KilledAtAnyTimeLeavesOldOrNewAndIsReclaimed) {
  Folder folder;
  const std::string before(65536, 'a'), after(65536 * 40, 'b');
  int killed = 0;
  for (int round = 0; round < 120; ++round) {
    ASSERT_TRUE(writeAll(folder.file(), 'a', 1));
    EXPECT_EQ(folder.entries(), 1u) << "leftovers of round " << round - 1;
    pid_t child = ::fork();
    if (child == 0) ::_exit(writeAll(folder.file(), 'b', 40) ? 0 : 1);
    std::this_thread::sleep_for(std::chrono::microseconds(37 * round));
    ::kill(child, SIGKILL);
    int result = 0;
    ::waitpid(child, &result, 0);
    killed += WIFSIGNALED(result) ? 1 : 0;
    std::string now = folder.read();
    ASSERT_TRUE(now == before || now == after) << "mixed file in round " << round;
  }
  EXPECT_GT(killed, 5);
}

TEST(OutputFile, RunningWritersAreNotReclaimed) {
  Folder folder;
  OutputFile first, second;
  ASSERT_TRUE(first.open(folder.file()));
  ASSERT_TRUE(second.open(folder.file()));
  ASSERT_TRUE(first.append("1", 1));
  ASSERT_TRUE(second.append("2", 1));
  ASSERT_TRUE(first.commit(false));
  EXPECT_EQ(folder.read(), "1");
  ASSERT_TRUE(second.commit(false));
  EXPECT_EQ(folder.read(), "2");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(OutputFile, RacingWritersLeaveOneWholeFile) {
  Folder folder;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) EXPECT_TRUE(writeAll(folder.file(), static_cast<char>('a' + t), 3));
    });
  for (auto& thread : threads) thread.join();
  std::string now = folder.read();
  EXPECT_EQ(now, std::string(65536 * 3, now[0]));
  EXPECT_EQ(folder.entries(), 1u);
}

}  // namespace
}  // namespace llmc
