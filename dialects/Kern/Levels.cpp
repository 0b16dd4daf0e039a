// The list of CPU levels.
#include "dialects/Kern/Levels.h"

#include "llvm/ADT/STLExtras.h"

namespace llmc::kern {

::llvm::ArrayRef<::llvm::StringRef> levelNames() {
  static constexpr ::llvm::StringRef kLevels[] = {"x86-64-v3",           "x86-64-v3-avxvnni",
                                                  "x86-64-v4",           "x86-64-v4-vnni",
                                                  "x86-64-v4-vnni-bf16", "x86-64-v4-vnni-bf16-vp2intersect"};
  return kLevels;
}

bool isLevelName(::llvm::StringRef name) { return ::llvm::is_contained(levelNames(), name); }

bool levelHasVnni(::llvm::StringRef name) { return name.contains("vnni"); }

}  // namespace llmc::kern
