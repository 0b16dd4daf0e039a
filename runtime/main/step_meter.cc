// Steps of one sequence for the tokens, of many for the rows, of long ones for the context.
#include "runtime/main/step_meter.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "runtime/main/process_clock.h"

namespace llmc::rt {
namespace {

constexpr int kMostRounds = 15, kFewestRounds = 3;
constexpr double kSeconds = 8;
/// Of a measurement that takes longer than it said, on a busy machine, one hears this often.
constexpr double kQuietSeconds = 10;
/// A step of so few tokens follows one like it when it is served: its weights and pages are as near as they can be.
/// Shapes come in ascending order, so that only one behind a long step has to run twice.
constexpr uint32_t kFewTokens = 64;
/// Steps of so few tokens are most of what is served and cost least: they are run so often in a round.
constexpr uint32_t kOftenTokens = 8;
constexpr int kOften = 3;
/// Context and sequences of the measurements with a long context.
constexpr uint32_t kLong = 768, kLongSequences = 8, kChunk = 256;
/// 0x2E2E is 0.097 as f16: memory that was never written would be read from one cached page of zeros.
constexpr int kFiller = 0x2E;

uint32_t pagesFor(uint32_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double fastest(const std::vector<double>& values) { return *std::min_element(values.begin(), values.end()); }

/// Times of ever larger steps, and the fastest of each. One that took much longer than a larger one was disturbed,
/// unless it never was as fast: other code runs more rows, and four can take longer than five. It takes the larger
/// one's.
void dropDisturbed(std::vector<StepPoint>& points, const std::vector<double>& fastest) {
  constexpr double kDisturbed = 1.1;
  double least = std::numeric_limits<double>::infinity();
  for (size_t i = points.size(); i-- > 0;) {
    if (points[i].seconds > kDisturbed * least && fastest[i] <= least) points[i].seconds = least;
    least = std::min(least, points[i].seconds);
  }
}

}  // namespace

std::vector<uint32_t> countsToMeasure(uint32_t first, uint32_t most) {
  constexpr uint32_t kAll = 33, kStairs = 512;
  std::vector<uint32_t> counts;
  const auto add = [&](uint64_t n) {
    if (n >= first && n < most) counts.push_back(static_cast<uint32_t>(n));
  };
  for (uint32_t n = 1; n <= kAll; ++n) add(n);
  for (uint32_t n = 40; n < kStairs; n += std::bit_floor(n) / 4) add(n), add(n + 1);
  for (uint64_t n = kStairs; n < most; n *= 2) add(n);
  if (most >= first) counts.push_back(most);
  return counts;
}

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
                     {},
                     /*apart=*/false,
                     /*logits=*/false});
  Executor& executor = session_.executor();
  LLMC_TRY(executor.step(step_));
  tasks_.resize(executor.rows());
  for (uint32_t row = 0; row < executor.rows(); ++row) {
    tasks_[row].tiles = executor.tiles(row);
    tasks_[row].logits = executor.logits(row);  // read when there are no tiles
    tasks_[row].request.params = &greedy_;
  }
  sampler_.run(tasks_);
  return Status::ok();
}

void StepMeter::chooseShapes() {
  const StepLimits& limits = session_.executor().limits();
  const uint32_t pages = session_.kv().pages();
  for (const uint32_t tokens :
       countsToMeasure(1, std::min({limits.maxTokens, session_.context(), pages * kPageTokens})))
    shapes_.push_back({.tokens = tokens});
  rowsAt_ = shapes_.size();
  for (const uint32_t rows : countsToMeasure(2, std::min(limits.maxSequences, pages)))
    shapes_.push_back({.sequences = rows, .allRows = true});
  contextAt_ = shapes_.size();
  const uint32_t sequences = std::min(kLongSequences, limits.maxSequences), chunk = std::min(kChunk, limits.maxTokens);
  const uint32_t room = std::min(session_.context(), pages / sequences * kPageTokens);
  if (room <= 2 * chunk) return;
  context_ = std::min(kLong, room - chunk);
  for (const uint32_t start : {0u, context_})
    shapes_.push_back({.sequences = sequences, .start = start, .allRows = true});
  for (const uint32_t start : {0u, context_}) shapes_.push_back({.tokens = chunk, .start = start});
}

