// Load order: tokenizer thread, file, level, workers, KV, executor.
#include "runtime/main/session.h"

#include <algorithm>

#include "runtime/device/cpu_features.h"
#include "runtime/main/process_clock.h"

namespace llmc::rt {

Result<Tokenizer> loadTokenizer(const std::string& path) {
  // A second, lazy view of the file: everything but the weights is checked, so this takes microseconds.
  auto engine = EngineFile::open(path, {.verify = Verify::kLazy, .threads = 1});
  if (!engine) return engine.takeStatus();
  const std::string_view json = engine->text(SectionKind::kTokenizer);
  if (json.empty())
    return Status::error(ErrorKind::kBadInput, "EN_TOKENIZER", escaped(path) + " holds no tokenizer",
                         "use --prompt-ids");
  return Tokenizer::create(json);
}

Status Session::openEngine(const Flags& flags) {
  auto file = EngineFile::open(flags.engine, {.verify = flags.verifyWeights ? Verify::kFull : Verify::kLazy});
  if (!file) return file.takeStatus();
  engine_ = std::make_unique<EngineFile>(file.take());
  std::vector<std::string_view> levels;
  for (const auto* level : *engine_->plan().levels()) levels.push_back(level->name()->string_view());
  auto level = selectLevel(levels, detectCpuFeatures(), levelOverride());
  if (!level) return level.takeStatus();
  levelIndex_ = static_cast<uint32_t>(*level);
  level_ = levels[*level];
  LLMC_TRY(engine_->activateLevel(levelIndex_));
  auto defaults = readDefaults(engine_->text(SectionKind::kDefaults));
  if (!defaults) return defaults.takeStatus();
  defaults_ = defaults.take();
  if (const auto* ids = model().eos_ids())
    for (const int32_t id : *ids)
      if (std::find(defaults_.eosIds.begin(), defaults_.eosIds.end(), id) == defaults_.eosIds.end())
        defaults_.eosIds.push_back(id);
  return Status::ok();
}

Status Session::makeExecutor(const Flags& flags, const SessionNeeds& needs) {
  PoolOptions options;
  options.threads = flags.threads;
  auto pool = WorkerPool::create(options);
  if (!pool) return pool.takeStatus();
  pool_ = pool.take();

  KvRequest request;
  request.pageBytes = engine_->plan().kv()->page_bytes();
  request.modelPositions = model().max_positions();
  request.kvMemoryBytes = flags.kvMemory;
  request.maxModelLen = flags.maxModelLen;
  request.sequences = needs.sharedKv ? 1 : needs.sequences;
  request.availableBytes = availableMemoryBytes();
  // A pool that all sequences share: as many full contexts as a quarter of the memory holds, at most 4 GiB.
  if (needs.sharedKv && !request.kvMemoryBytes)
    request.kvMemoryBytes = std::min<uint64_t>(request.availableBytes / 4, uint64_t{4} << 30);
  auto plan = planKv(request);
  if (!plan) return plan.takeStatus();
  plan_ = *plan;
  if (needs.sharedKv) {
    plan_.pages =
        static_cast<uint32_t>(std::min<uint64_t>(request.kvMemoryBytes / request.pageBytes, INT32_MAX / kPageTokens));
    plan_.bytes = uint64_t{plan_.pages} * request.pageBytes;
  }
  auto kv = KvStore::create(request.pageBytes, plan_.pages);
  if (!kv) return kv.takeStatus();
  kv_ = kv.take();

  StepLimits limits;
  // More tokens a step than the context can never come; fewer save workspace.
  const uint64_t most = uint64_t{plan_.contextTokens} * needs.sequences;
  limits.maxTokens =
      static_cast<uint32_t>(std::max<uint64_t>(std::min<uint64_t>(flags.maxBatchedTokens, most), needs.sequences));
  limits.maxRows = std::min(std::max(needs.rows, needs.sequences), limits.maxTokens);
  limits.maxSequences = needs.sequences;
  limits.maxContext = plan_.contextTokens;
  auto executor = Executor::create(sourceOf(*engine_, levelIndex_), *pool_, limits, {kv_->base(), plan_.pages},
                                   flags.deterministic ? Numerics::kInvariant : Numerics::kFast);
  if (!executor) return executor.takeStatus();
  executor_ = executor.take();
  return Status::ok();
}

Result<std::unique_ptr<Session>> Session::open(const Flags& flags, const SessionNeeds& needs) {
  std::unique_ptr<Session> session(new Session);
  // Before the workers: a thread inherits the affinity of the one that starts it, and this one gets pinned.
  if (needs.text) session->loadingTokenizer_ = std::async(std::launch::async, loadTokenizer, flags.engine);
  LLMC_TRY(session->openEngine(flags));
  LLMC_TRY(session->makeExecutor(flags, needs));
  session->loadMilliseconds_ = millisecondsSinceStart();
  return session;
}

Result<const Tokenizer*> Session::tokenizer() {
  if (!tokenizer_) {
    auto loaded = loadingTokenizer_.get();
    if (!loaded) return loaded.takeStatus();
    tokenizer_ = std::make_unique<Tokenizer>(loaded.take());
  }
  return tokenizer_.get();
}

Result<ChatTemplate> Session::chatTemplate() {
  const std::string_view source = engine_->text(SectionKind::kTemplate);
  if (source.empty())
    return Status::error(ErrorKind::kBadInput, "EN_TEMPLATE", "this model has no chat template", "use --prompt");
  auto tokens = tokenizer();
  if (!tokens) return tokens.takeStatus();
  const auto textOf = [&](int32_t id) { return id < 0 ? std::string() : (*tokens)->idToToken(id).value_or(""); };
  const auto* eos = model().eos_ids();
  return ChatTemplate::create(source, textOf(model().bos_id()), textOf(eos && eos->size() ? eos->Get(0) : -1));
}

}  // namespace llmc::rt
