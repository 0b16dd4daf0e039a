// --dump-logits: raw f32 logits of every prompt position, for comparison with other implementations. With --streams N
// the prompt is cut into N sequences, each from an empty cache, that share steps in uneven chunks and interleaved pages.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "runtime/kv/sequence_cache.h"
#include "runtime/main/modes.h"
#include "runtime/main/prompt.h"
#include "runtime/main/session.h"

namespace llmc::rt {
namespace {

using File = std::unique_ptr<std::FILE, decltype([](std::FILE* file) { std::fclose(file); })>;

Status fileError(const std::string& path) {
  return Status::error(ErrorKind::kIo, "CLI_OUTPUT", "cannot write " + escaped(path) + ": " + std::strerror(errno));
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
Status runStep(Executor& executor, std::vector<Piece>& pieces, size_t step, std::FILE* file, bool& ran) {
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
  for (uint32_t row = 0; row < rows.size(); ++row) {
    const auto logits = executor.logits(row);
    const auto at = static_cast<off_t>(rows[row] * logits.size() * sizeof(float));
    if (fseeko(file, at, SEEK_SET) != 0 || std::fwrite(logits.data(), sizeof(float), logits.size(), file) != logits.size())
      return Status::error(ErrorKind::kIo, "CLI_OUTPUT", std::string("cannot write the logits: ") + std::strerror(errno));
  }
  return Status::ok();
}

}  // namespace

Status runDumpLogits(const Flags& flags) {
  const auto streams = static_cast<uint32_t>(flags.benchStreams);
  auto opened = Session::open(flags, {.text = flags.promptIds.empty(), .sequences = streams, .rows = flags.maxBatchedTokens});
  LLMC_TRY(opened.status());
  Session& session = **opened;
  auto prompt = promptIds(session, flags);
  LLMC_TRY(prompt.status());
  const File file(std::fopen(flags.dumpLogits.c_str(), "wb"));
  if (!file) return fileError(flags.dumpLogits);

  std::vector<Piece> pieces = cut(*prompt, session, streams);
  bool ran = true;
  for (size_t step = 0; ran; ++step) LLMC_TRY(runStep(session.executor(), pieces, step, file.get(), ran));
  return std::fflush(file.get()) == 0 ? Status::ok() : fileError(flags.dumpLogits);
}

}  // namespace llmc::rt
