// Temporary file, lock, fsync, rename, fsync of the folder.
#include "compiler/engine/OutputFile.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "runtime/base/system_error.h"
#include "runtime/format/layout.h"

namespace llmc {
namespace {

namespace fs = std::filesystem;

/// `old`: an earlier output is there and stays.
rt::Status ioError(const std::string& what, const std::string& path, int error, bool old = false) {
  std::string hint = error == ENOSPC || error == EDQUOT ? "free space on the disk"
                     : error == EFBIG                   ? "raise the file size limit (ulimit -f)"
                                                        : rt::hintOfSystemError(error);
  if (old) hint += (hint.empty() ? "" : "; ") + std::string("the old output is intact");
  return rt::Status::error(rt::kindOfSystemError(error), "OUT_IO",
                           what + " '" + rt::escaped(path) + "': " + std::strerror(error), hint);
}

std::string temporaryPrefix(const fs::path& path) { return "." + path.filename().string() + ".tmp-"; }

/// The path that is really written to: absolute, without symbolic links.
rt::Result<fs::path> resolve(const std::string& path) {
  std::error_code error;
  // Absolute first: weakly_canonical leaves a bare name that does not exist yet without its folder.
  fs::path target = fs::absolute(path, error);
  if (!error) target = fs::weakly_canonical(target, error);
  // A link to a file that is not there yet counts as a name that is not there yet, and is still in the way.
  std::error_code absent;
  for (int links = 0; !error && links < 40 && fs::is_symlink(fs::symlink_status(target, absent)); ++links)
    target = fs::weakly_canonical(target.parent_path() / fs::read_symlink(target, error), error);
  if (error || path.empty() || !target.has_filename())
    return rt::Status::error(rt::ErrorKind::kUsage, "OUT_PATH", "'" + rt::escaped(path) + "' cannot be an output file",
                             "name a file");
  return target;
}

/// Removes temporary files of `path` that no living process holds the lock of.
void reclaim(const fs::path& path) {
  std::string prefix = temporaryPrefix(path);
  std::error_code ignored;
  for (fs::directory_iterator it(path.parent_path(), ignored), end; !ignored && it != end; it.increment(ignored)) {
    if (it->path().filename().string().compare(0, prefix.size(), prefix) != 0) continue;
    int fd = ::open(it->path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) continue;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) ::unlink(it->path().c_str());
    ::close(fd);
  }
}

constexpr uint64_t kBlockBytes = rt::kWeightsAlignment;
/// Files of this size on are sent to the disk while they grow, in runs of kWritebackBytes; smaller ones are synced
/// soon.
constexpr uint64_t kLargeBytes = uint64_t{512} << 20, kWritebackBytes = uint64_t{64} << 20;

/// A write over RLIMIT_FSIZE should fail with EFBIG, not end the process with the temporary file left behind.
void ignoreFileSizeSignal() {
  struct sigaction now;
  if (::sigaction(SIGXFSZ, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) ::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace

rt::Status OutputFile::failed(const char* what) const {
  const int error = errno;
  struct stat info;
  return ioError(what, path_, error, !renamed_ && ::lstat(path_.c_str(), &info) == 0);
}

rt::Status OutputFile::checkFolder(const std::string& path) {
  auto target = resolve(path);
  if (!target) return target.takeStatus();
  std::string folder = target->parent_path().string();
  struct stat info;
  if (::stat(folder.c_str(), &info) != 0) return ioError("cannot create a file in", folder, errno);
  if (!S_ISDIR(info.st_mode)) return ioError("cannot create a file in", folder, ENOTDIR);
  return ::access(folder.c_str(), W_OK | X_OK) == 0 ? rt::Status::ok()
                                                    : ioError("cannot create a file in", folder, errno);
}

rt::Status OutputFile::open(const std::string& path) {
  auto resolved = resolve(path);
  if (!resolved) return resolved.takeStatus();
  fs::path target = resolved.take();
  path_ = target.string();
  ignoreFileSizeSignal();
  reclaim(target);
  static std::atomic<unsigned> counter{0};
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::string name = temporaryPrefix(target) + std::to_string(::getpid()) + "-" + std::to_string(counter++);
    temporary_ = (target.parent_path() / name).string();
    fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno == EEXIST) continue;
    if (fd_ < 0) break;
    // Between open and lock another run may have taken the file for a dead one and removed it.
    struct stat info;
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0 && ::fstat(fd_, &info) == 0 && info.st_nlink == 1) return rt::Status::ok();
    ::close(fd_);
    fd_ = -1;
  }
  temporary_.clear();
  return failed("cannot create a file beside");
}

