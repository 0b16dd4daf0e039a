// What others may know of a loop that works, and how one that hangs is given up.
#include <algorithm>
#include <cstdio>
#include <string>

#include "runtime/serving/engine_loop.h"

namespace llmc::rt::serving {
namespace {

constexpr uint32_t kMostLines = 256;  ///< of sequences

std::string lineOf(const Generation& generation, uint32_t choice, const SequenceView& view) {
  char text[256];
  const auto tokens = static_cast<uint32_t>(view.tokens.size());
  std::snprintf(text, sizeof text,
                " choice %u %s: %u prompt tokens, %u generated, %u computed on %u pages, lost its place %u times\n",
                choice, stateName(view.state), view.promptTokens, tokens - view.promptTokens, view.computed,
                pagesOf(view.computed), view.preemptions);
  const server::GenerationRequest& request = generation.request();
  return "request " + (request.requestId.empty() ? std::to_string(request.id) : escaped(request.requestId)) + text;
}

}  // namespace

LifeSigns EngineLoop::signs() const {
  LifeSigns signs;
  const std::lock_guard lock(judging_);
  if (over_) return signs;
  signs.working = heart_.phase() != LoopPhase::kIdle;
  signs.turn = heart_.turns();
  const WorkerPlace place = executor_.pool().place(0);
  signs.progress = 2 * place.phase + place.waits;
  signs.p99Seconds = heart_.p99Seconds();
  return signs;
}

/// On the loop's thread, back from kernels or a device, which it touches nothing during: not a step further when
/// somebody has given it up meanwhile.
Status EngineLoop::leaveRun(LoopPhase next) {
  heart_.enter(next);
  if (!condemned_.load(std::memory_order_seq_cst)) return Status::ok();
  const std::lock_guard lock(judging_);  // all has been said
  return condemnedBy_;
}

void EngineLoop::condemn(const Status& status, const std::function<void(const std::string&)>& say) {
  const std::lock_guard lock(judging_);
  broken_.store(true);
  if (over_) return say("the engine's loop has ended\n");
  condemnedBy_ = status;
  condemned_.store(true, std::memory_order_seq_cst);
  // Either this sees the loop where it touches nothing, or the loop sees that it is given up before it does.
  const bool ours = heart_.phase() == LoopPhase::kRun;
  say(describe(ours));
  if (!ours) return;
  for (auto& [id, generation] : generations_) generation->tell(server::ErrorEvent{status});
  generations_.clear();
  if (!extras_.trace) return;
  extras_.trace->decisions(scheduler_->trace());
  if (const Status status = extras_.trace->flush(); !status) say(status.message() + "\n");
}

std::string EngineLoop::describe(bool sequences) const {
  const server::BackendStats stats = this->stats();
  char text[256];
  std::snprintf(text, sizeof text,
                "the engine's loop is %s, turn %llu; %u sequences run, %u wait (%u of them swapped), KV pages in use: "
                "%.0f%% of %u; "
                "p99 of steps %.3f s\n",
                serving::nameOf(heart_.phase()), static_cast<unsigned long long>(heart_.turns()), stats.running,
                stats.waiting, stats.swapped, stats.kvUsage * 100, stats.kvPages, heart_.p99Seconds());
  std::string out = text;
  const WorkerPool& pool = executor_.pool();
  for (uint32_t worker = 0; worker < pool.workers(); ++worker) {
    const WorkerPlace place = pool.place(worker);
    out += "worker " + std::to_string(worker) + (place.waits ? " waits at the end of phase " : " is in phase ") +
           std::to_string(place.phase) + "\n";
  }
  if (!sequences) return out;
  const TracedStep& step = flights_[flight_].traced;
  std::snprintf(text, sizeof text, "step %llu: %u tokens, %u of them of prompts, %u sequences, %u rows, program %s\n",
                static_cast<unsigned long long>(step.number), step.tokens, step.prefillTokens, step.sequences,
                step.rows, executor_.programName().c_str());
  out += text;
  uint32_t lines = 0, more = 0;
  for (const auto& [id, generation] : generations_)
    for (uint32_t choice = 0; choice < generation->request().choices; ++choice) {
      const auto view = scheduler_->view(id, choice);
      if (!view) continue;
      if (lines++ < kMostLines)
        out += lineOf(*generation, choice, *view);
      else
        ++more;
    }
  if (more > 0) out += "and " + std::to_string(more) + " more\n";
  return out;
}

}  // namespace llmc::rt::serving
