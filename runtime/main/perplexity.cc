// --perplexity: mean negative log likelihood of a text in chunks that each start from an empty cache.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "runtime/kv/sequence_cache.h"
#include "runtime/main/json_output.h"
#include "runtime/main/modes.h"
#include "runtime/main/output.h"
#include "runtime/main/prompt.h"
#include "runtime/main/session.h"
#include "runtime/sample/sampler.h"

namespace llmc::rt {
namespace {

/// Rows of logits kept at once: enough for full matrix tiles, 50 MB at a vocabulary of 49152.
constexpr uint32_t kRowsAStep = 256;

/// Sum of negative log likelihoods of ids[1..], given those before. The last id is only predicted, never run.
Result<double> scoreChunk(Session& session, Sampler& sampler, std::span<const int32_t> ids) {
  Executor& executor = session.executor();
  SequenceCache cache(session.kv(), session.context());
  double sum = 0;
  while (cache.length() + 1 < ids.size()) {
    const uint32_t start = cache.length();
    const auto count = static_cast<uint32_t>(std::min<size_t>(executor.limits().maxRows, ids.size() - 1 - start));
    LLMC_TRY(cache.append(count));
    const StepSequence step{ids.subspan(start, count), cache.pages(), start, RowChoice::kAll, {}};
    LLMC_TRY(executor.step(std::span(&step, 1)));
    for (uint32_t row = 0; row < count; ++row) {
      const auto logits = executor.logits(row);
      auto norm = sampler.logSumExp(logits);
      LLMC_TRY(norm.status());
      sum += *norm - static_cast<double>(logits[static_cast<size_t>(ids[start + row + 1])]);
    }
  }
  return sum;
}

Status checkIds(const std::vector<int32_t>& ids, uint32_t vocabulary) {
  if (ids.size() < 2)
    return Status::error(ErrorKind::kBadInput, "RT_PROMPT_EMPTY",
                         "the text has " + std::to_string(ids.size()) + " tokens, scoring needs 2");
  return checkPrompt(ids, vocabulary, UINT32_MAX);
}

}  // namespace

Status runPerplexity(const Flags& flags) {
  auto text = readTextFile(flags.perplexityFile);
  LLMC_TRY(text.status());
  auto opened = Session::open(flags, {.rows = kRowsAStep});
  LLMC_TRY(opened.status());
  Session& session = **opened;
  if (flags.chunk > session.context())
    return Status::error(ErrorKind::kUsage, "RT_CONTEXT",
                         "--chunk " + std::to_string(flags.chunk) + " is longer than the context of " +
                             std::to_string(session.context()));
  const uint32_t chunkTokens = flags.chunk ? flags.chunk : std::min(512u, session.context());
  auto tokenizer = session.tokenizer();
  LLMC_TRY(tokenizer.status());
  auto encoded = idsOfFile((*tokenizer)->encode(*text), flags.perplexityFile);
  LLMC_TRY(encoded.status());
  LLMC_TRY(checkIds(*encoded, session.executor().vocabulary()));

  Sampler sampler(session.executor().vocabulary());
  const std::span<const int32_t> ids(*encoded);
  std::vector<double> chunks;
  uint64_t scored = 0;
  double total = 0;
  for (size_t at = 0; at + 1 < ids.size(); at += chunkTokens) {
    const auto chunk = ids.subspan(at, std::min<size_t>(chunkTokens, ids.size() - at));
    auto sum = scoreChunk(session, sampler, chunk);
    LLMC_TRY(sum.status());
    chunks.push_back(*sum / static_cast<double>(chunk.size() - 1));
    scored += chunk.size() - 1;
    total += *sum;
  }
  const double nll = total / static_cast<double>(scored);
  if (flags.json) return writeOutput(perplexityJson(scored, nll, chunks));
  char line[160];
  std::snprintf(line, sizeof line, "perplexity %.4f, nll %.6f nats, %llu tokens scored in %zu chunks\n", std::exp(nll),
                nll, static_cast<unsigned long long>(scored), chunks.size());
  return writeOutput(line);
}

}  // namespace llmc::rt
