// The scheduler's record of one sequence and of the request it belongs to. Internal to runtime/sched.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/sched/page_tables.h"
#include "runtime/sched/request.h"

namespace llmc::rt {

struct Sequence;

/// A request: n sequences with one prompt. Until `forked` only the first of them (the leader) exists for the policies:
/// it computes the prompt for as many as there is a place for when it is admitted, and these take their pages from it.
/// The others then enter the queue, each for itself.
struct Request {
  RequestId id = 0;
  std::vector<Sequence*> choices;
  uint32_t unfinished = 0;
  bool forked = false;
  bool paused = false;
  double deadline = 0;    ///< seconds, RequestSpec::deadline
  void* owner = nullptr;  ///< RequestSpec::owner
};

struct Sequence {
  Request* request = nullptr;
  uint32_t choice = 0;
  SequenceState state = SequenceState::kWaiting;
  EndReason end = EndReason::kNone;
  EndReason doomed = EndReason::kNone;  ///< ends so when the step in flight is done

  std::vector<int32_t> tokens;  ///< prompt, then generated; room for maxTokens
  std::vector<Digest128> keys;  ///< of full pages, as many as were asked for
  Digest128 salt;
  uint32_t promptTokens = 0;
  uint32_t maxTokens = 0;     ///< prompt and all it may generate
  uint32_t computed = 0;      ///< tokens whose KV is written
  uint32_t scheduled = 0;     ///< of this step
  uint32_t row = 0;           ///< of the logits that its next token comes from, in the step planned last
  uint32_t cachedTokens = 0;  ///< found in the prefix cache when it was first admitted
  uint32_t reserved = 0;      ///< slots held for the other choices of its group
  uint32_t rowsWanted = 0;    ///< the first so many tokens get a row each (allPromptRows)
  bool logits = true;         ///< of its rows, and not the best token alone
  bool exact = false;         ///< RequestSpec::exact, or all are
  bool again = false;         ///< Verdict::kAgain: no step runs beside the next one, so that it gets its token
  PageHolding pages;

  // What the policies look at.
  int64_t priority = 0;
  uint32_t key = 0;            ///< account in the KeyLedger
  uint32_t level = 0;          ///< mlfq
  uint64_t served = 0;         ///< tokens in this level
  bool aged = false;           ///< waited for the starvation bound once; for good
  bool admitted = false;       ///< at least once
  bool keyBoundNoted = false;  ///< the trace has it
  double arrival = 0, waitingSince = 0;
  double admittedAt = -1, firstTokenAt = -1;  ///< for the metrics; -1: not yet
  uint32_t preemptions = 0;
  uint64_t serial = 0;         ///< of the submission: breaks ties, and tells a reused record from the old one
  uint64_t preemptedStep = 0;  ///< the last one

  // A prompt whose next page another sequence is just computing waits for that page instead of computing it again.
  const Sequence* waitsFor = nullptr;
  uint64_t waitsForSerial = 0;
  uint32_t waitsForPages = 0;

  uint32_t remaining() const { return static_cast<uint32_t>(tokens.size()) - computed; }
  bool holdsDevice() const { return pages.row >= 0; }
  /// Computes the prompt for other choices too.
  bool leads() const { return choice == 0 && !request->forked && request->choices.size() > 1; }
  /// Other choices that may begin with it.
  uint32_t followers() const { return leads() ? request->unfinished - 1 : 0; }

  /// Keys for the first `pages` pages; hashes only what is new.
  void extendKeys(uint32_t pageCount) {
    while (keys.size() < pageCount)
      keys.push_back(PrefixCache::pageHash(keys.empty() ? salt : keys.back(),
                                           std::span(tokens).subspan(keys.size() * kPageTokens, kPageTokens)));
  }
  KeyedTokens keyed(uint32_t pageCount) {
    extendKeys(pageCount);
    return {tokens, std::span(keys).first(pageCount), salt};
  }
};

}  // namespace llmc::rt
