// Statuses and hints of failed system calls.
#include "runtime/base/system_error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace llmc::rt {
namespace {

TEST(SystemError, ShortagesAndRightsHaveTheirOwnStatus) {
  EXPECT_EQ(exitStatus(kindOfSystemError(EMFILE)), 69);
  EXPECT_EQ(exitStatus(kindOfSystemError(ENFILE, ErrorKind::kMissing)), 69);
  EXPECT_EQ(exitStatus(kindOfSystemError(ENOMEM)), 69);
  for (int error : {EACCES, EPERM, EROFS}) EXPECT_EQ(exitStatus(kindOfSystemError(error)), 77);
  EXPECT_EQ(exitStatus(kindOfSystemError(ENOSPC)), 74);
  EXPECT_EQ(exitStatus(kindOfSystemError(ENOENT, ErrorKind::kMissing)), 66);
}

TEST(SystemError, AFileHasItsPathItsReasonAndItsStatus) {
  const auto text = [](int error) { return fileError("CLI_X", "cannot read", "a\x01/b", error).toString(); };
  EXPECT_EQ(text(EACCES), "error[CLI_X] cannot read a\\x01/b: Permission denied");
  EXPECT_NE(text(EMFILE).find("; lift the limit of open files"), std::string::npos);
  const auto status = [](int error) { return exitStatus(fileError("X", "w", "p", error).kind()); };
  EXPECT_EQ(status(ENOENT), 66);
  EXPECT_EQ(status(ENOTDIR), 66);
  EXPECT_EQ(status(EACCES), 77);
  EXPECT_EQ(status(EISDIR), 74);
  EXPECT_EQ(exitStatus(fileError("X", "w", "p", ENOENT, ErrorKind::kIo).kind()), 74);
}

TEST(SystemError, AShortagesHintSaysWhatLiftsIt) {
  EXPECT_NE(hintOfSystemError(EMFILE, "check the path").find("ulimit -n"), std::string::npos);
  EXPECT_NE(hintOfSystemError(ENOMEM).find("ulimit -v"), std::string::npos);
  EXPECT_NE(hintOfSystemError(ENFILE).find("system"), std::string::npos);
  EXPECT_EQ(hintOfSystemError(ENOENT, "check the path"), "check the path");
}

}  // namespace
}  // namespace llmc::rt
