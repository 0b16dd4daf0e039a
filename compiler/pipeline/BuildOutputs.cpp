// Inode comparisons, a sweep of old dumps, and a file that is opened early.
#include "compiler/pipeline/BuildOutputs.h"

#include "runtime/base/counted.h"
#include "runtime/base/system_error.h"
#include "runtime/format/layout.h"
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace llmc {

namespace fs = std::filesystem;

static rt::Status ioError(const std::string &path, int error) {
  return rt::Status::error(rt::kindOfSystemError(error), "OUT_IO",
                           "cannot write " + rt::escaped(path) + ": " + std::strerror(error),
                           rt::hintOfSystemError(error, "name a place that can be written"));
}

static bool isEngine(const std::string &path) {
  std::array<char, rt::kEngineMagic.size()> magic{};
  std::ifstream file(path, std::ios::binary);
  file.read(magic.data(), magic.size());
  return file && magic == rt::kEngineMagic;
}

rt::Status checkNotInput(const std::string &what, const std::string &path, const std::string &model) {
  struct stat output{}, input{};
  if (::stat(path.c_str(), &output) != 0 || !S_ISREG(output.st_mode) || ::stat(model.c_str(), &input) != 0)
    return rt::Status::ok();
  auto refuse = [&](const fs::path &file) {
    return rt::Status::error(rt::ErrorKind::kUsage, "OUT_IS_INPUT",
                             what + " '" + rt::escaped(path) + "' is '" + rt::escaped(file.string()) +
                                 "', which the build reads",
                             "name another file");
  };
  auto same = [&](const struct stat &other) { return other.st_dev == output.st_dev && other.st_ino == output.st_ino; };
  if (same(input))
    return refuse(model);
  // A .gguf is a model alone; a .safetensors is one with the files beside it.
  if (!S_ISDIR(input.st_mode) && !model.ends_with(".safetensors"))
    return rt::Status::ok();
  if (output.st_size == 0 || isEngine(path))
    return rt::Status::ok();
  fs::path folder = S_ISDIR(input.st_mode) ? fs::path(model) : fs::absolute(model).parent_path();
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (struct stat other{}; ::stat(it->path().c_str(), &other) == 0 && same(other))
      return refuse(it->path());
  return rt::Status::ok();
}

rt::Status checkDiffer(const std::string &remarks, const std::string &output) {
  auto real = [](const std::string &path) {
    std::error_code error;
    return fs::weakly_canonical(fs::absolute(path, error), error);
  };
  std::error_code error;
  if (real(remarks) != real(output) && !fs::equivalent(remarks, output, error))
    return rt::Status::ok();
  return rt::Status::error(rt::ErrorKind::kUsage, "OUT_PATH", "--remarks and -o are both '" + rt::escaped(output) + "'",
                           "name another file");
}

/// The first bytes of a file, `most` of them; none of what is no file, or not readable.
static std::string headOf(const std::string &path, size_t most) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    return {};
  std::ifstream file(path, std::ios::binary);
  std::string head(most, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(file.gcount()));
  return head;
}

rt::Status checkReplaces(const std::string &what, const std::string &path, const std::string &begins) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0)
    return rt::Status::ok();
  std::istringstream lines(headOf(path, 64 << 10)); // no comment before the first line is longer
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#')
      continue;
    if (line.starts_with(begins))
      return rt::Status::ok();
    break;
  }
  return rt::Status::error(rt::ErrorKind::kUsage, "OUT_EXISTS",
                           what + " " + rt::escaped(path) + " is there and does not begin with '" + begins + "'",
                           "name another file, or remove that one");
}

