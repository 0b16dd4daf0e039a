// How many prompt tokens may share a step with sequences that decode, learned from the steps themselves.
#pragma once

#include <array>
#include <cstdint>

namespace llmc::rt {

/// Bounds what a long prompt does to the others: a step with its tokens takes about `stretch` times as long as one that
/// only decodes. Several prompts may do more, in proportion to those whom they hold up, and kFillTokens while they are
/// more than half as many.
/// Costs are learned while serving, so they fit the model, the machine and its load. One thread.
class StepPace {
 public:
  /// stretch > 1; 0: no bound.
  explicit StepPace(double stretch) : stretch_(stretch) {}

  /// A step that took `seconds`.
  void learn(uint32_t decodes, uint32_t promptTokens, double seconds);
  /// Prompt tokens beside `decodes` sequences while `prompts` wait for their first token; at least kLeast; 0: no bound.
  uint32_t promptTokens(uint32_t decodes, uint32_t prompts) const;

  /// Smaller chunks would waste the kernels' tiles; a prompt always advances by this.
  static constexpr uint32_t kLeast = 16;
  /// Beside decoding sequences while nothing is known.
  static constexpr uint32_t kUnknown = 64;
  /// Beside decoding sequences while the batch fills. Twice as many give 32 streams the same throughput (1,902 against
  /// 1,886 tok/s in the mean of three turns on a Zen 5) with gaps half again as long (p99 33 against 47 ms).
  static constexpr uint32_t kFillTokens = 128;

 private:
  static constexpr uint32_t kClasses = 13;
  static uint32_t classOf(uint32_t decodes);
  /// A step that decodes so many; `alone`: measured without prompts, else what was left of a step with some.
  void learnDecodes(uint32_t decodes, double seconds, bool alone);
  /// Of a step that decodes so many; 0: never seen.
  double decodeSeconds(uint32_t decodes) const;

  double stretch_;
  std::array<double, kClasses> decodeSeconds_{};  ///< by powers of two of the sequences; 0: unknown
  std::array<bool, kClasses> measured_{};         ///< not guessed from steps with prompts
  double promptTokenSeconds_ = 0;                 ///< 0: unknown
};

}  // namespace llmc::rt