/// What is to come when the round before the first, which touches memory, took so many seconds.
std::string StepMeter::outlook(double seconds) const {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f s",
                std::clamp(kSeconds - seconds, kFewestRounds * seconds, kMostRounds * seconds));
  return "measuring " + std::to_string(shapes_.size()) + " kinds of steps with " +
         std::to_string(session_.pool().workers()) + " workers, at least " + std::to_string(kFewestRounds) +
         " times each, about " + text;
}

Status StepMeter::runRounds(const std::function<void(const std::string&)>& say) {
  const double begin = monotonicSeconds();
  double said = begin;
  for (int round = 0; round <= kMostRounds; ++round) {
    const double passed = monotonicSeconds() - begin;
    if (round > kFewestRounds && passed > kSeconds) break;
    if (say && (round == 1 || monotonicSeconds() - said > kQuietSeconds)) {
      said = monotonicSeconds();
      say(round == 1 ? outlook(passed) : "measuring steps, round " + std::to_string(round));
    }
    uint32_t before = UINT32_MAX;
    for (Shape& shape : shapes_) {
      const uint32_t tokens = shape.sequences * shape.tokens;
      if (tokens <= kFewTokens && before > kFewTokens) LLMC_TRY(once(shape));
      before = tokens;
      for (int i = 0; i < (tokens <= kOftenTokens ? kOften : 1); ++i) {
        const double start = monotonicSeconds();
        LLMC_TRY(once(shape));
        if (round > 0) shape.seconds.push_back(monotonicSeconds() - start);  // the first touches memory
      }
    }
  }
  return Status::ok();
}

/// Seconds that a start behind a long context adds, for each token of it and each of `tokens` tokens of the step.
double StepMeter::slope(size_t near, uint32_t tokens) const {
  const double added = median(shapes_[near + 1].seconds) - median(shapes_[near].seconds);
  return std::max(0.0, added / (static_cast<double>(tokens) * context_));
}

Result<StepCosts> StepMeter::costs() {
  StepCosts costs;
  std::vector<double> least;
  for (size_t i = 0; i < contextAt_; ++i) {
    const Shape& shape = shapes_[i];
    auto& points = i < rowsAt_ ? costs.tokens : costs.rows;
    points.push_back({i < rowsAt_ ? shape.tokens : shape.sequences, median(shape.seconds)});
    least.push_back(fastest(shape.seconds));
    if (i + 1 == rowsAt_ || i + 1 == contextAt_) dropDisturbed(points, std::exchange(least, {}));
  }
  // The points are ascending and positive: a clock that stood still is the only way to fail.
  const auto bare = MeasuredStepCost::create({costs.tokens, {}});
  for (StepPoint& point : costs.rows)
    point.seconds = std::max(0.0, point.seconds - (bare ? bare->seconds({.tokens = point.count}) : 0));
  auto move = secondsPerMove();
  LLMC_TRY(move.status());
  costs.perMovedPage = *move;
  if (context_ == 0) return costs;
  costs.perAttendedAlone = slope(contextAt_, shapes_[contextAt_].sequences);
  costs.perAttended = slope(contextAt_ + 2, shapes_[contextAt_ + 2].tokens);
  return costs;
}

Result<double> StepMeter::secondsPerMove() {
  KvStore& kv = session_.kv();
  const auto pages = static_cast<int32_t>(std::min<uint32_t>(kv.pages(), 64)) / 2;
  if (pages == 0) return 0.0;
  const double begin = monotonicSeconds();
  for (int32_t page = 0; page < pages; ++page) LLMC_TRY(kv.copyPage(page, page + pages));
  LLMC_TRY(kv.wait());
  return (monotonicSeconds() - begin) / pages;
}

Result<StepCosts> StepMeter::measure(const std::function<void(const std::string&)>& say) {
  const StepLimits& limits = session_.executor().limits();
  const uint64_t used = std::min<uint64_t>(
      session_.kv().pages(), std::max<uint64_t>(uint64_t{kLongSequences} * pagesFor(kLong + kChunk),
                                                std::max(limits.maxSequences, pagesFor(limits.maxTokens))));
  LLMC_TRY(session_.kv().fillPages(static_cast<uint32_t>(used), kFiller));
  chooseShapes();
  LLMC_TRY(runRounds(say));
  return costs();
}

}  // namespace llmc::rt
