// Best candidate, its need, and the places it may take.
#include "runtime/sched/admission.h"

#include <algorithm>

namespace llmc::rt {
namespace {

/// A blocked prompt is looked up in the prefix cache again after so many steps, if no page came free before.
constexpr uint64_t kLookAgainSteps = 16;

/// The last token is always computed: its logits are needed.
uint32_t reusablePages(const SchedulerState& state, const Sequence& sequence) {
  const uint32_t tokens = state.shareable(sequence, static_cast<uint32_t>(sequence.tokens.size()));
  const uint32_t computed = sequence.exact ? 2 : 1;  // no chunk of one token
  return sequence.rowsWanted > 0 || tokens < computed ? 0 : (tokens - computed) / kPageTokens;
}

bool mayGiveWay(const SchedulerState& state, const Sequence& runs, const Sequence& waits) {
  if (runs.request->paused) return true;
  return state.ranking.takesPlaces() && state.ranking.rankClass(waits) < state.ranking.rankClass(runs);
}

}  // namespace

void Admission::blocked(const Sequence& sequence, Decision why, uint32_t first, uint32_t second) {
  if (blockedSerial_ != sequence.serial || blockedWhy_ != why) state_->note(sequence, why, first, second);
  blockedSerial_ = sequence.serial;
  blockedWhy_ = why;
  blockedNeed_ = why == Decision::kWaitsForPages ? first : 0;
  blockedStep_ = state_->step;
}

bool Admission::passedOver(Sequence& sequence) {
  if (sequence.request->paused || sequence.preemptedStep == state_->step) return true;
  const uint32_t most = state_->config.maxRunningPerKey;
  // A group enters below the bound and may pass it: else single requests of its key would slip past it for ever.
  if (most > 0 && state_->keys.running(sequence.key) >= static_cast<int32_t>(most)) {
    if (!sequence.keyBoundNoted)
      state_->note(sequence, Decision::kWaitsForKey, static_cast<uint32_t>(state_->keys.running(sequence.key)), most);
    return sequence.keyBoundNoted = true;
  }
  if (!sequence.waitsFor) return false;
  const Sequence& other = *sequence.waitsFor;
  if (other.serial == sequence.waitsForSerial && other.state == SequenceState::kPrefilling && !other.request->paused &&
      other.pages.publishing && other.pages.published < sequence.waitsForPages)
    return true;
  sequence.waitsFor = nullptr;
  return false;
}

Sequence* Admission::best() {
  Sequence* found = nullptr;
  Rank rank;
  for (Sequence* candidate : state_->waiting) {
    if (state_->ranking.age(*candidate, state_->now))
      state_->note(*candidate, Decision::kPromoted,
                   static_cast<uint32_t>((state_->now - candidate->waitingSince) * 1000), 0);
    const Rank its = state_->ranking.waiting(*candidate, state_->keys);
    if ((found && rank < its) || passedOver(*candidate)) continue;
    found = candidate;
    rank = its;
  }
  return found;
}

Admission::Need Admission::needOf(Sequence& sequence) const {
  const auto total = pagesOf(static_cast<uint32_t>(sequence.tokens.size()));
  const PrefixMatch match =
      state_->pages.find(sequence.keyed(state_->config.prefixCache ? reusablePages(*state_, sequence) : 0));
  Need need;
  need.hits = match.pages;
  need.pages = total - match.pages;
  need.available = state_->pages.available() - match.idle;
  // Alone it always fits; beside others it leaves them room to grow.
  need.margin = state_->config.reservePages;
  return need;
}

bool Admission::waitsForPrefix(Sequence& sequence, uint32_t hits) {
  if (!state_->config.prefixCache || sequence.state != SequenceState::kWaiting ||
      hits >= reusablePages(*state_, sequence))
    return false;
  for (const Sequence* other : state_->running) {
    if (other->state != SequenceState::kPrefilling || other->request->paused || !other->pages.publishing) continue;
    const auto theirs = static_cast<uint32_t>(std::min<size_t>(
        other->keys.size(), state_->shareable(*other, static_cast<uint32_t>(other->tokens.size())) / kPageTokens));
    const uint32_t both = std::min(reusablePages(*state_, sequence), theirs);
    uint32_t common = hits;
    while (common < both && other->keys[common] == sequence.keys[common]) ++common;
    if (common <= hits || other->pages.published >= common) continue;
    sequence.waitsFor = other;
    sequence.waitsForSerial = other->serial;
    sequence.waitsForPages = common;
    state_->note(sequence, Decision::kWaitsForPrefix, common, 0);
    return true;
  }
  return false;
}

bool Admission::fits(const Need& need, const Places& taken) const {
  const size_t slots = state_->running.size() + state_->reservedSlots + 1;
  const uint32_t margin = taken.sequences == state_->running.size() ? 0 : need.margin;
  return need.pages + margin <= need.available + taken.pages &&
         slots <= state_->config.limits.maxSequences + taken.slots;
}

/// What comes free when all give way that may.
Admission::Places Admission::placesFor(const Sequence& sequence) {
  Places places;
  const auto visit = [&](auto&& page) {
    for (const Sequence* other : state_->running)
      if (mayGiveWay(*state_, *other, sequence))
        for (const int32_t id : state_->pages.pages(other->pages)) page(id);
  };
  // A shared page comes free only if all its owners give way.
  visit([&](int32_t id) { places.pages += ++seen_[static_cast<size_t>(id)] == state_->pages.cache().owners(id); });
  visit([&](int32_t id) { seen_[static_cast<size_t>(id)] = 0; });
  for (const Sequence* other : state_->running) {
    if (!mayGiveWay(*state_, *other, sequence)) continue;
    ++places.sequences;
    places.slots += 1 + other->reserved;
  }
  return places;
}

/// Takes places of worse classes, but only if they suffice: otherwise nothing changes.
bool Admission::makeRoom(Sequence& sequence, StepBudget& budget) {
  const Sequence* first = state_->worstRunning();
  if (!first || !mayGiveWay(*state_, *first, sequence)) return false;
  if (!fits(needOf(sequence), placesFor(sequence))) return false;
  while (!state_->running.empty() && !fits(needOf(sequence), {})) {
    Sequence* worst = state_->worstRunning();
    if (!mayGiveWay(*state_, *worst, sequence)) return false;
    const bool prefill = worst->state == SequenceState::kPrefilling;
    budget.tokens += worst->scheduled;
    if (prefill) budget.prefill += worst->scheduled;
    if (worst->scheduled > 0) budget.rows += worst->computed < worst->rowsWanted ? worst->scheduled : 1;
    state_->preempt(*worst, Cause::kBetterClass);
  }
  return fits(needOf(sequence), {});
}

Admission::Answer Admission::admit(Sequence& sequence, StepBudget& budget) {
  const uint32_t available = state_->pages.available();
  if (blockedSerial_ == sequence.serial && blockedNeed_ > available && state_->step < blockedStep_ + kLookAgainSteps &&
      !state_->ranking.takesPlaces() && !state_->running.empty() && !state_->worstRunning()->request->paused)
    return Answer::kFull;
  const Need need = needOf(sequence);
  if (waitsForPrefix(sequence, need.hits)) return Answer::kDeferred;
  if (!fits(need, {}) && !makeRoom(sequence, budget)) {
    if (need.pages + need.margin > need.available)
      blocked(sequence, Decision::kWaitsForPages, need.pages + need.margin, need.available);
    else
      blocked(sequence, Decision::kWaitsForSlot, 1, static_cast<uint32_t>(state_->running.size()));
    return Answer::kFull;
  }
  if (budget.tokens == 0 || budget.rows == 0) return Answer::kFull;
  start(sequence, budget);
  return Answer::kAdmitted;
}

void Admission::start(Sequence& sequence, StepBudget& budget) {
  SchedulerState& state = *state_;
  const KeyedTokens keyed = sequence.keyed(state.config.prefixCache ? reusablePages(state, sequence) : 0);
  const auto length = static_cast<uint32_t>(sequence.tokens.size());
  if (sequence.state == SequenceState::kSwapped) {
    const auto host = static_cast<uint32_t>(sequence.pages.host.size());
    state.pages.swapIn(sequence.pages, keyed, pagesOf(length), state.moves);
    state.note(sequence, Decision::kSwappedIn, sequence.computed, host);
    sequence.state = SequenceState::kRunning;
  } else {
    const uint32_t hits = state.pages.open(sequence.pages, keyed, pagesOf(length));
    sequence.computed = hits;
    if (!sequence.admitted) {
      sequence.cachedTokens = hits;
      sequence.admittedAt = state.now;
      if (state.config.prefixCache) state.pages.cache().countQuery(length, hits);
      ++state.admissions;
    }
    state.note(sequence, Decision::kAdmitted, hits / kPageTokens, sequence.pages.count);
    sequence.state = SequenceState::kPrefilling;
  }
  sequence.admitted = true;
  state.run(sequence);
  assignChunk(sequence, budget);
}

/// The longest chunk of at most `most` tokens.
uint32_t Admission::chunkOf(const Sequence& sequence, uint32_t most) const {
  if (!sequence.exact || !state_->chunksFit || sequence.computed >= sequence.promptTokens)
    return std::min(sequence.remaining(), most);
  const uint32_t prompt = sequence.promptTokens - sequence.computed;
  if (prompt <= most) return prompt;
  // Neither takes one token alone nor leaves one.
  const uint32_t chunk = most > 0 && prompt - most == 1 ? most - 1 : most;
  return chunk < 2 ? 0 : chunk;
}

void Admission::assignChunk(Sequence& sequence, StepBudget& budget) const {
  const bool decodes = sequence.state == SequenceState::kRunning;
  uint32_t most = decodes ? budget.tokens : std::min(budget.prefill, budget.tokens);
  // A chunk needs a row for its last token at least; prompt rows are one a token.
  if (sequence.computed < sequence.rowsWanted)
    most = std::min(most, budget.rows);
  else if (budget.rows == 0)
    most = 0;
  const uint32_t chunk = chunkOf(sequence, most);
  sequence.scheduled = chunk;
  if (chunk == 0) return;
  budget.tokens -= chunk;
  if (!decodes) budget.prefill -= chunk;
  budget.rows -= sequence.computed < sequence.rowsWanted ? chunk : 1;
}

bool Admission::closed() {
  const SchedulerState& state = *state_;
  if (state.waiting.empty()) return true;
  const Sequence* worst = state.worstRunning();
  if (!worst || worst->request->paused || state.ranking.takesPlaces()) return false;
  if (state.running.size() + state.reservedSlots >= state.config.limits.maxSequences) return true;
  const Sequence* next = best();
  return !next || (blockedSerial_ == next->serial && blockedNeed_ > state.pages.available() &&
                   state.step < blockedStep_ + kLookAgainSteps);
}

void Admission::run(StepBudget& budget) {
  const SchedulerState& state = *state_;
  while (!state.waiting.empty()) {
    const bool slots = state.running.size() + state.reservedSlots < state.config.limits.maxSequences;
    // Without a slot or a token left only those can enter who take a place.
    if (!slots || budget.tokens == 0 || budget.rows == 0) {
      const Sequence* worst = state.worstRunning();
      if (!worst || !(worst->request->paused || state.ranking.takesPlaces())) return;
    }
    Sequence* next = best();
    if (!next || (budget.prefill == 0 && next->state != SequenceState::kSwapped)) return;
    if (admit(*next, budget) == Answer::kFull) return;
  }
}

}  // namespace llmc::rt
