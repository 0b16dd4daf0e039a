// Opens an engine the way llmc-run does, without flags, tokenizer and pinning.
#include "compiler/quality/EngineRun.h"

#include "runtime/device/cpu_features.h"
#include "runtime/device/cpu_topology.h"

#include <algorithm>

namespace llmc {

std::optional<std::string> lowestRunnableLevel(const std::vector<std::string> &levels) {
  rt::CpuFeatures features = rt::detectCpuFeatures();
  for (const std::string &level : levels)
    if (rt::supportsLevel(level, features))
      return level;
  return std::nullopt;
}

rt::Result<std::unique_ptr<rt::WorkerPool>> makePool(unsigned threads) {
  size_t cores = rt::placeHere(0).workers.size();
  rt::PoolOptions options;
  options.threads = static_cast<int>(std::clamp<size_t>(threads, 1, std::max<size_t>(cores, 1)));
  options.pin = false;
  return rt::WorkerPool::create(options);
}

static rt::Result<uint32_t> levelIndex(const rt::EngineFile &engine, const std::string &level) {
  const auto &levels = *engine.plan().levels();
  for (uint32_t i = 0; i < levels.size(); ++i)
    if (levels[i]->name()->string_view() == level)
      return i;
  return rt::Status::error(rt::ErrorKind::kMismatch, "EN_CPU_ARCH", "the engine has no level " + rt::escaped(level));
}

rt::Result<std::unique_ptr<EngineRun>> EngineRun::open(const std::string &path, const std::string &level,
                                                       rt::WorkerPool &pool, uint32_t tokens, uint32_t rows) {
  auto file = rt::EngineFile::open(path, {.verify = rt::Verify::kLazy});
  if (!file)
    return file.takeStatus();
  std::unique_ptr<EngineRun> run(new EngineRun);
  run->engine_ = std::make_unique<rt::EngineFile>(file.take());
  auto index = levelIndex(*run->engine_, level);
  if (!index)
    return index.takeStatus();
  LLMC_TRY(run->engine_->activateLevel(*index));
  const auto &shape = *run->engine_->plan().kv();
  uint32_t pages = (tokens + shape.page_tokens() - 1) / shape.page_tokens();
  auto kv = rt::KvStore::create(shape.page_bytes(), pages);
  if (!kv)
    return kv.takeStatus();
  run->kv_ = kv.take();
  rt::StepLimits limits;
  limits.maxTokens = limits.maxRows = std::min(rows, tokens);
  limits.maxSequences = 1;
  limits.maxContext = tokens;
  auto executor =
      rt::Executor::create(rt::sourceOf(*run->engine_, *index), pool, limits, {run->kv_->base(), run->kv_->pages()});
  if (!executor)
    return executor.takeStatus();
  run->executor_ = executor.take();
  run->cache_.emplace(*run->kv_, tokens);
  return run;
}

rt::Status EngineRun::forward(std::span<const int32_t> ids, rt::RowChoice rows) {
  uint32_t start = cache_->length();
  LLMC_TRY(cache_->append(static_cast<uint32_t>(ids.size())));
  const rt::StepSequence step{ids, cache_->pages(), start, rows, {}};
  return executor_->step(std::span(&step, 1));
}

} // namespace llmc
