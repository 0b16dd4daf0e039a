// Records as sentences.
#include "runtime/sched/decision_trace.h"

#include <cstdio>

namespace llmc::rt {
namespace {

std::string sentence(const TraceRecord& r) {
  const std::string a = std::to_string(r.first), b = std::to_string(r.second);
  switch (r.decision) {
    case Decision::kSubmitted:
      return "submitted: prompt of " + a + " tokens, " + b + " wait";
    case Decision::kRefused:
      return "refused: " + a + " of at most " + b + " wait";
    case Decision::kAdmitted:
      return "admitted: " + a + " of " + b + " pages from the prefix cache";
    case Decision::kWaitsForSlot:
      return "waits: needs " + a + " sequence slots, " + b + " are in use";
    case Decision::kWaitsForPages:
      return "waits: needs " + a + " pages, " + b + " are available";
    case Decision::kWaitsForKey:
      return "waits: its key runs " + a + " of at most " + b + " sequences";
    case Decision::kWaitsForPrefix:
      return "waits: the first " + a + " pages of its prompt are being computed";
    case Decision::kPromoted:
      return "goes before all others: waited " + a + " ms";
    case Decision::kDemoted:
      return "sinks to level " + a;
    case Decision::kPreemptRecompute:
      return "preempted: " + a + " tokens to compute again, " + b + " pages back";
    case Decision::kPreemptSwap:
      return "preempted: " + a + " tokens kept in " + b + " host pages";
    case Decision::kSwappedIn:
      return "swapped in: " + a + " tokens, " + b + " pages from the host";
    case Decision::kForked:
      return "forked: " + a + " choices share " + b + " pages";
    case Decision::kFinished:
      return std::string("finished: ") + endName(static_cast<EndReason>(r.first)) + " after " + b + " tokens";
  }
  return "";
}

const char* causeText(Cause cause) {
  switch (cause) {
    case Cause::kNone:
      return "";
    case Cause::kNoPages:
      return " (no pages left)";
    case Cause::kBetterClass:
      return " (for a better class)";
  }
  return "";
}

}  // namespace

std::string DecisionTrace::text(const TraceRecord& record) {
  char head[96];
  std::snprintf(head, sizeof head, "%.3f step %llu request %llu.%u ", record.time,
                static_cast<unsigned long long>(record.step), static_cast<unsigned long long>(record.request),
                record.choice);
  return head + reason(record);
}

std::string DecisionTrace::reason(const TraceRecord& record) { return sentence(record) + causeText(record.cause); }

}  // namespace llmc::rt