rt::Status OutputFile::write(uint64_t offset, const char* next, uint64_t bytes) {
  while (bytes > 0) {
    ssize_t wrote = ::pwrite(fd_, next, std::min<uint64_t>(bytes, 1u << 30), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return failed("cannot write");
    if (wrote == 0) {
      errno = EIO;
      return failed("cannot write");
    }
    next += wrote;
    offset += static_cast<uint64_t>(wrote);
    bytes -= static_cast<uint64_t>(wrote);
  }
  return rt::Status::ok();
}

rt::Status OutputFile::flush() {
  uint64_t bytes = pending_.size();
  LLMC_TRY(write(size_ - bytes, pending_.data(), bytes));
  pending_.clear();
  return rt::Status::ok();
}

rt::Status OutputFile::writeAt(uint64_t offset, const void* data, uint64_t bytes) {
  LLMC_TRY(flush());
  LLMC_TRY(write(offset, static_cast<const char*>(data), bytes));
  size_ = std::max(size_, offset + bytes);
  return rt::Status::ok();
}

rt::Status OutputFile::append(const void* data, uint64_t bytes) {
  const auto* next = static_cast<const char*>(data);
  while (bytes > 0) {
    uint64_t now = std::min(bytes, kBlockBytes - size_ % kBlockBytes);
    if (now == kBlockBytes) {
      LLMC_TRY(write(size_, next, now));
    } else {
      pending_.insert(pending_.end(), next, next + now);
    }
    size_ += now;
    next += now;
    bytes -= now;
    if (size_ % kBlockBytes == 0) LLMC_TRY(flush());
  }
  startWriteback();
  return rt::Status::ok();
}

void OutputFile::startWriteback() {
  if (size_ < kLargeBytes) return;
  for (; size_ - begun_ >= 2 * kWritebackBytes; begun_ += kWritebackBytes)
    ::sync_file_range(fd_, static_cast<off_t>(begun_), kWritebackBytes, SYNC_FILE_RANGE_WRITE);
}

rt::Status OutputFile::appendHole(uint64_t bytes) {
  LLMC_TRY(flush());
  if (::ftruncate(fd_, static_cast<off_t>(size_ + bytes)) != 0) return failed("cannot extend");
  size_ += bytes;
  return rt::Status::ok();
}

rt::Status OutputFile::truncate(uint64_t bytes) {
  LLMC_TRY(flush());
  if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) return failed("cannot cut");
  size_ = bytes;
  return rt::Status::ok();
}

rt::Status OutputFile::commit(bool durable) {
  if (fd_ < 0)
    return rt::Status::error(rt::ErrorKind::kInternal, "OUT_IO", "output '" + rt::escaped(path_) + "' is not open");
  LLMC_TRY(flush());
  if (durable && ::fsync(fd_) != 0) return failed("cannot sync");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failed("cannot replace");
  temporary_.clear();
  renamed_ = true;
  // Deferred write errors (quota, network file systems) show up here at the latest.
  int fd = fd_;
  fd_ = -1;
  if (::close(fd) != 0) return failed("cannot close");
  if (!durable) return rt::Status::ok();
  int folder = ::open(fs::path(path_).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return failed("cannot open the folder of");
  int synced = ::fsync(folder);
  ::close(folder);
  // Some file systems cannot sync folders and say so.
  return synced == 0 || errno == EINVAL ? rt::Status::ok() : failed("cannot sync the folder of");
}

void OutputFile::abort() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace llmc
