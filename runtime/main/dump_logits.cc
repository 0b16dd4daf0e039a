// --dump-logits: raw f32 logits of every prompt position, for comparison with other implementations. With --streams N
// the prompt is cut into N sequences, each from an empty cache, that share steps in uneven chunks and interleaved
// pages.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <span>
#include <vector>

#include "runtime/base/system_error.h"
#include "runtime/format/layout.h"
#include "runtime/kv/sequence_cache.h"
#include "runtime/main/modes.h"
#include "runtime/main/prompt.h"
#include "runtime/main/session.h"

namespace llmc::rt {
namespace {

/// The file being written. Unless it was finished, what is there goes away again.
class Output {
 public:
  explicit Output(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wb")) {}
  ~Output() {
    if (!file_) return;
    std::fclose(file_);
    struct stat info{};
    if (!finished_ && ::stat(path_.c_str(), &info) == 0 && S_ISREG(info.st_mode)) ::unlink(path_.c_str());
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  Status error() const { return fileError("CLI_OUTPUT", "cannot write", path_, errno, ErrorKind::kIo); }
  Status opened() const { return file_ ? Status::ok() : error(); }
  Status writeRow(size_t row, std::span<const float> logits) {
    const auto at = static_cast<off_t>(row * logits.size_bytes());
    const bool written = fseeko(file_, at, SEEK_SET) == 0 &&
                         std::fwrite(logits.data(), sizeof(float), logits.size(), file_) == logits.size();
    return written ? Status::ok() : error();
  }
  Status finish() {
    finished_ = std::fflush(file_) == 0;
    return finished_ ? Status::ok() : error();
  }

 private:
  const std::string path_;
  std::FILE* const file_;
  bool finished_ = false;
};

/// An engine or a model: who named it here meant to read it.
Status checkNoModel(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return Status::ok();
  std::array<char, kEngineMagic.size()> begin{};
  std::ifstream(path, std::ios::binary).read(begin.data(), begin.size());
  if (begin != kEngineMagic && !std::string_view(begin.data(), begin.size()).starts_with("GGUF")) return Status::ok();
  return Status::error(ErrorKind::kUsage, "CLI_OUTPUT", "--dump-logits " + escaped(path) + " is there and a model",
                       "name another file");
}

/// One piece of the prompt with its own cache.
struct Piece {
  std::span<const int32_t> ids;
  size_t first;  ///< its first row in the file
  SequenceCache cache;
};

/// Pieces of growing length: all different, the first may be a single token.
std::vector<Piece> cut(std::span<const int32_t> ids, Session& session, size_t count) {
  std::vector<Piece> pieces;
  const size_t shares = count * (count + 1) / 2;
  for (size_t i = 0, from = 0; i < count; ++i) {
    const size_t end = ids.size() * ((i + 1) * (i + 2) / 2) / shares;
    pieces.push_back({ids.subspan(from, end - from), from, SequenceCache(session.kv(), session.context())});
    from = end;
  }
  return pieces;
}

/// Tokens of piece `i` in step `step`: uneven on purpose when there are several, so that chunks and single tokens mix.
size_t share(size_t i, size_t step, size_t pieces) { return pieces == 1 ? SIZE_MAX : 1 + (7 * step + 5 * i) % 23; }

/// Runs one step over all unfinished pieces and writes its rows to their places. False in `ran` when none was left.
Status runStep(Executor& executor, std::vector<Piece>& pieces, size_t step, Output& output, bool& ran) {
  std::vector<StepSequence> parts;
  std::vector<size_t> rows;  // of the file
  size_t budget = std::min(executor.limits().maxRows, executor.limits().maxTokens);
  for (size_t i = 0; i < pieces.size(); ++i) {
    Piece& piece = pieces[i];
    const uint32_t start = piece.cache.length();
    const size_t count = std::min({share(i, step, pieces.size()), piece.ids.size() - start, budget});
    if (count == 0) continue;
    LLMC_TRY(piece.cache.append(static_cast<uint32_t>(count)));
    parts.push_back({piece.ids.subspan(start, count), piece.cache.pages(), start, RowChoice::kAll, {}});
    for (size_t row = 0; row < count; ++row) rows.push_back(piece.first + start + row);
    budget -= count;
  }
  ran = !parts.empty();
  if (!ran) return Status::ok();
  LLMC_TRY(executor.step(parts));
  for (uint32_t row = 0; row < rows.size(); ++row) LLMC_TRY(output.writeRow(rows[row], executor.logits(row)));
  return Status::ok();
}

}  // namespace

Status runDumpLogits(const Flags& flags) {
  LLMC_TRY(checkNoModel(flags.dumpLogits));
  const auto streams = static_cast<uint32_t>(flags.benchStreams);
  auto opened =
      Session::open(flags, {.text = flags.promptIds.empty(), .sequences = streams, .rows = flags.maxBatchedTokens});
  LLMC_TRY(opened.status());
  Session& session = **opened;
  auto prompt = promptIds(session, flags);
  LLMC_TRY(prompt.status());
  Output output(flags.dumpLogits);
  LLMC_TRY(output.opened());

  std::vector<Piece> pieces = cut(*prompt, session, streams);
  bool ran = true;
  for (size_t step = 0; ran; ++step) LLMC_TRY(runStep(session.executor(), pieces, step, output, ran));
  return output.finish();
}

}  // namespace llmc::rt
