// Every invariant of the scheduler's state, broken by hand one at a time: what the random loads rely on sees each of
// them.
#include "runtime/sched/state_check.h"

#include <functional>

#include "tests/unit/runtime/sched/scheduler_driver.h"

namespace llmc::rt {
namespace {

/// Request 1 runs with 20 tokens computed, 2 waits, 3 has ended.
struct Whole {
  Whole() : state(smallConfig()) {
    running = &add(1, SequenceState::kRunning);
    running->computed = 20;
    state.pages.open(running->pages, running->keyed(0), pagesOf(20));
    state.running.push_back(running);
    waiting = &add(2, SequenceState::kWaiting);
    state.waiting.push_back(waiting);
    ended = &add(3, SequenceState::kFinished);
    ended->end = EndReason::kLength;
    ended->request->unfinished = 0;
  }
  ~Whole() { state.pages.close(running->pages); }

  Sequence& add(RequestId id, SequenceState now) {
    Sequence& made = state.records.emplace_back();
    Request& request = state.requests[id];
    request.id = id;
    request.choices = {&made};
    request.unfinished = 1;
    made.request = &request;
    made.state = now;
    made.tokens.assign(20, static_cast<int32_t>(id));
    made.promptTokens = 20;
    made.maxTokens = 24;
    return made;
  }

  SchedulerState state;
  Sequence *running, *waiting, *ended;
};

TEST(StateCheck, SeesEveryInvariantThatIsBroken) {
  {
    Whole whole;
    const Status status = checkState(whole.state);
    EXPECT_TRUE(status) << status.toString();
  }
  struct Case {
    const char* says;
    std::function<void(Whole&)> breakIt;
  };
  for (const Case& c : {
           Case{"request 2.0, waiting: lost or doubled", [](Whole& w) { w.state.waiting.clear(); }},
           Case{"request 2.0, waiting: lost or doubled", [](Whole& w) { w.state.waiting.push_back(w.waiting); }},
           Case{"request 3.0, finished: lost or doubled", [](Whole& w) { w.state.waiting.push_back(w.ended); }},
           Case{"its pages do not fit its state", [](Whole& w) { w.waiting->state = SequenceState::kRunning; }},
           Case{"its host pages do not fit", [](Whole& w) { w.waiting->state = SequenceState::kSwapped; }},
           Case{"its host pages do not fit", [](Whole& w) { w.running->pages.host = {0}; }},
           Case{"too many tokens", [](Whole& w) { w.waiting->computed = 21; }},
           Case{"too many tokens", [](Whole& w) { w.waiting->maxTokens = 19; }},
           Case{"request 1.0, running: too few pages", [](Whole& w) { w.running->pages.count = 1; }},
           Case{"its reason does not fit its state", [](Whole& w) { w.waiting->end = EndReason::kStop; }},
           Case{"its reason does not fit its state", [](Whole& w) { w.ended->end = EndReason::kNone; }},
           Case{"its request counts wrongly", [](Whole& w) { w.ended->request->unfinished = 1; }},
           Case{"page 0 counts 1 owners, has 0", [](Whole& w) { w.state.running = {}, w.state.requests.erase(1); }},
           Case{"reserved slots do not add up", [](Whole& w) { w.state.reservedSlots = 1; }},
           Case{"too many sequences run", [](Whole& w) { w.state.reservedSlots = w.running->reserved = 4; }},
       }) {
    Whole whole;
    const PageHolding held = whole.running->pages;
    c.breakIt(whole);
    const Status status = checkState(whole.state);
    ASSERT_FALSE(status) << c.says;
    EXPECT_EQ(status.code(), "RT_SCHEDULER_STATE");
    EXPECT_EQ(exitStatus(status.kind()), 70);
    EXPECT_NE(status.message().find(c.says), std::string::npos) << c.says << ": " << status.message();
    whole.running->pages = held;
  }
}

}  // namespace
}  // namespace llmc::rt
