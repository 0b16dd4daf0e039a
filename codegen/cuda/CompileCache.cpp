// One file an entry: digest of the rest, length of the first text, both texts.
#include "codegen/cuda/CompileCache.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>

namespace llmc {

static constexpr size_t kDigestBytes = 32, kLengthBytes = 8;

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
  return CompileCache(std::string(folder));
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

} // namespace llmc
