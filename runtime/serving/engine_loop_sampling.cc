// The loop's part between logits and outcomes: prompts scored, rows sampled by the device or by the host.
#include "runtime/serving/engine_loop.h"

#include <string>

namespace llmc::rt::serving {
namespace {

/// `status` of a row that gave no token, with the place of that token.
Status atPlace(const PlannedSample& planned, bool byDevice, const Status& status) {
  if (status.kind() != ErrorKind::kInternal) return status;  // the request's own fault, told as it is
  return Status::error(status.kind(), status.code(),
                       "no token at position " + std::to_string(planned.position) + " of choice " +
                           std::to_string(planned.choice) + (byDevice ? ", which the device was to sample: " : ": ") +
                           status.message(),
                       status.hint());
}

}  // namespace

void EngineLoop::scorePrompts(const StepPlan& plan) {
  for (size_t i = 0; i < plan.batch.size(); ++i) {
    if (plan.batch[i].rows != RowChoice::kAll) continue;
    Generation& generation = *generations_.at(plan.sequences[i].request);
    for (uint32_t t = 0; t < plan.batch[i].tokens.size(); ++t) {
      const auto logits = executor_.logits(plan.sequences[i].firstRow + t);
      if (Status status = generation.score(sampler_.first(), logits, plan.batch[i].start + t); !status)
        fail(plan.sequences[i].request, status);
    }
  }
}

/// Rows that a device samples: those of one choice, or of several that all take the best token. Logits of the others
/// come to the host. `ahead`: tokens before these that are not known yet.
StepSampling EngineLoop::samplingOf(Flight& flight, uint32_t ahead) {
  flight.tokensStay = false;
  if (!executor_.samples()) return {};
  const StepPlan& plan = *flight.plan;
  flight.sampling.begin(plan.rows);
  samplesOfRow_.assign(plan.rows, 0);
  for (const PlannedSample& planned : plan.samples) ++samplesOfRow_[planned.row];
  bool stay = true;
  for (const PlannedSample& planned : plan.samples) {
    const auto& generation = *static_cast<Generation*>(planned.owner);
    const bool hosts = generation.wantsPromptRows() || (samplesOfRow_[planned.row] > 1 && generation.needsLogits());
    const bool added =
        !hosts && flight.sampling.add(planned.row, generation.sampling(planned.choice, planned.position, ahead));
    // Penalties count the tokens before.
    stay &= added && !generation.params(planned.choice).penalizes();
  }
  flight.tokensStay = stay;
  return {flight.sampling.rows(), flight.sampling.edits()};
}

/// A row to sample, with what is told of it.
Status EngineLoop::addTask(const Flight& flight, const PlannedSample& planned) {
  SampleTask& task = tasks_.emplace_back();
  if (planned.dropped) {
    made_.push_back({planned.request, nullptr, {}});
    task.token = 0;  // nobody's
    return Status::ok();
  }
  auto& generation = *static_cast<Generation*>(planned.owner);
  made_.push_back({planned.request, &generation, {}});
  server::TokenEvent& event = made_.back().event;
  event.choice = planned.choice;
  if (generation.params(planned.choice).logprobs >= 0) event.logprobs = std::make_unique<TokenLogprobs>();
  task.token = executor_.token(planned.row);
  if (task.token >= 0) return Status::ok();  // and such a row's logits are not on the host
  // The device had the row and found no token: the host finds it, or says why there is none.
  if (executor_.samples() && flight.sampling.added(planned.row)) {
    if (flights_[1 - flight_].plan) {  // its logits are the next step's by now
      made_.back().failed = true;
      task.token = 0;  // none yet
      return Status::ok();
    }
    LLMC_TRY(executor_.fetchLogits(planned.row));
  }
  if (!generation.needsLogits()) task.tiles = executor_.tiles(planned.row);
  if (task.tiles.empty()) task.logits = executor_.logits(planned.row);  // asked for, or an engine without tiles
  task.request = generation.sampling(planned.choice, planned.position);
  task.logprobs = event.logprobs.get();
  return Status::ok();
}

Status EngineLoop::sample(const Flight& flight, const StepPlan& plan) {
  made_.clear();
  tasks_.clear();
  for (const PlannedSample& planned : plan.samples) LLMC_TRY(addTask(flight, planned));
  sampler_.run(tasks_);
  for (size_t i = 0; i < tasks_.size(); ++i) {
    const SampleTask& task = tasks_[i];
    Made& made = made_[i];
    if (!made.generation || made.failed) {
      outcomes_.push_back({0, Verdict::kAgain});
      continue;
    }
    if (task.failure) {
      const PlannedSample& planned = plan.samples[i];
      fail(made.id, atPlace(planned, flight.sampling.added(planned.row), *task.failure));
      made.failed = true;
      outcomes_.push_back({0, Verdict::kFail});
      continue;
    }
    made.generation->append(made.event.choice, task.token);
    made.event.token = task.token;
    outcomes_.push_back({task.token, made.generation->stops(task.token) ? Verdict::kStop : Verdict::kContinue});
  }
  return Status::ok();
}

}  // namespace llmc::rt::serving
