// Beam search over one prompt: which beams go on, which have ended, and which are the best. Knows no engine.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/sample/sampler.h"

namespace llmc::rt::server {

struct BeamRules {
  uint32_t width = 1;         ///< beams that go on after each step, and answers in the end
  uint32_t maxTokens = 1;     ///< of an answer
  double lengthPenalty = 1;   ///< a beam's score is its log probability / (tokens, prompt included)^this, as in vLLM
  uint32_t promptTokens = 0;  ///< they count in the length
  std::vector<int32_t> ends;  ///< tokens that end a beam; none: only the length does
};

/// vLLM's algorithm. Each step takes the best 2 * width tokens of each beam; those that end a beam complete it, the
/// width likeliest of the others go on. One difference, which changes no answer: it ends as soon as no beam that goes
/// on can come among the best, instead of after maxTokens steps.
class BeamSearch {
 public:
  struct Beam {
    double logprob = 0;   ///< sum over its tokens, the end included
    int32_t last = -1;    ///< its last token but the end, as an index into the tree; -1: none yet
    uint32_t tokens = 0;  ///< without the end
    int32_t end = -1;     ///< the token that ended it; -1: none did
    uint32_t endScores = 0;
    double score = 0;  ///< set once it is complete
  };
  /// A token of a beam with its log probability and the best ones beside it.
  struct Token {
    int32_t id;
    float logprob;
    const TokenLogprobs* scores;
  };

  explicit BeamSearch(BeamRules rules);

  /// How many of the best tokens advance() needs of each beam.
  uint32_t candidates() const;
  /// The beams that go on, likeliest first; one without a token at the start.
  const std::vector<Beam>& live() const { return live_; }
  /// `scores[i]`: of the token after live()[i], best first.
  void advance(std::vector<TokenLogprobs> scores);
  bool done() const;
  /// At most `width`, the best first.
  std::vector<Beam> best() const;
  /// The tokens of a beam, its end last if it has one. Valid until the next advance().
  std::vector<Token> tokensOf(const Beam& beam) const;

 private:
  struct Node {
    int32_t parent;
    int32_t token;
    float logprob;
    uint32_t scores;  ///< index
  };
  double scoreOf(double logprob, uint64_t tokens) const;
  void complete(Beam beam);

  const BeamRules rules_;
  std::vector<Beam> live_{Beam{}}, completed_;  ///< completed_: the best ones, best first
  std::vector<Node> tree_;
  std::vector<TokenLogprobs> scores_;  ///< of each beam and step
  uint32_t steps_ = 0;
};

}  // namespace llmc::rt::server
