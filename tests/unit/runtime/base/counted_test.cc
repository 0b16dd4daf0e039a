// Singular for one, plural for none and many.
#include "runtime/base/counted.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

TEST(Counted, OneIsSingular) {
  EXPECT_EQ(counted(0, "matrix", "matrices"), "0 matrices");
  EXPECT_EQ(counted(1, "matrix", "matrices"), "1 matrix");
  EXPECT_EQ(counted(21, "matrix", "matrices"), "21 matrices");
}

}  // namespace
}  // namespace llmc::rt
