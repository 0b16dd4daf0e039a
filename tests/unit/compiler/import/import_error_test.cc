// Messages of import errors: file, byte, object, reason.
#include "compiler/import/ImportError.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

TEST(ImportError, PartsThatAreKnownStandInOrder) {
  EXPECT_EQ(importError("X", {"m/config.json", 7, "hidden"}, "is wrong", "correct it").toString(),
            "error[X] m/config.json: byte 7: 'hidden': is wrong; correct it");
  EXPECT_EQ(importError("X", {"f"}, "is wrong").toString(), "error[X] f: is wrong");
  EXPECT_EQ(importError("X", {"f", 0}, "is wrong").kind(), rt::ErrorKind::kBadInput);
  EXPECT_EQ(importError("X", {"f"}, "absent", "", rt::ErrorKind::kMissing).kind(), rt::ErrorKind::kMissing);
}

TEST(ImportError, NamesFromFilesAreEscapedAndCutPathsStayWhole) {
  const std::string path(1000, 'p');
  const auto status = importError("X", {path, 1, std::string(1000, 'n') + "\n"}, "is wrong");
  EXPECT_EQ(status.message().find(path + ": byte 1: 'nnn"), 0u);
  EXPECT_LT(status.message().size(), path.size() + 300);
  EXPECT_EQ(importError("X", {"f", 1, "a\x1b[2J"}, "y").message(), "f: byte 1: 'a\\x1b[2J': y");
}

}  // namespace
}  // namespace llmc
