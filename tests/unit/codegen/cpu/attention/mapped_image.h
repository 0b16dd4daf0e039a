// Machine code that a test calls.
#pragma once

#include "codegen/cpu/ImageLinker.h"
#include <cstring>
#include <sys/mman.h>

namespace llmc {

/// Code mapped read + execute for the life of the object.
class MappedImage {
public:
  explicit MappedImage(const CodeImage &image) : size_(image.bytes.size()) {
    base_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memcpy(base_, image.bytes.data(), size_);
    mprotect(base_, size_, PROT_READ | PROT_EXEC);
  }
  ~MappedImage() { munmap(base_, size_); }
  rt::KernelFn function(const CodeImage &image, llvm::StringRef name) const {
    return reinterpret_cast<rt::KernelFn>(static_cast<char *>(base_) + image.symbols.lookup(name).offset);
  }

private:
  void *base_;
  size_t size_;
};

} // namespace llmc
