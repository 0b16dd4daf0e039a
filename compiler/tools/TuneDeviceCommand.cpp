// Driver, device, architecture and compiler, each with its own error; then kernel by kernel.
#include "compiler/tools/TuneDeviceCommand.h"

#include "runtime/exec/cuda/level_choice.h"
#include "runtime/format/cuda_abi.h"
#include "llvm/Support/FormatVariadic.h"
#include <filesystem>
#include <fstream>

namespace llmc {

namespace {

/// The architecture whose cubins llmc-run would load, with no more shared memory than the device has.
rt::Result<Arch> archOf(const fb::Engine &plan, const rt::cuda::DeviceFacts &facts) {
  const std::vector<rt::cuda::CodeLevel> levels = rt::cuda::codeLevels(plan);
  auto choice = rt::cuda::selectLevel(levels, facts);
  if (!choice)
    return choice.takeStatus();
  const std::string name(levels[choice->index].name);
  const std::string prefix = std::string(rt::cuda::kTarget) + ":";
  const Arch *arch = findArch(llvm::StringRef(name).substr(prefix.size()));
  if (name.starts_with(rt::cuda::kCubinLevel) && arch) {
    Arch here = *arch;
    here.sharedBytesMax = std::min(here.sharedBytesMax, static_cast<int64_t>(facts.sharedBytes));
    return here;
  }
  return rt::Status::error(
      rt::ErrorKind::kMismatch, "TUNE_TARGET",
      "for " + facts.name + " (sm_" + std::to_string(facts.major * 10 + facts.minor) + ") " +
          (choice->reason.empty()
               ? "the engine holds " + rt::escaped(name) + " alone, which no record is for"
               : "no record is for PTX, and llmc-run runs " + rt::escaped(name) + ": " + choice->reason),
      "build it with --target cuda:LIST for this device");
}

rt::Status writeFile(const std::filesystem::path &path, const std::string &content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  return file ? rt::Status::ok()
              : rt::Status::error(rt::ErrorKind::kIo, "OUT_IO", "cannot write " + rt::escaped(path.string()));
}

/// Sees to it that each configuration is in `folder` before it runs.
rt::Status dumpTo(const std::string &folder, DeviceTuneOptions &options) {
  if (folder.empty())
    return rt::Status::ok();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return rt::Status::error(rt::ErrorKind::kIo, "OUT_IO",
                             "cannot make the folder " + rt::escaped(folder) + ": " + error.message());
  options.dump = [folder](const std::string &name, const CompiledCandidate &kernel) {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    LLMC_TRY(writeFile(path.string() + ".cu", kernel.text.text));
    LLMC_TRY(writeFile(path.string() + ".ptx", kernel.code.ptx));
    return writeFile(path.string() + ".cubin", kernel.code.cubin);
  };
  return rt::Status::ok();
}

std::string describe(const Arch &arch, const DeviceTask &task, const DeviceTuned &found) {
  TuningRecord record{"cuda", arch.name.str(), task.family(), task.key(), task.mMax(), found.numbers};
  std::string tried = std::to_string(found.tried) + " tried with " + found.what;
  if (found.refused > 0)
    tried += ", " + std::to_string(found.refused) + " refused by the compiler";
  if (found.wrong > 0)
    tried += ", " + std::to_string(found.wrong) + " gave OTHER RESULTS than the model's choice and were left out";
  const std::string times = llvm::formatv("{0:f1} us", found.seconds * 1e6).str();
  if (found.numbers.empty())
    return "# " + record.print() + ": the model's choice, " + times + ", " + tried;
  return record.print() + llvm::formatv(" # {0} instead of {1:f1}, {2}", times, found.modelSeconds * 1e6, tried).str();
}

} // namespace

rt::Status tuneDevice(const rt::EngineFile &engine, const DeviceTuneRequest &request, const TuneSink &sink) {
  auto driver = rt::cuda::Driver::open();
  LLMC_TRY(driver.status());
  LLMC_TRY(rt::cuda::checkDriverVersion((*driver)->version()));
  auto context = rt::cuda::Context::open(**driver, request.ordinal);
  LLMC_TRY(context.status());
  const rt::cuda::DeviceFacts &facts = (*context)->facts();
  auto arch = archOf(engine.plan(), facts);
  LLMC_TRY(arch.status());
  auto nvrtc = Nvrtc::load();
  LLMC_TRY(nvrtc.status());
  auto tasks = deviceTasksOf(engine.text(rt::SectionKind::kExplain), request.load);
  LLMC_TRY(tasks.status());
  auto stream = rt::cuda::Stream::create(**context);
  LLMC_TRY(stream.status());
  DeviceTuneOptions options = request.options;
  LLMC_TRY(dumpTo(request.dumpDir, options));
  const int version = (*driver)->version();
  sink.machine(facts.name + ", " + std::to_string(facts.multiprocessors) + " multiprocessors, driver for CUDA " +
               std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10) + ", NVRTC " +
               (*nvrtc)->version());
  bool any = false;
  for (const std::unique_ptr<DeviceTask> &task : *tasks) {
    if (!isWanted(task->family() + " " + task->key(), task->mMax(), request.only))
      continue;
    any = true;
    auto found = tuneOnDevice(**nvrtc, *arch, **stream, *task, options);
    LLMC_TRY(found.status());
    sink.line(describe(*arch, *task, *found), !found->numbers.empty());
  }
  return any ? rt::Status::ok()
             : rt::Status::error(rt::ErrorKind::kMismatch, "TUNE_TARGET",
                                 "no kernel and class of the engine has '" + rt::escaped(request.only) + "' in it",
                                 "llmc explain --json shows products as \"product\", attention as \"attention\" and "
                                 "classes as \"m_max\"");
}

} // namespace llmc
