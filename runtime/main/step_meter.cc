// Steps of one sequence for the tokens, of many for the rows, of long ones for the context.
#include "runtime/main/step_meter.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "runtime/main/process_clock.h"

namespace llmc::rt {
namespace {

constexpr int kMostRepeats = 9, kFewestRepeats = 3;
constexpr double kSecondsAPoint = 0.25;
/// Context and sequences of the measurements with a long context.
constexpr uint32_t kLong = 768, kLongSequences = 8, kChunk = 256;
/// 0x2E2E is 0.097 as f16: memory that was never written would be read from one cached page of zeros.
constexpr int kFiller = 0x2E;

uint32_t pagesFor(uint32_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

double median(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// 1, 2, 4, ... and `most`.
std::vector<uint32_t> doubling(uint32_t first, uint32_t most) {
  std::vector<uint32_t> counts;
  for (uint64_t n = first; n < most; n *= 2) counts.push_back(static_cast<uint32_t>(n));
  if (most >= first) counts.push_back(most);
  return counts;
}

}  // namespace

StepMeter::StepMeter(Session& session)
    : session_(session),
      sampler_(session.pool(), session.executor().vocabulary()),
      ids_(session.executor().limits().maxTokens),
      pages_(session.kv().pages()) {
  greedy_.temperature = 0;
  for (size_t i = 0; i < ids_.size(); ++i)
    ids_[i] = static_cast<int32_t>((i * 7919 + 1) % session.executor().vocabulary());
  std::iota(pages_.begin(), pages_.end(), 0);
}

Status StepMeter::once(const Shape& shape) {
  const uint32_t each = pagesFor(shape.start + shape.tokens);
  step_.clear();
  for (uint32_t i = 0; i < shape.sequences; ++i)
    step_.push_back({std::span(ids_).subspan(size_t{i} * shape.tokens, shape.tokens),
                     std::span(pages_).subspan(size_t{i} * each, each),
                     shape.start,
                     shape.allRows || i + 1 == shape.sequences ? RowChoice::kLast : RowChoice::kNone,
                     {}});
  Executor& executor = session_.executor();
  LLMC_TRY(executor.step(step_));
  tasks_.resize(executor.rows());
  for (uint32_t row = 0; row < executor.rows(); ++row) {
    tasks_[row].logits = executor.logits(row);
    tasks_[row].request.params = &greedy_;
  }
  sampler_.run(tasks_);
  return Status::ok();
}

Result<double> StepMeter::seconds(const Shape& shape) {
  LLMC_TRY(once(shape));
  std::vector<double> times;
  double sum = 0;
  for (int i = 0; i < kMostRepeats && (i < kFewestRepeats || sum < kSecondsAPoint); ++i) {
    const double begin = monotonicSeconds();
    LLMC_TRY(once(shape));
    times.push_back(monotonicSeconds() - begin);
    sum += times.back();
  }
  return median(times);
}

Status StepMeter::measureTokens(StepCosts& costs) {
  const uint32_t most =
      std::min({session_.executor().limits().maxTokens, session_.context(), session_.kv().pages() * kPageTokens});
  for (const uint32_t tokens : doubling(1, most)) {
    auto time = seconds({.tokens = tokens});
    LLMC_TRY(time.status());
    costs.tokens.push_back({tokens, *time});
  }
  return Status::ok();
}

Status StepMeter::measureRows(StepCosts& costs) {
  auto bare = MeasuredStepCost::create({costs.tokens, {}});
  LLMC_TRY(bare.status());
  const uint32_t most = std::min(session_.executor().limits().maxSequences, session_.kv().pages());
  for (const uint32_t rows : doubling(2, most)) {
    auto time = seconds({.sequences = rows, .allRows = true});
    LLMC_TRY(time.status());
    costs.rows.push_back({rows, std::max(0.0, *time - bare->seconds({.tokens = rows}))});
  }
  return Status::ok();
}

Status StepMeter::measureContext(StepCosts& costs) {
  const StepLimits& limits = session_.executor().limits();
  const uint32_t sequences = std::min(kLongSequences, limits.maxSequences), chunk = std::min(kChunk, limits.maxTokens);
  const uint32_t room = std::min(session_.context(), session_.kv().pages() / sequences * kPageTokens);
  if (room <= 2 * chunk) return Status::ok();  // too short for the context to matter
  const uint32_t context = std::min(kLong, room - chunk);
  // Seconds that a start behind `context` tokens adds, for each of them and of `count` tokens.
  const auto slope = [&](Shape shape, uint32_t count, double& into) -> Status {
    auto near = seconds(shape);
    LLMC_TRY(near.status());
    shape.start = context;
    auto far = seconds(shape);
    LLMC_TRY(far.status());
    into = std::max(0.0, (*far - *near) / (static_cast<double>(count) * context));
    return Status::ok();
  };
  LLMC_TRY(slope({.sequences = sequences, .allRows = true}, sequences, costs.perAttendedAlone));
  return slope({.tokens = chunk}, chunk, costs.perAttended);
}

double StepMeter::secondsPerMove() {
  KvStore& kv = session_.kv();
  const auto pages = static_cast<int32_t>(std::min<uint32_t>(kv.pages(), 64)) / 2;
  if (pages == 0) return 0;
  const double begin = monotonicSeconds();
  for (int32_t page = 0; page < pages; ++page) kv.copyPage(page, page + pages);
  return (monotonicSeconds() - begin) / pages;
}

Result<StepCosts> StepMeter::measure() {
  const StepLimits& limits = session_.executor().limits();
  const uint64_t used = std::min<uint64_t>(
      session_.kv().pages(), std::max<uint64_t>(uint64_t{kLongSequences} * pagesFor(kLong + kChunk),
                                                std::max(limits.maxSequences, pagesFor(limits.maxTokens))));
  std::memset(session_.kv().base(), kFiller, used * session_.kv().pageBytes());
  StepCosts costs;
  LLMC_TRY(measureTokens(costs));
  LLMC_TRY(measureRows(costs));
  LLMC_TRY(measureContext(costs));
  costs.perMovedPage = secondsPerMove();
  return costs;
}

}  // namespace llmc::rt
