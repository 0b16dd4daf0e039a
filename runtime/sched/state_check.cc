// Walks over everything that the scheduler holds.
#include "runtime/sched/state_check.h"

#include <algorithm>
#include <string>

namespace llmc::rt {
namespace {

Status checkSequences(const SchedulerState& state) {
  const auto fault = [](const Sequence& s, const char* what) {
    return Status::error(ErrorKind::kInternal, "RT_SCHEDULER_STATE",
                         "request " + std::to_string(s.request->id) + "." + std::to_string(s.choice) + ", " +
                             stateName(s.state) + ": " + what);
  };
  for (const auto& [id, request] : state.requests) {
    size_t unfinished = 0;
    for (const Sequence* s : request.choices) {
      const auto queued = std::count(state.waiting.begin(), state.waiting.end(), s);
      const auto runs = std::count(state.running.begin(), state.running.end(), s);
      const bool device = s->state == SequenceState::kPrefilling || s->state == SequenceState::kRunning;
      const bool ended = s->state == SequenceState::kFinished;
      const bool follows = s->choice > 0 && !request.forked;
      unfinished += !ended;
      if (queued + runs != (ended || follows ? 0 : 1)) return fault(*s, "lost or doubled");
      if ((runs == 1) != device || s->holdsDevice() != device) return fault(*s, "its pages do not fit its state");
      if (s->pages.host.empty() != (s->state != SequenceState::kSwapped)) return fault(*s, "its host pages do not fit");
      if (s->computed > s->tokens.size() || s->tokens.size() > s->maxTokens) return fault(*s, "too many tokens");
      if (device && s->pages.count < pagesOf(s->computed)) return fault(*s, "too few pages");
      if (ended != (s->end != EndReason::kNone)) return fault(*s, "its reason does not fit its state");
      const auto held = state.pages.pages(s->pages).first(s->pages.published);
      const auto cached = [&state](int32_t page) { return state.pages.cache().cached(page); };
      if (!std::all_of(held.begin(), held.end(), cached)) continue;  // withdrawn by another's fault
      const auto keys = std::span(s->keys).first(held.size());
      if (state.pages.cache().find(s->tokens, keys, s->salt).pages != held.size())
        return fault(*s, "its published pages are not found by its tokens");
    }
    if (unfinished != request.unfinished) return fault(*request.choices[0], "its request counts wrongly");
  }
  return Status::ok();
}

Status checkOwners(const SchedulerState& state) {
  const auto fault = [](std::string what) {
    return Status::error(ErrorKind::kInternal, "RT_SCHEDULER_STATE", std::move(what));
  };
  const PageTables& pages = state.pages;
  std::vector<uint32_t> device(pages.device().totalPages()), host(pages.host().totalPages());
  uint32_t reserved = 0;
  for (const Sequence* s : state.running) {
    reserved += s->reserved;
    for (const int32_t page : pages.pages(s->pages)) ++device[static_cast<size_t>(page)];
  }
  for (const Sequence* s : state.waiting)
    for (const int32_t page : s->pages.host) ++host[static_cast<size_t>(page)];
  for (uint32_t page = 0; page < device.size(); ++page)
    if (pages.cache().owners(static_cast<int32_t>(page)) != device[page])
      return fault("page " + std::to_string(page) + " counts " +
                   std::to_string(pages.cache().owners(static_cast<int32_t>(page))) + " owners, has " +
                   std::to_string(device[page]));
  for (uint32_t page = 0; page < host.size(); ++page)
    if (pages.host().references(static_cast<int32_t>(page)) != host[page])
      return fault("host page " + std::to_string(page) + " is not held by one swapped sequence");
  if (reserved != state.reservedSlots) return fault("reserved slots do not add up");
  if (state.running.size() + reserved > state.config.limits.maxSequences) return fault("too many sequences run");
  if (pages.device().freePages() + pages.device().usedPages() != pages.device().totalPages())
    return fault("free and used pages are not all pages");
  return Status::ok();
}

}  // namespace

Status checkState(const SchedulerState& state) {
  LLMC_TRY(state.pages.cache().check());
  LLMC_TRY(checkSequences(state));
  return checkOwners(state);
}

}  // namespace llmc::rt
