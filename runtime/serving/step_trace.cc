// Trace Event Format: complete events for steps, asynchronous ones for requests, instants for decisions.
#include "runtime/serving/step_trace.h"

#include <algorithm>

namespace llmc::rt::serving {
namespace {

/// Threads of the picture.
constexpr int kSteps = 1, kScheduler = 2;

std::string choiceName(RequestId request, uint32_t choice) {
  return std::to_string(request) + "." + std::to_string(choice);
}

uint64_t choiceKey(RequestId request, uint32_t choice) { return request << 12 | (choice & 0xFFF); }

/// Of an asynchronous event: phase b, n or e.
std::string asyncEvent(char phase, const std::string& name, RequestId request, uint32_t choice, double time,
                       const std::string& arguments) {
  return R"({"cat":"request","ph":")" + std::string(1, phase) + R"(","pid":1,"tid":2,"id":")" +
         choiceName(request, choice) + R"(","name":)" + name + R"(,"ts":)" + TraceFile::microseconds(time) +
         R"(,"args":{)" + arguments + "}}";
}

}  // namespace

Result<std::unique_ptr<StepTrace>> StepTrace::create(const std::string& path, uint64_t mostBytes) {
  auto file = TraceFile::create(path, {{kSteps, "steps"}, {kScheduler, "scheduler"}}, mostBytes);
  LLMC_TRY(file.status());
  return std::unique_ptr<StepTrace>(new StepTrace(file.take()));
}

void StepTrace::step(const TracedStep& s) {
  if (file_->over()) return;
  file_->addSpan(kSteps, "step", s.begin, s.told,
                 TraceFile::field("step", s.number) + "," + TraceFile::field("tokens", s.tokens) + "," +
                     TraceFile::field("prompt_tokens", s.prefillTokens) + "," +
                     TraceFile::field("sequences", s.sequences) + "," + TraceFile::field("rows", s.rows) + "," +
                     TraceFile::field("moved_pages", s.moves) + "," + TraceFile::field("attended", s.attended) + "," +
                     TraceFile::field("attended_alone", s.attendedAlone));
  if (s.started > 0)
    file_->addSpan(kSteps, "start ahead", s.ahead, s.started, TraceFile::field("step", s.number));
  else
    file_->addSpan(kSteps, "plan", s.begin, s.planned);
  if (s.ready > 0) file_->addSpan(kSteps, "ready memory", s.planned, s.ready);
  if (s.moves > 0) file_->addSpan(kSteps, "move pages", std::max(s.planned, s.ready), s.moved);
  file_->addSpan(kSteps, "run", s.moved, s.ran);
  file_->addSpan(kSteps, "sample", s.ran, s.sampled);
  file_->addSpan(kSteps, "tell", s.sampled, s.told);
  file_->add(R"({"name":"sequences","ph":"C","pid":1,"ts":)" + TraceFile::microseconds(s.begin) + R"(,"args":{)" +
             TraceFile::field("running", s.running) + "," + TraceFile::field("waiting", s.waiting) + "}}");
}

void StepTrace::request(RequestId id, std::string_view requestId, std::string_view traceparent, uint32_t promptTokens,
                        uint32_t choices, double now) {
  constexpr size_t kMost = 64;  // of version 00: 55
  const std::string caller =
      traceparent.empty() ? "" : R"(,"traceparent":)" + TraceFile::quoted(escaped(traceparent, kMost));
  for (uint32_t choice = 0; choice < choices && !file_->over(); ++choice) {
    open_.insert(choiceKey(id, choice));
    file_->add(asyncEvent('b', TraceFile::quoted("request " + choiceName(id, choice)), id, choice, now,
                          R"("request_id":)" + TraceFile::quoted(requestId) + caller + R"(,"prompt_tokens":)" +
                              std::to_string(promptTokens)));
  }
}

void StepTrace::addDecision(const TraceRecord& record) {
  const std::string reason = DecisionTrace::reason(record);
  const std::string name = TraceFile::quoted(reason.substr(0, reason.find(':')));
  const std::string arguments =
      R"("reason":)" + TraceFile::quoted(reason) + R"(,"step":)" + std::to_string(record.step);
  file_->add(R"({"name":)" + name + R"(,"ph":"i","s":"t","pid":1,"tid":)" + std::to_string(kScheduler) + R"(,"ts":)" +
             TraceFile::microseconds(record.time) + R"(,"args":{"request":")" +
             choiceName(record.request, record.choice) + R"(",)" + arguments + "}}");
  const bool known = open_.contains(choiceKey(record.request, record.choice));
  if (!known) return;
  file_->add(asyncEvent('n', name, record.request, record.choice, record.time, arguments));
  if (record.decision != Decision::kFinished && record.decision != Decision::kRefused) return;
  file_->add(asyncEvent('e', TraceFile::quoted("request " + choiceName(record.request, record.choice)), record.request,
                        record.choice, record.time, arguments));
  open_.erase(choiceKey(record.request, record.choice));
}

void StepTrace::decisions(const DecisionTrace& trace) {
  recorded_ = std::max(recorded_, trace.firstKept());
  for (; recorded_ < trace.total() && !file_->over(); ++recorded_) addDecision(trace.at(recorded_));
}

}  // namespace llmc::rt::serving
