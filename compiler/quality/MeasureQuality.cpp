// Chunks of the sample through two engines; rows are compared as they come, so memory is that of one step.
#include "compiler/quality/MeasureQuality.h"

#include "compiler/quality/EngineRun.h"
#include "compiler/quality/Sample.h"
#include "runtime/base/shortage.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

namespace llmc {
namespace {

constexpr uint32_t kChunk = 512;
/// Rows of logits held at once, of each engine: 25 MB at a vocabulary of 49152.
constexpr uint32_t kRowsAStep = 128;

/// The sample as chunks, each with the BOS that the model wants.
rt::Result<std::vector<std::vector<int32_t>>> sampleChunks(const EngineRun &run, const QualityRequest &request,
                                                           uint32_t chunk) {
  auto tokenizer = rt::Tokenizer::create(request.tokenizer);
  if (!tokenizer)
    return tokenizer.takeStatus();
  auto ids = tokenizer->encode(sampleText());
  if (!ids)
    return ids.takeStatus();
  for (int32_t id : *ids)
    if (id < 0 || static_cast<uint32_t>(id) >= run.vocabulary())
      return rt::Status::error(rt::ErrorKind::kBadInput, "RT_TOKEN_ID",
                               "the tokenizer gives id " + std::to_string(id) + " outside the model's vocabulary");
  std::vector<std::vector<int32_t>> chunks;
  uint32_t left = request.tokens;
  for (size_t at = 0; at < ids->size() && left > 0;) {
    std::vector<int32_t> one;
    uint32_t size = std::min(chunk, left);
    if (run.model().add_bos() && run.model().bos_id() >= 0 && size > 1)
      one.push_back(run.model().bos_id());
    for (; one.size() < size && at < ids->size(); ++at)
      one.push_back((*ids)[at]);
    left -= static_cast<uint32_t>(one.size());
    chunks.push_back(std::move(one));
  }
  return chunks;
}

/// Compares the rows of one step with several threads; `nexts`: the token that follows each row, -1: none.
std::vector<RowComparison> compareStep(const EngineRun &reference, const EngineRun &engine,
                                       std::span<const int32_t> nexts, unsigned threads) {
  std::vector<RowComparison> rows(nexts.size());
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i; (i = next++) < rows.size();)
      rows[i] =
          compareRows(reference.logits(static_cast<uint32_t>(i)), engine.logits(static_cast<uint32_t>(i)), nexts[i]);
  };
  std::vector<std::thread> others = rt::startThreads(std::max(threads, 1U) - 1, work);
  work();
  for (std::thread &other : others)
    other.join();
  return rows;
}

rt::Status runChunk(EngineRun &reference, EngineRun &engine, std::span<const int32_t> ids, unsigned threads,
                    DivergenceSum &sum) {
  reference.reset();
  engine.reset();
  for (size_t at = 0; at < ids.size(); at += kRowsAStep) {
    auto step = ids.subspan(at, std::min<size_t>(kRowsAStep, ids.size() - at));
    LLMC_TRY(reference.forward(step, rt::RowChoice::kAll));
    LLMC_TRY(engine.forward(step, rt::RowChoice::kAll));
    std::vector<int32_t> nexts(step.size(), -1);
    for (size_t i = 0; i < step.size() && at + i + 1 < ids.size(); ++i)
      nexts[i] = ids[at + i + 1];
    auto rows = compareStep(reference, engine, nexts, threads);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!rows[i].finite)
        return rt::Status::error(rt::ErrorKind::kInternal, "RT_LOGITS", "logits of the built-in sample are not finite",
                                 "the model may be damaged; --quality off builds it all the same");
      sum.add(rows[i], nexts[i] >= 0);
    }
  }
  return rt::Status::ok();
}

/// `value` with `digits` significant decimal digits.
double rounded(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return std::strtod(text, nullptr);
}

} // namespace

rt::Result<Quality> measureQuality(const QualityRequest &request) {
  auto pool = makePool(request.threads);
  if (!pool)
    return pool.takeStatus();
  auto reference = EngineRun::open(request.reference, request.level, **pool, kChunk, kRowsAStep);
  if (!reference)
    return reference.takeStatus();
  auto engine = EngineRun::open(request.engine, request.level, **pool, kChunk, kRowsAStep);
  if (!engine)
    return engine.takeStatus();
  Quality quality{request.level, std::min<uint32_t>(kChunk, (*engine)->model().max_positions()), {}};
  auto chunks = sampleChunks(**engine, request, quality.chunk);
  if (!chunks)
    return chunks.takeStatus();
  DivergenceSum sum;
  for (const std::vector<int32_t> &ids : *chunks)
    LLMC_TRY(runChunk(**reference, **engine, ids, std::max(1u, request.threads), sum));
  quality.divergence = sum.result();
  return quality;
}

std::string qualityJson(const Quality &quality) {
  const Divergence &d = quality.divergence;
  nlohmann::ordered_json json{{"sample", kSampleName},          {"tokens", d.rows},
                              {"chunk", quality.chunk},         {"level", quality.level},
                              {"kl_mean", rounded(d.mean, 4)},  {"kl_median", rounded(d.median, 4)},
                              {"kl_p99", rounded(d.p99, 4)},    {"same_top_token", rounded(d.sameTop, 6)},
                              {"nll", rounded(d.otherLoss, 6)}, {"nll_unquantized", rounded(d.referenceLoss, 6)}};
  return json.dump();
}

std::string qualityText(const Quality &quality) {
  const Divergence &d = quality.divergence;
  char text[400];
  std::snprintf(
      text, sizeof text,
      "KL divergence from the unquantized model: mean %.3g, median %.3g, p99 %.3g nats; same top token %.2f%%\n"
      "perplexity %.4f, unquantized %.4f (%u tokens of %s, level %s)",
      d.mean, d.median, d.p99, 100 * d.sameTop, std::exp(d.otherLoss), std::exp(d.referenceLoss), d.rows, kSampleName,
      quality.level.c_str());
  return text;
}

std::string withFact(const std::string &provenance, const char *name, const std::string &fact) {
  auto json = nlohmann::ordered_json::parse(provenance, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    json = nlohmann::ordered_json::object();
  json[name] = nlohmann::ordered_json::parse(fact, nullptr, /*allow_exceptions=*/false);
  return json.dump();
}

} // namespace llmc