rt::Status checkReplacesText(const std::string &what, const std::string &path) {
  const std::string head = headOf(path, 4096);
  const std::string_view magic(rt::kEngineMagic.data(), rt::kEngineMagic.size());
  // Every kind of model begins with numbers, and so with zeros.
  if (head.find('\0') == std::string::npos && !head.starts_with(magic) && !head.starts_with("GGUF"))
    return rt::Status::ok();
  return rt::Status::error(rt::ErrorKind::kUsage, "OUT_EXISTS",
                           what + " " + rt::escaped(path) + " is there and no text",
                           "name another file, or remove that one");
}

/// What stands before the last dot of `name`, and what follows from it on. Allocates nothing.
static std::pair<std::string_view, std::string_view> splitAtDot(std::string_view name) {
  const size_t dot = std::min(name.rfind('.'), name.size());
  return {name.substr(0, dot), name.substr(dot)};
}

/// "linear_960x576_m8.sm_90a.cubin": what a build for CUDA makes of each variant.
static bool isCudaDump(std::string_view name) {
  const auto [stem, kind] = splitAtDot(name);
  const std::string_view arch = splitAtDot(stem).second;
  return (arch.starts_with(".sm_") || arch.starts_with(".compute_")) &&
         (kind == ".mlir" || kind == ".cu" || kind == ".ptx" || kind == ".cubin");
}

/// "012-llm-quantize.mlir": what dumpText makes. Async-signal-safe.
static bool isDump(std::string_view name) {
  if (isCudaDump(name))
    return true;
  const size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
  const std::string_view kind = splitAtDot(name).second;
  return digits >= 3 && name.substr(digits, 1) == "-" && (kind == ".mlir" || kind == ".ll" || kind == ".s");
}

/// The one whose dumps go with an interrupted build.
static std::atomic<const DumpFolder *> unfinished;

std::vector<fs::path> DumpFolder::dumps() const {
  std::vector<fs::path> found;
  for (const fs::path &each : folders_) {
    std::error_code error;
    for (fs::directory_iterator it(each, error), end; !error && it != end; it.increment(error))
      if (isDump(it->path().filename().native()) && it->is_regular_file(error))
        found.push_back(it->path());
  }
  return found;
}

rt::Status DumpFolder::prepare(const std::string &folder, const std::vector<std::string> &inner, bool force) {
  if (folder.empty())
    return rt::Status::ok();
  std::error_code error;
  const fs::path whole = fs::absolute(folder, error).lexically_normal();
  for (fs::path each = whole.has_filename() ? whole : whole.parent_path(); !fs::exists(each, error) && !error;
       each = each.parent_path())
    made_.push_back(each);
  folders_ = {folder};
  for (const std::string &each : inner)
    folders_.push_back(fs::path(folder) / each);
  const std::vector<fs::path> old = dumps();
  if (!old.empty() && !force)
    return rt::Status::error(rt::ErrorKind::kUsage, "OUT_EXISTS",
                             "--dump-dir " + rt::escaped(folder) + " has " + rt::counted(old.size(), "file", "files") +
                                 " of an earlier build, " +
                                 rt::escaped(std::min_element(old.begin(), old.end())->filename().string()) +
                                 (old.size() > 1 ? " and others" : ""),
                             "name another folder, or pass --force to remove them");
  unfinished = this;
  fs::create_directories(folder, error);
  if (error || ::access(folder.c_str(), W_OK | X_OK) != 0) {
    rt::Status failed = ioError(folder, error ? error.value() : errno);
    removeEmpty();
    return failed;
  }
  for (const fs::path &file : old)
    if (::unlink(file.c_str()) != 0)
      return ioError(file.string(), errno);
  for (size_t i = 1; i < folders_.size(); ++i)
    ::rmdir(folders_[i].c_str()); // only when it is empty now
  return rt::Status::ok();
}

DumpFolder::~DumpFolder() { keep(); }

void DumpFolder::keep() {
  const DumpFolder *mine = this;
  unfinished.compare_exchange_strong(mine, nullptr);
}

