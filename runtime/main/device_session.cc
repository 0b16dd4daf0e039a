// Sizes before allocations: what does not fit is refused with numbers, before the weights are read.
#include "runtime/main/device_session.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <vector>

#include "runtime/device/memory.h"
#include "runtime/format/cuda_abi.h"
#include "runtime/format/cuda_check.h"
#include "runtime/kv/cuda/device_pages.h"
#include "runtime/main/number_flags.h"
#include "runtime/main/output.h"
#include "runtime/main/progress_line.h"

namespace llmc::rt {
namespace {

/// Loaded modules, graphs and the driver's own needs.
constexpr uint64_t kDriverReserve = 512u << 20;

std::string levelNames(const fb::Engine& plan) {
  std::string names;
  for (const auto* level : *plan.levels()) names += (names.empty() ? "" : ", ") + escaped(level->name()->string_view());
  return names;
}

}  // namespace

Result<DeviceChoice> chooseDevice(const std::string& wanted, const fb::Engine& plan) {
  DeviceChoice choice{isCuda(plan), 0};
  if (isAutomatic(wanted)) return choice;
  choice.cuda = wanted.starts_with("cuda");
  const std::string rest = choice.cuda ? wanted.substr(4) : "";
  if (wanted != "cpu" && !choice.cuda)
    return Status::error(ErrorKind::kUsage, "CLI_FLAG",
                         "--device must be auto, cpu, cuda or cuda:N, found '" + escaped(wanted, 40) + "'");
  if (!rest.empty()) {
    auto ordinal = parseInteger("--device cuda:", rest.starts_with(":") ? rest.substr(1) : rest, 0, 1023);
    if (!ordinal || !rest.starts_with(":"))
      return Status::error(ErrorKind::kUsage, "CLI_FLAG",
                           "--device must be auto, cpu, cuda or cuda:N, found '" + escaped(wanted, 40) + "'");
    choice.ordinal = static_cast<int>(*ordinal);
  }
  if (choice.cuda != isCuda(plan))
    return Status::error(
        ErrorKind::kMismatch, "RT_DEVICE",
        "--device " + wanted + ": the engine holds code for " + levelNames(plan) + " alone",
        choice.cuda ? "build it with --target cuda:sm_90a or another architecture" : "build it with --target cpu");
  return choice;
}

Result<std::unique_ptr<DeviceSession>> DeviceSession::open(const fb::Engine& plan, int ordinal) {
  std::unique_ptr<DeviceSession> session(new DeviceSession);
  auto driver = cuda::Driver::open();
  LLMC_TRY(driver.status());
  session->driver_ = driver.take();
  LLMC_TRY(cuda::checkDriverVersion(session->driver_->version()));
  auto context = cuda::Context::open(*session->driver_, ordinal);
  LLMC_TRY(context.status());
  session->context_ = context.take();
  const char* wanted = std::getenv("LLMC_CUDA_LEVEL");
  auto level = cuda::selectLevel(cuda::codeLevels(plan), session->context_->facts(), wanted ? wanted : "");
  LLMC_TRY(level.status());
  session->choice_ = level.take();
  auto stream = cuda::Stream::create(*session->context_);
  LLMC_TRY(stream.status());
  session->stream_ = stream.take();
  return session;
}

std::string DeviceSession::name() const {
  return "cuda:" + std::to_string(context_->facts().ordinal) + " " + context_->facts().name + ", CUDA " +
         cuda::versionText(driver_->version());
}

Result<DeviceRoom> DeviceSession::room(const EngineFile& engine, const StepLimits& limits, Numerics numerics) const {
  auto memory = context_->memory();
  LLMC_TRY(memory.status());
  DeviceRoom room;
  room.free = memory->free;
  room.total = memory->total;
  room.weights = cuda::DeviceWeights::bytesFor(engine.plan(), [&](uint32_t i) { return engine.section(i); });
  room.reserve = std::min(kDriverReserve, memory->free / 16);
  const auto workspace = cuda::DeviceBackend::bytesFor(engine.plan(), limits, numerics);
  if (!workspace) return Status::error(ErrorKind::kUnavailable, "RT_MEMORY", "the workspace overflows 64 bits");
  room.workspace = *workspace;
  const uint64_t left = room.free - room.reserve;
  if (room.workspace >= left || room.weights >= left - room.workspace)
    return Status::error(ErrorKind::kUnavailable, "CU_MEMORY",
                         "the engine does not fit: weights " + formatBytes(room.weights) + " + workspace " +
                             formatBytes(room.workspace) + " + " + formatBytes(room.reserve) + " for the driver, and " +
                             formatBytes(room.free) + " of " + formatBytes(room.total) + " are free on " + name(),
                         "free memory of the device, lower --max-num-batched-tokens, or build with fewer bits");
  room.kv = left - room.workspace - room.weights;
  return room;
}

Result<std::unique_ptr<KvStore>> DeviceSession::makeKv(uint64_t pageBytes, uint32_t pages) const {
  auto memory = cuda::devicePages(*stream_, pageBytes * pages);
  LLMC_TRY(memory.status());
  return KvStore::over(memory.take(), pageBytes, pages);
}

/// Says what was loaded once it is: how long the driver took for PTX is known only then.
Result<cuda::DeviceCode> DeviceSession::loadCode(const EngineFile& engine) const {
  const auto start = std::chrono::steady_clock::now();
  auto code = cuda::DeviceCode::load(*context_, engine.plan(), level(),
                                     [&](uint64_t offset) { return engine.codeAddress(level(), offset); });
  LLMC_TRY(code.status());
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  const std::string_view name = engine.plan().levels()->Get(level())->name()->string_view();
  if (const std::string notice = cuda::loadedNotice(name, choice_, passed.count()); !notice.empty())
    writeNotice(notice);
  return code;
}

Result<std::unique_ptr<Executor>> DeviceSession::makeExecutor(const EngineFile& engine, WorkerPool& pool,
                                                              const StepLimits& limits, const KvStore& kv,
                                                              const cuda::BackendOptions& options,
                                                              bool madeUpWeights) const {
  cuda::DeviceEngine device;
  device.plan = &engine.plan();
  device.level = level();
  auto code = loadCode(engine);
  LLMC_TRY(code.status());
  device.code = code.take();
  cuda::UploadOptions upload;
  std::optional<ProgressLine> line(std::in_place, "weights to the device");
  upload.progress = [&line](uint64_t done, uint64_t total) { line->show(done, total); };
  upload.madeUp = madeUpWeights;
  auto weights =
      cuda::DeviceWeights::upload(*context_, engine.plan(), [&](uint32_t i) { return engine.section(i); }, upload);
  line.reset();
  LLMC_TRY(weights.status());
  device.weights = weights.take();
  auto backend =
      cuda::DeviceBackend::create(*stream_, std::move(device), limits, cuda::hostAddress(kv.base()), options);
  LLMC_TRY(backend.status());
  return Executor::create(backend.take(), engine.plan(), pool, limits, kv.pages(), options.numerics);
}

}  // namespace llmc::rt
