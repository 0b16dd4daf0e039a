// Names of states and ends.
#include "runtime/sched/request.h"

namespace llmc::rt {

const char* stateName(SequenceState state) {
  switch (state) {
    case SequenceState::kWaiting:
      return "waiting";
    case SequenceState::kPrefilling:
      return "prefilling";
    case SequenceState::kRunning:
      return "running";
    case SequenceState::kPreempted:
      return "preempted";
    case SequenceState::kSwapped:
      return "swapped";
    case SequenceState::kFinished:
      return "finished";
  }
  return "";
}

const char* endName(EndReason reason) {
  switch (reason) {
    case EndReason::kNone:
      return "none";
    case EndReason::kStop:
      return "stop";
    case EndReason::kLength:
      return "length";
    case EndReason::kCancelled:
      return "abort";
    case EndReason::kDeadline:
      return "timeout";
    case EndReason::kFailed:
      return "error";
  }
  return "";
}

}  // namespace llmc::rt
