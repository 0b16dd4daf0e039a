// One prompt answered by beam search: to the backend requests of one token each, to the answer one generation.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/server/api/beam_search.h"
#include "runtime/server/api/generate_request.h"
#include "runtime/server/backend.h"
#include "runtime/server/event_inbox.h"

namespace llmc::rt::server {

/// As vLLM does it: each beam of a step is a request whose prompt is the beam, so that limits, priorities, preemption
/// and the prefix cache are those of all requests. Belongs to the answer's I/O thread.
class BeamGeneration : public EventTarget, public std::enable_shared_from_this<BeamGeneration> {
 public:
  using Tell = std::function<void(GenerationEvent)>;

  /// `tell` hears what a generation with `answer.choices` choices would tell: all tokens of all beams when the search
  /// is over, the best beam first. `ids` numbers the requests; all references outlive this.
  BeamGeneration(Backend& backend, std::atomic<uint64_t>& ids, GenerationRequest answer, const GenerateRequest& request,
                 Tell tell);

  /// The first step. Errors are those of Backend::submit(), after which nothing is told.
  Status start(EventInbox& inbox);
  void onEvent(uint32_t beam, GenerationEvent event) override;
  /// Nothing is told from here on.
  void cancel();

 private:
  struct Step {
    GenerationId id = 0;
    bool ended = false;
    TokenLogprobs scores;
  };
  Status submit();
  void finish(FinishReason unfinished);
  void tellBeam(uint32_t choice, const BeamSearch::Beam& beam, FinishReason unfinished);

  Backend& backend_;
  std::atomic<uint64_t>& ids_;
  const GenerationRequest answer_;
  const bool includeStop_;
  const int32_t shownScores_;  ///< of each token as many best ones are told; -1: none
  BeamSearch search_;
  Tell tell_;
  std::shared_ptr<EventInbox> inbox_;
  std::vector<Step> steps_;  ///< parallel to search_.live()
  uint32_t pending_ = 0;     ///< of these
  bool first_ = true, over_ = false;
};

}  // namespace llmc::rt::server
