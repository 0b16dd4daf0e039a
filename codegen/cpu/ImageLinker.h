// Links kernel objects of one level into a flat position-independent image: no relocations, no imports, no
// constructors.
#pragma once

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace llmc {

/// Code and read-only data in one block of bytes to be mapped read + execute at any 64 KiB boundary.
struct CodeImage {
  struct Symbol {
    uint64_t offset = 0;
    uint64_t size = 0;
  };
  llvm::SmallVector<char, 0> bytes;
  llvm::StringMap<Symbol> symbols;
};

/// Runs LLD's library on the objects and cuts the read+execute segment out. Any thread; calls wait for one another.
/// Errors: an undefined symbol, dynamic relocation, constructor or writable data in the result; what is no object.
llvm::Expected<CodeImage> linkImage(const std::vector<llvm::SmallVector<char, 0>> &objects);

} // namespace llmc
