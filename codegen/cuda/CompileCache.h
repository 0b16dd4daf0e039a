// Compiled kernels kept on disk between builds, each under a digest of everything that its bytes depend on.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>
#include <utility>

namespace llmc {

/// A folder of files. Thread-safe, and safe among processes: files appear whole. Files that cannot be read or written
/// are no error, only work done again.
class CompileCache {
public:
  /// ($XDG_CACHE_HOME or $HOME/.cache)/llmc/nvrtc, trimmed to 256 MiB; without both variables nothing is kept.
  static CompileCache ofUser();
  /// An empty folder name: nothing is kept.
  explicit CompileCache(std::string folder) : folder_(std::move(folder)) {}

  /// Digest of `parts`, where ("ab", "c") differs from ("a", "bc").
  static std::string key(llvm::ArrayRef<llvm::StringRef> parts);

  /// The two texts stored under `key`, or nothing. A file that is cut short or changed is not returned.
  std::optional<std::pair<std::string, std::string>> find(const std::string &key) const;
  void store(const std::string &key, llvm::StringRef first, llvm::StringRef second) const;
  /// Where files have more than `bytes` together, removes those that were not used for longest, down to three quarters.
  void trim(uint64_t bytes) const;

private:
  std::string path(const std::string &key) const;
  std::string folder_;
};

} // namespace llmc
