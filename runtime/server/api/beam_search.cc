// Beams share their tokens as branches of a tree, so that a fork costs one node.
#include "runtime/server/api/beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace llmc::rt::server {

BeamSearch::BeamSearch(BeamRules rules) : rules_(std::move(rules)) {}

uint32_t BeamSearch::candidates() const {
  // However many ends are among the best, enough others are left to go on.
  return std::max(2 * rules_.width, rules_.width + static_cast<uint32_t>(rules_.ends.size()));
}

double BeamSearch::scoreOf(double logprob, uint64_t tokens) const {
  return logprob / std::pow(static_cast<double>(rules_.promptTokens + tokens), rules_.lengthPenalty);
}

void BeamSearch::complete(Beam beam) {
  beam.score = scoreOf(beam.logprob, beam.tokens);
  const auto better = [](const Beam& a, const Beam& b) { return a.score > b.score; };
  completed_.insert(std::upper_bound(completed_.begin(), completed_.end(), beam, better), beam);
  if (completed_.size() > rules_.width) completed_.pop_back();
}

void BeamSearch::advance(std::vector<TokenLogprobs> scores) {
  struct Candidate {
    double logprob;
    uint32_t beam;
    int32_t token;
    float own;
  };
  std::vector<Candidate> candidates;
  const auto first = static_cast<uint32_t>(scores_.size());
  for (uint32_t i = 0; i < live_.size(); ++i) {
    const size_t most = std::min<size_t>(scores[i].top.size(), this->candidates());
    for (size_t k = 0; k < most; ++k) {
      const auto [token, own] = scores[i].top[k];
      if (!std::isfinite(own)) continue;
      const double logprob = live_[i].logprob + static_cast<double>(own);
      if (std::find(rules_.ends.begin(), rules_.ends.end(), token) == rules_.ends.end()) {
        candidates.push_back({logprob, i, token, own});
      } else if (k < size_t{2} * rules_.width) {
        Beam ended = live_[i];
        ended.logprob = logprob;
        ended.end = token;
        ended.endScores = first + i;
        complete(ended);
      }
    }
    scores_.push_back(std::move(scores[i]));
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.logprob > b.logprob; });
  if (candidates.size() > rules_.width) candidates.resize(rules_.width);
  std::vector<Beam> next;
  for (const Candidate& c : candidates) {
    tree_.push_back({live_[c.beam].last, c.token, c.own, first + c.beam});
    next.push_back(
        {.logprob = c.logprob, .last = static_cast<int32_t>(tree_.size()) - 1, .tokens = live_[c.beam].tokens + 1});
  }
  live_ = std::move(next);
  ++steps_;
}

bool BeamSearch::done() const {
  if (live_.empty() || steps_ >= rules_.maxTokens) return true;
  if (completed_.size() < rules_.width) return false;
  // A log probability only falls; by which length it is divided best depends on the sign of the penalty.
  const uint32_t length = rules_.lengthPenalty > 0 ? rules_.maxTokens : live_.front().tokens;
  return completed_.back().score >= scoreOf(live_.front().logprob, length);
}

std::vector<BeamSearch::Beam> BeamSearch::best() const {
  std::vector<Beam> all = completed_;
  for (Beam beam : live_) {
    beam.score = scoreOf(beam.logprob, beam.tokens);
    all.push_back(beam);
  }
  std::stable_sort(all.begin(), all.end(), [](const Beam& a, const Beam& b) { return a.score > b.score; });
  if (all.size() > rules_.width) all.resize(rules_.width);
  return all;
}

std::vector<BeamSearch::Token> BeamSearch::tokensOf(const Beam& beam) const {
  std::vector<Token> out;
  if (beam.end >= 0) {
    const TokenLogprobs& scores = scores_[beam.endScores];
    const auto found =
        std::find_if(scores.top.begin(), scores.top.end(), [&](const auto& one) { return one.first == beam.end; });
    out.push_back({beam.end, found->second, &scores});
  }
  for (int32_t at = beam.last; at >= 0; at = tree_[static_cast<size_t>(at)].parent) {
    const Node& node = tree_[static_cast<size_t>(at)];
    out.push_back({node.token, node.logprob, &scores_[node.scores]});
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace llmc::rt::server