/// The dumps in `folder`, with system calls alone: the rest of the process may hold any lock.
static void unlinkDumps(const char *folder) {
  const int fd = ::open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return;
  alignas(dirent64) std::array<char, 4096> entries;
  for (ssize_t bytes; (bytes = ::getdents64(fd, entries.data(), entries.size())) > 0;)
    for (ssize_t at = 0; at < bytes;) {
      const auto *entry = reinterpret_cast<const dirent64 *>(entries.data() + at);
      if (isDump(entry->d_name))
        ::unlinkat(fd, entry->d_name, 0);
      at += entry->d_reclen;
    }
  ::close(fd);
}

void DumpFolder::removeUnfinished() {
  const DumpFolder *folder = unfinished.load();
  if (!folder)
    return;
  for (const fs::path &each : folder->folders_)
    unlinkDumps(each.c_str());
  folder->removeEmpty();
}

rt::Status DumpFolder::afterDumping(rt::Status status) {
  if (status || status.code() != "OUT_IO")
    return status;
  for (const fs::path &file : dumps())
    ::unlink(file.c_str());
  removeEmpty();
  return status;
}

void DumpFolder::removeEmpty() const {
  for (size_t i = 1; i < folders_.size(); ++i)
    ::rmdir(folders_[i].c_str()); // this one and those below stay when something else is in them
  for (const fs::path &each : made_)
    ::rmdir(each.c_str());
}

/// The path of a file that its LateFile made, until that is written or gone.
static std::atomic<const char *> unwritten;

void LateFile::removeUnwritten() {
  if (const char *path = unwritten.load())
    ::unlink(path);
}

void LateFile::forget() {
  if (made_)
    unwritten = nullptr;
}

LateFile::~LateFile() {
  if (fd_ < 0)
    return;
  forget();
  giveBack();
  ::close(fd_);
  if (made_)
    ::unlink(path_.c_str());
}

rt::Status LateFile::open(const std::string &path) {
  path_ = path;
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  made_ = fd_ >= 0;
  if (made_)
    unwritten = path_.c_str();
  if (fd_ < 0 && errno == EEXIST)
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  return fd_ >= 0 ? rt::Status::ok() : ioError(path, errno);
}

/// The room that stage() reserved behind the end of the file. Its times are those of the text that is there.
void LateFile::giveBack() {
  struct stat info{};
  if (!staged_ || ::fstat(fd_, &info) != 0)
    return;
  const timespec times[] = {info.st_atim, modified_};
  (void)::ftruncate(fd_, info.st_size);
  (void)::futimens(fd_, times);
}

rt::Status LateFile::stage(const std::string &text) {
  struct stat info{};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode))
    return write(text);
  if (text.empty())
    return rt::Status::ok();
  modified_ = info.st_mtim;
  staged_ = true; // a part of the room may be had also where this fails
  int failed = 0;
  do
    failed = ::fallocate(fd_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(text.size())) == 0 ? 0 : errno;
  while (failed == EINTR);
  return failed == 0 || failed == EOPNOTSUPP || failed == ENOSYS ? rt::Status::ok() : ioError(path_, failed);
}

rt::Status LateFile::write(const std::string &text) {
  forget();
  staged_ = false;
  struct stat info{};
  const bool isFile = ::fstat(fd_, &info) == 0 && S_ISREG(info.st_mode);
  for (size_t done = 0; done < text.size();) {
    ssize_t wrote = ::write(fd_, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote < 0) {
      const int error = errno;
      if (isFile) // no text that begins new and ends old
        (void)::ftruncate(fd_, static_cast<off_t>(done));
      return ioError(path_, error);
    }
    done += static_cast<size_t>(wrote);
  }
  // The rest of what was there goes last: cut first, a staged file would lose its room.
  if (isFile && ::ftruncate(fd_, static_cast<off_t>(text.size())) != 0)
    return ioError(path_, errno);
  int fd = std::exchange(fd_, -1);
  return ::close(fd) == 0 ? rt::Status::ok() : ioError(path_, errno);
}

} // namespace llmc
