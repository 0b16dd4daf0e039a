// Greedy, full-distribution and filtered choice.
#include "runtime/sample/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "runtime/sample/philox.h"
#include "runtime/sample/vocab_scan.h"

namespace llmc::rt {
namespace {

/// The first that is no number, and how many are: one bad weight row looks other than a step that failed.
Status notFinite(std::span<const float> row) {
  const auto broken = [](float x) { return !std::isfinite(x); };
  const auto first = std::find_if(row.begin(), row.end(), broken);
  const auto count = std::count_if(first, row.end(), broken);
  return Status::error(ErrorKind::kInternal, "RT_LOGITS",
                       "logit of token " + std::to_string(first - row.begin()) + " is " + std::to_string(*first) +
                           ", " + std::to_string(count) + " of " + std::to_string(row.size()) + " are not finite",
                       "the weights or a kernel are broken; run --selftest");
}

void setWeights(std::vector<Candidate>& candidates, float max, float scale) {
  for (auto& c : candidates) c.weight = expNonPositive((c.logit - max) * scale);
}

double sumOf(const std::vector<Candidate>& candidates) {
  double sum = 0;
  for (const auto& c : candidates) sum += c.weight;
  return sum;
}

/// Length of the shortest prefix with at least `share` of `total`; never 0.
size_t prefixOf(const std::vector<Candidate>& candidates, double share, double total) {
  double sum = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    sum += candidates[i].weight;
    if (sum >= share * total) return i + 1;
  }
  return candidates.size();
}

constexpr float kImpossible = std::numeric_limits<float>::lowest();

/// Makes all tokens but `allowed` (any order, may repeat) impossible. O(vocab). `kept`: scratch.
void keepOnly(const std::vector<int32_t>& allowed, std::vector<float>& kept, std::vector<float>& row) {
  kept.clear();
  for (const int32_t id : allowed) kept.push_back(row[static_cast<size_t>(id)]);
  std::fill(row.begin(), row.end(), kImpossible);
  for (size_t i = 0; i < allowed.size(); ++i) row[static_cast<size_t>(allowed[i])] = kept[i];
}

/// Makes each token impossible that would complete one of `words` at the end of `output`.
void dropBadWords(const std::vector<std::vector<int32_t>>& words, std::span<const int32_t> output,
                  std::vector<float>& row) {
  for (const auto& word : words) {
    const size_t before = word.size() - 1;
    if (before <= output.size() && std::equal(word.begin(), word.end() - 1, output.end() - static_cast<long>(before)))
      row[static_cast<size_t>(word.back())] = kImpossible;
  }
}

void keepMinP(std::vector<Candidate>& candidates, double minP) {
  // Weights are relative to the best token's, which every filter before has kept.
  std::erase_if(candidates, [&](const Candidate& c) { return c.weight < minP; });
}

/// Locally typical sampling (Meister et al. 2022): tokens whose surprise is nearest the entropy, up to `share`.
void keepTypical(std::vector<Candidate>& candidates, double share) {
  const double total = sumOf(candidates);
  double entropy = 0;
  for (const auto& c : candidates) {
    const double p = c.weight / total;
    if (p > 0) entropy -= p * std::log(p);
  }
  const auto distance = [&](const Candidate& c) { return std::abs(-std::log(c.weight / total) - entropy); };
  std::sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
    const double left = distance(a), right = distance(b);
    return left != right ? left < right : better(a, b);
  });
  candidates.resize(prefixOf(candidates, share, total));
}

}  // namespace

Sampler::Sampler(uint32_t vocabulary) : selector_(vocabulary), edit_(vocabulary), sums_(scanBlocks(vocabulary)) {}

std::span<const float> Sampler::edited(std::span<const float> logits, const SampleRequest& request) {
  const SamplingParams& params = *request.params;
  const bool noStop = request.generated < params.minTokens && !request.stopIds.empty();
  if (params.logitBias.empty() && !params.penalizes() && !noStop && !params.restricts()) return logits;
  std::copy(logits.begin(), logits.end(), edit_.begin());
  if (params.penalizes() && request.history) request.history->penalize(params, edit_.data());
  for (const auto& [id, bias] : params.logitBias) edit_[static_cast<size_t>(id)] += bias;
  if (!params.allowedIds.empty()) keepOnly(params.allowedIds, kept_, edit_);
  dropBadWords(params.badWords, request.output, edit_);
  if (noStop)
    for (const int32_t id : request.stopIds)
      if (id >= 0 && static_cast<size_t>(id) < edit_.size()) edit_[static_cast<size_t>(id)] = kImpossible;
  return edit_;
}

