// One file an entry: digest of the rest, length of the first text, both texts.
#include "codegen/cuda/CompileCache.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <filesystem>
#include <tuple>
#include <vector>

namespace llmc {

static constexpr size_t kDigestBytes = 32, kLengthBytes = 8;
/// Of a user: eighty builds of an 8B model's kernels for one architecture.
static constexpr uint64_t kMostBytes = 256u << 20;

static std::string lengthBytes(uint64_t length) {
  std::string bytes(kLengthBytes, '\0');
  llvm::support::endian::write64le(bytes.data(), length);
  return bytes;
}

static std::string digest(llvm::StringRef bytes) {
  auto hash = llvm::SHA256::hash(llvm::arrayRefFromStringRef(bytes));
  return {reinterpret_cast<const char *>(hash.data()), hash.size()};
}

CompileCache CompileCache::ofUser() {
  llvm::SmallString<128> folder;
  if (const char *cache = std::getenv("XDG_CACHE_HOME"); cache && *cache)
    folder = cache;
  else if (const char *home = std::getenv("HOME"); home && *home)
    llvm::sys::path::append(folder, home, ".cache");
  if (!folder.empty())
    llvm::sys::path::append(folder, "llmc", "nvrtc");
  CompileCache cache{std::string(folder)};
  cache.trim(kMostBytes);
  return cache;
}

std::string CompileCache::key(llvm::ArrayRef<llvm::StringRef> parts) {
  llvm::SHA256 hash;
  for (llvm::StringRef part : parts) {
    hash.update(lengthBytes(part.size()));
    hash.update(part);
  }
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

std::string CompileCache::path(const std::string &key) const { return folder_ + "/" + key; }

std::optional<std::pair<std::string, std::string>> CompileCache::find(const std::string &key) const {
  if (folder_.empty())
    return std::nullopt;
  auto file = llvm::MemoryBuffer::getFile(path(key), /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file || (*file)->getBufferSize() < kDigestBytes + kLengthBytes)
    return std::nullopt;
  llvm::StringRef bytes = (*file)->getBuffer(), rest = bytes.drop_front(kDigestBytes);
  if (digest(rest) != bytes.take_front(kDigestBytes))
    return std::nullopt;
  const uint64_t length = llvm::support::endian::read64le(rest.data());
  rest = rest.drop_front(kLengthBytes);
  if (length > rest.size())
    return std::nullopt;
  std::error_code ignored; // used now: trim() looks at this time
  std::filesystem::last_write_time(path(key), std::filesystem::file_time_type::clock::now(), ignored);
  return std::pair(rest.take_front(length).str(), rest.drop_front(length).str());
}

void CompileCache::store(const std::string &key, llvm::StringRef first, llvm::StringRef second) const {
  if (folder_.empty() || llvm::sys::fs::create_directories(folder_))
    return;
  std::string rest = lengthBytes(first.size()) + first.str() + second.str();
  llvm::SmallString<128> name;
  int file = -1;
  if (llvm::sys::fs::createUniqueFile(folder_ + "/new-%%%%%%%%", file, name))
    return;
  bool written = false;
  {
    llvm::raw_fd_ostream out(file, /*shouldClose=*/true);
    out << digest(rest) << rest;
    out.flush();
    written = !out.has_error();
    out.clear_error();
  }
  if (!written || llvm::sys::fs::rename(name, path(key)))
    llvm::sys::fs::remove(name);
}

void CompileCache::trim(uint64_t bytes) const {
  namespace fs = std::filesystem;
  struct File {
    fs::file_time_type used;
    uint64_t bytes;
    fs::path path;
  };
  std::vector<File> files;
  uint64_t all = 0;
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder_, error)) {
    std::error_code gone; // another process may trim, too
    const uint64_t size = entry.file_size(gone);
    const fs::file_time_type used = gone ? fs::file_time_type() : entry.last_write_time(gone);
    if (gone)
      continue;
    files.push_back({used, size, entry.path()});
    all += size;
  }
  if (all <= bytes)
    return;
  llvm::sort(files, [](const File &a, const File &b) { return std::tie(a.used, a.path) < std::tie(b.used, b.path); });
  for (const File &file : files) {
    if (all <= bytes / 4 * 3)
      return;
    fs::remove(file.path, error);
    all -= file.bytes;
  }
}

} // namespace llmc
