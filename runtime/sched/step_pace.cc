// Moving averages that one late step cannot spoil.
#include "runtime/sched/step_pace.h"

#include <algorithm>
#include <bit>

namespace llmc::rt {
namespace {

constexpr double kWeight = 0.1;
/// A sample far above the average is the machine's doing, not the step's.
constexpr double kMostJump = 2;
/// A prompt beside another one counts as much as so many sequences that decode: they lose a fraction of a second, it
/// waits for all of its first token.
constexpr double kCrowd = 8;
/// Above this share of prompts the batch is far from full, and steps that decode few sequences cost nearly as much as
/// those that decode many: filling it first is faster for all. Not by longer steps, though: those are no faster a
/// token.
constexpr uint32_t kFill = 2;

/// With so many prompt tokens a decoded one, a step's time is that of its prompts.
constexpr uint32_t kMostlyPrompts = 4;

void average(double& mean, double sample) {
  if (mean == 0)
    mean = sample;
  else
    mean += kWeight * (std::min(sample, kMostJump * mean) - mean);
}

}  // namespace

uint32_t StepPace::classOf(uint32_t decodes) {
  return std::min<uint32_t>(static_cast<uint32_t>(std::bit_width(std::max(decodes, 1u) - 1)), kClasses - 1);
}

double StepPace::decodeSeconds(uint32_t decodes) const {
  // Fewer sequences cost less: the nearest smaller class is the careful guess.
  const uint32_t own = classOf(decodes);
  for (uint32_t i = own + 1; i-- > 0;)
    if (decodeSeconds_[i] > 0) return decodeSeconds_[i];
  for (uint32_t i = own + 1; i < kClasses; ++i)
    if (decodeSeconds_[i] > 0) return decodeSeconds_[i];
  return 0;
}

void StepPace::learnDecodes(uint32_t decodes, double seconds, bool alone) {
  const uint32_t own = classOf(decodes);
  if (alone && !measured_[own]) decodeSeconds_[own] = 0;  // a guess goes
  measured_[own] |= alone;
  average(decodeSeconds_[own], seconds);
}

void StepPace::learn(uint32_t decodes, uint32_t promptTokens, double seconds) {
  if (seconds <= 0) return;
  if (promptTokens == 0) {
    if (decodes > 0) learnDecodes(decodes, seconds, true);
    return;
  }
  // What came on top of the decoding; a few tokens say nothing about it.
  const double base = decodes > 0 ? decodeSeconds(decodes) : 0;
  if (promptTokens < kLeast || (decodes > 0 && base == 0)) return;
  // While a batch fills, none of its steps decodes only. Its decoding is then what prompts do not explain; taken for
  // the cost of prompts, as it would be with the time of a smaller batch, it would starve them until the batch is full.
  if (decodes > 0 && !measured_[classOf(decodes)] && promptTokenSeconds_ > 0 && promptTokens < kMostlyPrompts * decodes)
    return learnDecodes(decodes, std::max(seconds - promptTokens * promptTokenSeconds_, 0.1 * seconds), false);
  const double each = std::max(seconds - base, 0.1 * seconds) / promptTokens;
  average(promptTokenSeconds_, each);
}

uint32_t StepPace::promptTokens(uint32_t decodes, uint32_t prompts) const {
  if (stretch_ <= 0 || decodes == 0) return 0;
  if (prompts > 1 && kFill * prompts > decodes) return kFillTokens;
  const double base = decodeSeconds(decodes);
  if (base == 0 || promptTokenSeconds_ == 0) return kUnknown;
  const double crowd = std::max(1.0, kCrowd * (static_cast<double>(prompts) - 1) / decodes);
  const double fits = std::min((stretch_ - 1) * crowd * base / promptTokenSeconds_, 65536.0);
  return std::max(static_cast<uint32_t>(fits), kLeast);
}

}  // namespace llmc::rt
