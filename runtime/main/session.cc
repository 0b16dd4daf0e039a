// Load order: tokenizer thread, file, device and level, workers, KV, executor.
#include "runtime/main/session.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "runtime/device/cpu_features.h"
#include "runtime/device/machine_memory.h"
#include "runtime/device/machine_topology.h"
#include "runtime/device/memory.h"
#include "runtime/format/cuda_check.h"
#include "runtime/format/engine_texts.h"
#include "runtime/main/output.h"
#include "runtime/main/process_clock.h"
#include "runtime/main/progress_line.h"

namespace llmc::rt {
namespace {

/// Of memory that is made ready before a server is: what 32 chats need within their first seconds.
constexpr int kReadyMilliseconds = 100;

}  // namespace

std::string modelName(const Session& session, const std::string& enginePath) {
  if (const auto* name = session.model().name(); name && name->size() > 0) return name->str();
  std::string file = enginePath.substr(enginePath.find_last_of('/') + 1);
  if (file.size() > 4 && file.ends_with(".bin")) file.resize(file.size() - 4);
  return file;
}

Result<Tokenizer> loadTokenizer(const std::string& path) {
  auto read = EngineTexts::read(path, {SectionKind::kTokenizer, SectionKind::kTokens});
  if (!read) return read.takeStatus();
  // The tokenizer looks tokens up in the table where it lies.
  const auto texts = std::make_shared<const EngineTexts>(read.take());
  const std::string_view json = texts->text(SectionKind::kTokenizer);
  if (json.empty())
    return Status::error(ErrorKind::kBadInput, "EN_TOKENIZER", escaped(path) + " holds no tokenizer",
                         "use --prompt-ids");
  const std::string_view table = texts->text(SectionKind::kTokens);
#ifdef M_TOP_PAD
  // Without a table the vocabulary is 100,000 small strings: the heap grows by 8 MiB a system call instead of 128 KiB.
  if (table.empty()) (void)mallopt(M_TOP_PAD, 8 << 20);
#endif
  return Tokenizer::create(json, table, texts);
}

/// Without a wish the device, where a driver, a device and code for it are there.
uint32_t Session::choosePlan(const std::string& wanted, std::span<const fb::Engine* const> plans) {
  const auto found = std::find_if(plans.begin(), plans.end(), [](const auto* plan) { return isCuda(*plan); });
  const uint32_t cuda = static_cast<uint32_t>(found - plans.begin()), cpu = cuda == 0 ? 1 : 0;
  if (!isAutomatic(wanted)) return wanted.starts_with("cuda") ? cuda : cpu;
  auto device = DeviceSession::open(**found, 0);
  if (device) {
    device_ = device.take();
    cpuWouldDo_ = true;
    return cuda;
  }
  // A toolkit's stub is no driver either, but whoever has it may think that it is one.
  const std::string& code = device.status().code();
  if (code != "CU_NO_DRIVER")
    writeNotice(
        (code == "CU_STUB" ? "runs on the CPU, without a driver: " : "runs on the CPU, although there is a driver: ") +
        device.status().message());
  return cpu;
}

Status Session::openEngine(const Flags& flags) {
  OpenOptions options;
  options.verify = flags.verifyWeights ? Verify::kFull : Verify::kLazy;
  options.choose = [&](std::span<const fb::Engine* const> plans) { return choosePlan(flags.device, plans); };
  ProgressLine line("weights from the file");
  options.progress = [&line](uint64_t done, uint64_t total) { line.show(done, total); };
  auto file = EngineFile::open(flags.engine, options);
  if (!file) return file.takeStatus();
  engine_ = std::make_unique<EngineFile>(file.take());
  LLMC_TRY(chooseLevel(flags));
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

Status Session::chooseLevel(const Flags& flags) {
  auto choice = chooseDevice(flags.device, engine_->plan());
  LLMC_TRY(choice.status());
  if (!flags.graphs && !choice->cuda)
    return Status::error(ErrorKind::kUsage, "CLI_FLAG", "--no-graphs goes with an engine for CUDA on its device");
  if (flags.randomWeights && !choice->cuda)
    return Status::error(ErrorKind::kUsage, "CLI_FLAG", "--random-weights goes with an engine for CUDA on its device");
  std::vector<std::string_view> levels;
  for (const auto* level : *engine_->plan().levels()) levels.push_back(level->name()->string_view());
  if (choice->cuda) {
    if (!device_) {
      auto device = DeviceSession::open(engine_->plan(), choice->ordinal);
      LLMC_TRY(device.status());
      device_ = device.take();
    }
    levelIndex_ = device_->level();
  } else {
    auto level = selectLevel(levels, detectCpuFeatures(), levelOverride());
    LLMC_TRY(level.status());
    levelIndex_ = static_cast<uint32_t>(*level);
  }
  level_ = levels[levelIndex_];
  return Status::ok();
}

namespace {

StepLimits limitsFor(const Flags& flags, const SessionNeeds& needs, uint32_t contextTokens) {
  StepLimits limits;
  // More tokens a step than the context can never come; fewer save workspace.
  const uint64_t most = uint64_t{contextTokens} * needs.sequences;
  limits.maxTokens =
      static_cast<uint32_t>(std::max<uint64_t>(std::min<uint64_t>(flags.maxBatchedTokens, most), needs.sequences));
  limits.maxRows = std::min(std::max(needs.rows, needs.sequences), limits.maxTokens);
  limits.maxSequences = needs.sequences;
  limits.maxContext = contextTokens;
  return limits;
}

Numerics numericsOf(const Flags& flags) { return flags.deterministic ? Numerics::kInvariant : Numerics::kFast; }

}  // namespace

Status Session::planMemory(const Flags& flags, const SessionNeeds& needs) {
  KvRequest request;
  request.pageBytes = engine_->plan().kv()->page_bytes();
  request.modelPositions = model().max_positions();
  request.kvMemoryBytes = flags.kvMemory;
  request.maxModelLen = flags.maxModelLen;
  request.sequences = needs.sharedKv ? 1 : needs.sequences;
  const MachineMemory machine = machineMemory();
  request.availableBytes = machine.available;
  request.machineBytes = machine.total;
  if (device_) {
    const uint32_t longest = flags.maxModelLen ? flags.maxModelLen : request.modelPositions;
    auto room = device_->room(*engine_, limitsFor(flags, needs, longest), numericsOf(flags));
    LLMC_TRY(room.status());
    room_ = *room;
    request.onDevice = true;
    request.availableBytes = room_.kv;
  }
  uint64_t pool = request.kvMemoryBytes;
  // A pool that all sequences share: as many full contexts as a quarter of the memory holds, at most 4 GiB; all that a
  // device has left.
  if (needs.sharedKv && !pool)
    pool = device_ ? room_.kv : std::min<uint64_t>(request.availableBytes / 4, uint64_t{4} << 30);
  if (needs.sharedKv) request.kvMemoryBytes = pool;
  auto plan = planKv(request);
  LLMC_TRY(plan.status());
  plan_ = *plan;
  if (!device_ && flags.kvMemory > machine.available)
    writeNotice("--kv-memory " + formatBytes(flags.kvMemory) + " is more than the " + formatBytes(machine.available) +
                " of memory that are available now: this process may be killed once the KV cache fills");
  if (needs.sharedKv) {
    plan_.pages = static_cast<uint32_t>(std::min<uint64_t>(pool / request.pageBytes, INT32_MAX / kPageTokens));
    plan_.bytes = uint64_t{plan_.pages} * request.pageBytes;
  }
  if (device_)
    writeNotice(device_->name() + ", " + formatBytes(room_.free) + " of " + formatBytes(room_.total) +
                " free: weights " + formatBytes(room_.weights) + ", workspace " + formatBytes(room_.workspace) +
                ", room for a KV cache of " + formatBytes(room_.kv) + "; takes " + formatBytes(plan_.bytes));
  return Status::ok();
}

/// Weights, KV cache and workspace are read by all workers. On several nodes each worker's share of every product is
/// near it only by chance, so pages go round: all nodes give the bandwidth they have, none becomes the bottleneck.
void Session::chooseNodes(const Flags& flags) {
  if (severalMemoryNodes() && !machineTopology().threadHasPolicy())
    memoryNodes_ = placeHere(flags.threads).sharedNodes();
}

/// Nobody has touched it yet. Weights are where the page cache has them: this thread's way decided that while they were
/// read, if they were.
void Session::spreadMemory() {
  if (memoryNodes_.empty() || device_) return;
  const std::span<uint8_t> workspace = executor_->workspace();
  if (machineTopology().spread(kv_->base(), uint64_t{kv_->pages()} * kv_->pageBytes(), memoryNodes_) &&
      machineTopology().spread(workspace.data(), workspace.size(), memoryNodes_))
    return;
  writeNotice("the kernel does not let memory be spread over the nodes of the workers; it is near the first of them");
  memoryNodes_.clear();
}

Status Session::makeExecutor(const Flags& flags, const SessionNeeds& needs) {
  PoolOptions options;
  options.threads = flags.threads;
  // A device's workers sample at most, and the driver's threads, its compiler too, have the CPUs of whoever starts
  // them: all of them would share the one that this thread is bound to.
  options.pin = !device_;
  auto pool = WorkerPool::create(options);
  if (!pool) return pool.takeStatus();
  pool_ = pool.take();
  if (const std::string crowd = crowdText(pool_->placement()); !crowd.empty()) writeNotice(crowd);
  LLMC_TRY(planMemory(flags, needs));
  const uint64_t pageBytes = engine_->plan().kv()->page_bytes();
  auto kv = device_ ? device_->makeKv(pageBytes, plan_.pages) : KvStore::create(pageBytes, plan_.pages);
  if (!kv) return kv.takeStatus();
  kv_ = kv.take();
  const StepLimits limits = limitsFor(flags, needs, plan_.contextTokens);
  auto executor = device_
                      ? device_->makeExecutor(*engine_, *pool_, limits, *kv_,
                                              {numericsOf(flags), flags.graphs && !flags.eager}, flags.randomWeights)
                      : Executor::create(sourceOf(*engine_, levelIndex_), *pool_, limits, {kv_->base(), plan_.pages},
                                         numericsOf(flags));
  if (!executor) return executor.takeStatus();
  executor_ = executor.take();
  spreadMemory();
  return Status::ok();
}

/// The first step pays for the clearing of each page that it touches: here the time is free as long as the tokenizer is
/// not there yet. A server, whose first requests may come all at once, takes a little longer.
void Session::makeMemoryReady(const SessionNeeds& needs) {
  if (device_) return;
  const uint64_t poolBytes = uint64_t{kv_->pages()} * kv_->pageBytes();
  const uint64_t ahead = needs.sharedKv ? MemoryAhead::ahead(poolBytes) : kHugePageBytes;
  memoryAhead_ = std::make_unique<MemoryAhead>(*pool_, executor_->workspace(), *kv_, ahead);
  const auto waiting = [this] {
    return loadingTokenizer_.valid() &&
           loadingTokenizer_.wait_for(std::chrono::seconds(0)) == std::future_status::timeout;
  };
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(needs.sharedKv ? kReadyMilliseconds : 0);
  while ((waiting() || std::chrono::steady_clock::now() < until) && memoryAhead_->kvReady() < MemoryAhead::kServing &&
         memoryAhead_->advance()) {
  }
}

Status Session::load(const Flags& flags, const SessionNeeds& needs) {
  chooseNodes(flags);
  // Threads that verify the weights have this one's way.
  std::optional<SpreadScope> scope;
  if (!memoryNodes_.empty()) scope.emplace(machineTopology(), memoryNodes_);
  LLMC_TRY(openEngine(flags));
  scope.reset();
  LLMC_TRY(makeExecutor(flags, needs));
  loadMilliseconds_ = millisecondsSinceStart();
  makeMemoryReady(needs);
  return Status::ok();
}

static bool isShortage(const Status& status) { return status.code() == "CU_MEMORY" || status.code() == "RT_KV_MEMORY"; }

/// Whether the CPU may take the place of a device that nobody asked for by name, in which memory is short or whose
/// driver refuses the code.
bool Session::cpuInstead(const Flags& flags, const Status& status) const {
  const bool asksForDevice = !flags.graphs || flags.randomWeights;
  const bool isRefused = status.code() == "CU_NO_CODE" || status.code() == "CU_SHARED";
  return cpuWouldDo_ && !asksForDevice && (isShortage(status) || isRefused);
}

Result<std::unique_ptr<Session>> Session::open(const Flags& flags, const SessionNeeds& needs) {
  std::unique_ptr<Session> session(new Session);
  // While the file is read: asking the kernel about each CPU takes a while on large machines.
  // Where the system gives no thread, whoever needs the result does the work.
  constexpr auto kIfThereIsAThread = std::launch::async | std::launch::deferred;
  auto topology = std::async(kIfThereIsAThread, [] { (void)machineTopology(); });
  // Before the workers: a thread inherits the affinity of the one that starts it, and this one gets pinned.
  if (needs.text) session->loadingTokenizer_ = std::async(kIfThereIsAThread, loadTokenizer, flags.engine);
  Status loaded = session->load(flags, needs);
  if (!loaded && session->cpuInstead(flags, loaded)) {
    writeNotice((isShortage(loaded) ? "runs on the CPU, because the device's memory does not suffice: "
                                    : "runs on the CPU, although there is a device: ") +
                loaded.message());
    auto loadingTokenizer = std::move(session->loadingTokenizer_);
    session.reset(new Session);  // what was there already of the device goes first
    session->loadingTokenizer_ = std::move(loadingTokenizer);
    Flags onCpu = flags;
    onCpu.device = "cpu";
    loaded = session->load(onCpu, needs);
  }
  LLMC_TRY(loaded);
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
