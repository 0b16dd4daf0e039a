// The list of kernel families that the build makes of the folders.
#include "codegen/cpu/KernelEmitter.h"

#include "gtest/gtest.h"
#include <set>

namespace llmc {
namespace {

TEST(KernelEmitter, EveryFamilyHasAHeroOfItsOwn) {
  std::set<std::string> heroes;
  for (const KernelFamily *family : kernelFamilies()) {
    EXPECT_TRUE(kern::isHeroName(family->hero)) << family->hero.str() << " is not in heroNames() of KernOps.cpp";
    EXPECT_TRUE(heroes.insert(family->hero.str()).second) << family->hero.str() << " has two families";
    EXPECT_NE(family->emit, nullptr);
  }
  for (const char *hero : {"linear", "attend", "kv_write"})
    EXPECT_TRUE(heroes.contains(hero)) << hero;
}

} // namespace
} // namespace llmc