double Sampler::totalWeight(std::span<const float> row, float max, float scale) {
  expSums(row.data(), static_cast<uint32_t>(row.size()), max, scale, sums_.data());
  double total = 0;
  for (const float sum : sums_) total += static_cast<double>(sum);
  return total;
}

int32_t Sampler::pickFromAll(std::span<const float> row, float max, float scale, double uniform) {
  double left = uniform * totalWeight(row, max, scale);
  // Walk the block sums, then the block: rounding can run past the end, so remember the last token with any weight.
  size_t block = 0;
  while (block + 1 < sums_.size() && left >= static_cast<double>(sums_[block]))
    left -= static_cast<double>(sums_[block++]);
  const size_t end = std::min(row.size(), (block + 1) * kScanBlock);
  auto last = static_cast<int32_t>(block * kScanBlock);
  for (size_t i = block * kScanBlock; i < end; ++i) {
    const double weight = expNonPositive((row[i] - max) * scale);
    if (weight > 0) last = static_cast<int32_t>(i);
    left -= weight;
    if (left < 0) return static_cast<int32_t>(i);
  }
  return last;
}

std::vector<Candidate>& Sampler::keepTopP(std::span<const float> row, float max, float scale,
                                          const SamplingParams& params) {
  if (params.topK > 0) {
    auto& candidates = selector_.take(static_cast<uint32_t>(params.topK));
    setWeights(candidates, max, scale);
    if (params.topP < 1) candidates.resize(prefixOf(candidates, params.topP, sumOf(candidates)));
    return candidates;
  }
  // Without top-k the share counts against the whole vocabulary. The best few, or few hundred, mostly hold it.
  if (params.topP < 1) {
    const double wanted = params.topP * totalWeight(row, max, scale);
    for (const uint32_t count : {32u, 256u}) {
      // Another order sums to other last bits: what is near is for the sorted ones to tell.
      const double least = wanted * (1 - 1e-9);
      auto& likely = selector_.takeLikely(count);
      weighAll(likely, max, scale);
      if (sumOf(likely) < least) continue;
      auto& best = selector_.keepBest(count);
      if (sumOf(best) < least) continue;
      std::sort(best.begin(), best.end(), better);
      if (sumOf(best) < wanted) continue;
      best.resize(prefixOf(best, wanted, 1));
      return best;
    }
    return keepMass(max, scale, wanted);
  }
  const float bound = params.minP > 0 ? max + static_cast<float>(std::log(params.minP) / scale) - 1e-3f
                                      : std::numeric_limits<float>::lowest();
  auto& candidates = selector_.takeAbove(bound);
  setWeights(candidates, max, scale);
  return candidates;
}

void Sampler::weighAll(std::vector<Candidate>& candidates, float max, float scale) {
  const size_t count = candidates.size();
  weights_.resize(2 * count);
  for (size_t i = 0; i < count; ++i) weights_[i] = candidates[i].logit;
  expRow(weights_.data(), static_cast<uint32_t>(count), max, scale, weights_.data() + count);
  for (size_t i = 0; i < count; ++i) candidates[i].weight = static_cast<double>(weights_[count + i]);
}

