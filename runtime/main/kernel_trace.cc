// A walk's times as complete events.
#include "runtime/main/kernel_trace.h"

#include "runtime/device/phase_barrier.h"

namespace llmc::rt {
namespace {

using serving::TraceFile;

constexpr int kSteps = 0;
int trackOf(uint32_t worker) { return static_cast<int>(worker) + 1; }

}  // namespace

KernelTrace::KernelTrace(std::unique_ptr<serving::TraceFile> file, const fb::Engine& plan)
    : file_(std::move(file)), plan_(plan), ticksPerSecond_(static_cast<double>(tscTicks(1'000'000)) * 1e3) {}

Result<std::unique_ptr<KernelTrace>> KernelTrace::create(const std::string& path, const fb::Engine& plan,
                                                         uint32_t workers) {
  TraceFile::Tracks tracks = {{kSteps, "steps"}};
  for (uint32_t worker = 0; worker < workers; ++worker)
    tracks.emplace_back(trackOf(worker), "worker " + std::to_string(worker));
  auto file = TraceFile::create(path, tracks, TraceFile::kMostBytes);
  LLMC_TRY(file.status());
  return std::unique_ptr<KernelTrace>(new KernelTrace(file.take(), plan));
}

double KernelTrace::seconds(uint64_t now) const { return static_cast<double>(now - start_) / ticksPerSecond_; }

void KernelTrace::begin(uint64_t now) {
  if (!start_) start_ = now;
}

void KernelTrace::add(const MeasuredStep& step) {
  const auto tokens = static_cast<uint64_t>(step.batch.tokens);
  file_->addSpan(kSteps, steps_, seconds(step.times.begin), seconds(step.times.end),
                 TraceFile::field("step", step_++) + "," + TraceFile::field("tokens", tokens) + "," +
                     TraceFile::field("sequences", static_cast<uint64_t>(step.batch.sequences)));
  for (uint32_t worker = 0; worker < step.times.starts.size() && !file_->over(); ++worker) addWorker(step, worker);
}

void KernelTrace::addWorker(const MeasuredStep& step, uint32_t worker) {
  const WalkTimes& times = step.times;
  uint32_t call = 0;
  for (size_t phase = 0; phase < step.walk.phaseEnds.size(); ++phase) {
    uint64_t last = times.begin;
    for (; call < step.walk.phaseEnds[phase]; ++call) {
      const auto& origin = step.program.origins()[call];
      const auto* kernel = plan_.kernels()->Get(origin.kernel);
      last = times.ends[worker][call];
      file_->addSpan(trackOf(worker), kernel->name()->string_view(), seconds(times.starts[worker][call]), seconds(last),
                     TraceFile::field("phase", phase) + "," +
                         TraceFile::field("rows_at_most", kernel->variants()->Get(origin.variant)->m_max()));
    }
    file_->addSpan(trackOf(worker), "barrier", seconds(last), seconds(times.opens[worker][phase]),
                   TraceFile::field("phase", phase));
  }
}

}  // namespace llmc::rt
