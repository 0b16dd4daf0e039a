// --bench --trace: when each worker ran which kernel and waited at which barrier, for Perfetto.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/exec/step_observer.h"
#include "runtime/format/engine_reader.h"
#include "runtime/serving/trace_file.h"

namespace llmc::rt {

/// Writes a track for each worker, with an event for each kernel and each wait, and one for the steps. At most 256 MiB.
class KernelTrace : public StepObserver {
 public:
  /// Errors of TraceFile::create(). `plan` must outlive the trace.
  static Result<std::unique_ptr<KernelTrace>> create(const std::string& path, const fb::Engine& plan, uint32_t workers);

  /// What the steps from here on are.
  void name(std::string steps) { steps_ = std::move(steps); }

  void begin(uint64_t now) override;
  void add(const MeasuredStep& step) override;
  void end(uint64_t) override {}

  /// Error SV_TRACE (74) when not all could be written.
  Status finish() { return file_->flush(); }

 private:
  KernelTrace(std::unique_ptr<serving::TraceFile> file, const fb::Engine& plan);
  double seconds(uint64_t now) const;
  void addWorker(const MeasuredStep& step, uint32_t worker);

  const std::unique_ptr<serving::TraceFile> file_;
  const fb::Engine& plan_;
  const double ticksPerSecond_;
  std::string steps_ = "step";
  uint64_t start_ = 0;  ///< TSC of time 0; 0: nothing measured yet
  uint64_t step_ = 0;
};

}  // namespace llmc::rt
