// Writes over its own closing brackets, so that the file is whole at every moment.
#include "runtime/serving/trace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/base/system_error.h"

namespace llmc::rt::serving {
namespace {

constexpr size_t kBufferBytes = 64 << 10;
constexpr std::string_view kClose = "\n]}\n";

constexpr std::string_view kBegin = R"({"displayTimeUnit":"ms","traceEvents":[)";

std::string head(const TraceFile::Tracks& tracks) {
  std::string text = std::string(kBegin) + R"(
{"name":"process_name","ph":"M","pid":1,"tid":0,"args":{"name":"llmc-run"}})";
  for (const auto& [number, name] : tracks)
    text += ",\n" + std::string(R"({"name":"thread_name","ph":"M","pid":1,"tid":)") + std::to_string(number) +
            R"(,"args":{"name":)" + TraceFile::quoted(name) + "}}";
  return text;
}

/// What is not ours stays: an engine that was meant to be run, say. Pipes and devices hold nothing.
bool mayReplace(int file) {
  struct stat info{};
  if (::fstat(file, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) return true;
  std::string begin(kBegin.size(), '\0');
  return ::pread(file, begin.data(), begin.size(), 0) == static_cast<ssize_t>(begin.size()) && begin == kBegin;
}

}  // namespace

TraceFile::TraceFile(int file, const Tracks& tracks, uint64_t mostBytes)
    : file_(file), mostBytes_(mostBytes), buffer_(head(tracks)) {
  buffer_.reserve(kBufferBytes + 4096);
}

TraceFile::~TraceFile() {
  (void)flush();
  ::close(file_);
}

Result<std::unique_ptr<TraceFile>> TraceFile::create(const std::string& path, const Tracks& tracks,
                                                     uint64_t mostBytes) {
  const auto failed = [&](int error) {
    return Status::error(kindOfSystemError(error), "SV_TRACE",
                         "cannot write the trace to '" + escaped(path) + "': " + std::strerror(error),
                         hintOfSystemError(error));
  };
  // Read and write: what is there is looked at. A pipe or a terminal may be open for one of them alone.
  struct stat there{};
  const bool regular = ::stat(path.c_str(), &there) != 0 || S_ISREG(there.st_mode);
  const int file = ::open(path.c_str(), (regular ? O_RDWR : O_WRONLY) | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return failed(errno);
  if (!mayReplace(file)) {
    ::close(file);
    return Status::error(ErrorKind::kUsage, "SV_TRACE", "'" + escaped(path) + "' is there and no trace of llmc-run",
                         "name another file, or remove that one");
  }
  if (regular && ::ftruncate(file, 0) != 0) {
    const int error = errno;
    ::close(file);
    return failed(error);
  }
  std::unique_ptr<TraceFile> trace(new TraceFile(file, tracks, mostBytes));
  LLMC_TRY(trace->flush());
  return trace;
}

void TraceFile::add(std::string_view event) {
  if (over_) return;
  if (written_ + buffer_.size() + event.size() > mostBytes_) {
    buffer_ += R"(,
{"name":"the trace is full: nothing is recorded from here on","ph":"i","s":"g","pid":1,"tid":1,"ts":0})";
    (void)flush();
    over_ = true;
    return;
  }
  buffer_ += ",\n";
  buffer_ += event;
  if (buffer_.size() <= kBufferBytes) return;
  if (Status status = flush(); !status) failure_ = std::move(status);
}

void TraceFile::addSpan(int track, std::string_view name, double begin, double end, std::string_view arguments) {
  std::string event = R"({"ph":"X","pid":1,"tid":)" + std::to_string(track) + R"(,"name":)" + quoted(name) +
                      R"(,"ts":)" + microseconds(begin) + R"(,"dur":)" + microseconds(std::max(end - begin, 0.0));
  if (!arguments.empty()) event += R"(,"args":{)" + std::string(arguments) + "}";
  add(event + "}");
}

Status TraceFile::flush() {
  if (failure_) return Status(*std::exchange(failure_, std::nullopt));
  if (over_ || buffer_.empty()) return Status::ok();
  const size_t size = buffer_.size();
  buffer_ += kClose;
  for (size_t done = 0; done < buffer_.size();) {
    const ssize_t count =
        ::pwrite(file_, buffer_.data() + done, buffer_.size() - done, static_cast<off_t>(written_ + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const int error = count < 0 ? errno : EIO;
      over_ = true;
      // What was cut leaves; the brackets have their old place, which the disk need not find anew.
      const auto end = static_cast<off_t>(written_);
      if (::pwrite(file_, kClose.data(), kClose.size(), end) == static_cast<ssize_t>(kClose.size()))
        (void)!::ftruncate(file_, end + static_cast<off_t>(kClose.size()));
      return Status::error(ErrorKind::kIo, "SV_TRACE",
                           std::string("cannot write the trace: ") + std::strerror(error) +
                               "; nothing more is recorded, what was stays");
    }
    done += static_cast<size_t>(count);
  }
  written_ += size;
  buffer_.clear();
  return Status::ok();
}

std::string TraceFile::field(std::string_view name, uint64_t value) {
  return "\"" + std::string(name) + "\":" + std::to_string(value);
}

std::string TraceFile::quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string TraceFile::microseconds(double seconds) {
  char text[40];
  std::snprintf(text, sizeof text, "%.3f", seconds * 1e6);
  return text;
}

}  // namespace llmc::rt::serving
