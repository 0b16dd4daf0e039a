// --dump-logits: raw f32 logits of every prompt position, for comparison with other implementations.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

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

}  // namespace

Status runDumpLogits(const Flags& flags) {
  auto opened = Session::open(flags, {.text = flags.promptIds.empty(), .rows = flags.maxBatchedTokens});
  LLMC_TRY(opened.status());
  Session& session = **opened;
  auto prompt = promptIds(session, flags);
  LLMC_TRY(prompt.status());
  const File file(std::fopen(flags.dumpLogits.c_str(), "wb"));
  if (!file) return fileError(flags.dumpLogits);

  Executor& executor = session.executor();
  SequenceCache cache(session.kv(), session.context());
  const std::span<const int32_t> ids(*prompt);
  while (cache.length() < ids.size()) {
    const uint32_t start = cache.length();
    const auto count = static_cast<uint32_t>(std::min<size_t>(executor.limits().maxRows, ids.size() - start));
    LLMC_TRY(cache.append(count));
    const StepSequence step{ids.subspan(start, count), cache.pages(), start, RowChoice::kAll, {}};
    LLMC_TRY(executor.step(std::span(&step, 1)));
    for (uint32_t row = 0; row < count; ++row) {
      const auto logits = executor.logits(row);
      if (std::fwrite(logits.data(), sizeof(float), logits.size(), file.get()) != logits.size())
        return fileError(flags.dumpLogits);
    }
  }
  return std::fflush(file.get()) == 0 ? Status::ok() : fileError(flags.dumpLogits);
}

}  // namespace llmc::rt
