// A plan made by hand with plain C++ kernels: what the executor's tests run instead of a compiled model.
#pragma once

#include <vector>

#include "runtime/exec/bound_program.h"
#include "runtime/format/engine_generated.h"

namespace llmc::rt::test {

inline constexpr uint32_t kVocabulary = 40;

/// Two programs (T <= 4 and any T) of three phases: each token writes its id to the KV page of layer 1; each token sums
/// the ids of its sequence so far into slot "sums"; each chosen row gets logits[v] = sum * weight[v] + variant * 1000,
/// variant 1 for S <= 1 and 2 else, and the largest of each tile; logits that the batch does not ask for are NaN. Wide
/// programs add 0.5 to every logit. A null token id of -7 is never valid.
///
/// Kind::kContexts: as real kernels, each piece of code "rounds" in its own way. The KV of a token says whether it came
/// alone in its sequence; each row's logits are a hash of its context's KV, of the variant and of the width of the
/// program. A context that holds kPoison has NaN logits; no logits make kPoison likely.
/// Kind::kSilent: kernels that do nothing; all logits are zero.
class FakeEngine {
 public:
  enum class Kind : uint8_t { kSums, kContexts, kSilent };
  static constexpr int32_t kPoison = 39;
  static constexpr uint32_t kTile = 16, kTiles = 3;

  explicit FakeEngine(Kind kind = Kind::kSums);
  ProgramSource source() const;
  const fb::Engine& plan() const { return *fb::GetEngine(bytes_.data()); }

  /// KV geometry: 2 layers, 4 bytes a token and layer.
  static constexpr uint64_t kLayerBytes = 64, kPageBytes = 128;

  bool failing = false;    ///< kernels of the third phase return 5
  bool perturbed = false;  ///< kContexts: the kernel for any number of rows rounds otherwise for more than two

 private:
  std::vector<uint8_t> bytes_;
  alignas(64) float weight_[64] = {};
};

}  // namespace llmc::rt::test