std::vector<Candidate>& Sampler::keepMass(float max, float scale, double wanted) {
  // A flat row: thousands of tokens. Sorting them all takes longer than the model; a histogram over the logits finds
  // the bin in which the mass is reached, and only that bin is sorted.
  constexpr int kBins = 1024;
  constexpr int kTail = 16;
  constexpr float kBinsPerNat = 40;  // the last bin holds all below e^-25.6
  const auto binOf = [&](float logit) {
    return static_cast<int>(std::min<float>((max - logit) * scale * kBinsPerNat, kBins - 1));
  };
  std::array<double, kBins> mass;
  int last = 0, depth = 0;
  double above = 0;
  std::vector<Candidate>* found = nullptr;
  // From the top, as few tokens as will do: bins are whole down to a depth, which grows until the mass is within it.
  int deeper = 320;
  while (last == depth) {
    depth += deeper;
    // A bin more than needed, in case the bound rounds up; binOf decides.
    const float bound = depth < kBins ? max - static_cast<float>(depth + 1) / (scale * kBinsPerNat) : kImpossible;
    found = &selector_.takeAbove(bound);
    weighAll(*found, max, scale);
    mass.fill(0);
    bins_.resize(found->size());
    for (size_t i = 0; i < bins_.size(); ++i) bins_[i] = binOf((*found)[i].logit);
    for (size_t i = 0; i < bins_.size(); ++i) mass[static_cast<size_t>(bins_[i])] += (*found)[i].weight;
    last = 0;
    above = 0;
    while (last < std::min(depth, kBins - 1) && above + mass[static_cast<size_t>(last)] < wanted)
      above += mass[static_cast<size_t>(last++)];
    // Half as many bins again as it takes if the next ones have what the last ones have, but not a quarter more at
    // once.
    double tail = 0;
    for (int bin = std::max(0, last - kTail); bin < last; ++bin) tail += mass[static_cast<size_t>(bin)];
    const double bins = 1.5 * kTail * (wanted - above) / tail + 1;
    deeper = bins < depth / 4 ? std::max(static_cast<int>(bins), depth / 32) : depth / 4;
  }
  auto& candidates = *found;
  edge_.clear();
  for (size_t i = 0; i < candidates.size(); ++i)
    if (bins_[i] == last) edge_.push_back(candidates[i]);
  std::sort(edge_.begin(), edge_.end(), better);
  auto keep = edge_.begin();
  for (; keep != edge_.end() && above < wanted; ++keep) above += keep->weight;
  // By ascending id: an order that a device can draw in, too, without sorting them all.
  // Which side of the last bin a token is on cannot be predicted: all are copied, and some overwritten.
  size_t kept = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Candidate c = candidates[i];
    candidates[kept] = c;
    if (bins_[i] != last)
      kept += bins_[i] < last;
    else if (keep != edge_.begin() && !better(*(keep - 1), c))
      ++kept;
  }
  candidates.resize(kept);
  return candidates;
}

int32_t Sampler::pickFiltered(std::span<const float> row, float max, float scale, const SamplingParams& params,
                              double uniform) {
  selector_.setRow(row);
  auto& candidates = keepTopP(row, max, scale, params);
  if (params.minP > 0) keepMinP(candidates, params.minP);
  if (params.typicalP < 1) keepTypical(candidates, params.typicalP);
  double left = uniform * sumOf(candidates);
  for (const auto& c : candidates) {
    left -= c.weight;
    if (left < 0) return c.id;
  }
  return candidates.back().id;
}

void Sampler::fillLogprobs(std::span<const float> logits, float max, int32_t token, const SamplingParams& params,
                           TokenLogprobs& out) {
  const double norm = static_cast<double>(max) + std::log(totalWeight(logits, max, 1.0f));
  const auto logprob = [&](float x) { return static_cast<float>(static_cast<double>(x) - norm); };
  out.logprob = logprob(logits[static_cast<size_t>(token)]);
  out.top.clear();
  for (const int32_t id : params.logprobIds) out.top.emplace_back(id, logprob(logits[static_cast<size_t>(id)]));
  if (params.logprobs <= 0 || !params.logprobIds.empty()) return;
  selector_.setRow(logits);
  for (const auto& c : selector_.take(static_cast<uint32_t>(params.logprobs)))
    out.top.emplace_back(c.id, logprob(c.logit));
}

Result<int32_t> Sampler::sample(std::span<const float> logits, const SampleRequest& request, TokenLogprobs* logprobs) {
  const SamplingParams& params = *request.params;
  const auto count = static_cast<uint32_t>(logits.size());
  const MaxScan raw = scanMax(logits.data(), count);
  if (!raw.finite) return notFinite(logits);
  const std::span<const float> row = edited(logits, request);
  float max = raw.max;
  if (row.data() != logits.data()) max = scanMax(row.data(), count).max;
  if (max <= kImpossible)
    return Status::error(ErrorKind::kUsage, "RT_NO_TOKEN",
                         "allowed_token_ids, bad_words and min_tokens leave no token to choose");

  int32_t token = 0;
  const float scale = static_cast<float>(1.0 / std::max(params.temperature, 1e-6));
  const bool filtered = params.topK > 0 || params.topP < 1 || params.minP > 0 || params.typicalP < 1;
  if (params.greedy())
    token = static_cast<int32_t>(findFirst(row.data(), count, max));
  else if (filtered)
    token = pickFiltered(row, max, scale, params, uniformAt(params.seed, request.position));
  else
    token = pickFromAll(row, max, scale, uniformAt(params.seed, request.position));

  if (params.logprobs >= 0 && logprobs) fillLogprobs(logits, raw.max, token, params, *logprobs);
  return token;
}

Result<double> Sampler::logSumExp(std::span<const float> logits) {
  const MaxScan scan = scanMax(logits.data(), static_cast<uint32_t>(logits.size()));
  if (!scan.finite) return notFinite(logits);
  return static_cast<double>(scan.max) + std::log(totalWeight(logits, scan.max, 1.0f));
}

}  // namespace llmc::rt
