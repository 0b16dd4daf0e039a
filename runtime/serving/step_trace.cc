// Trace Event Format: complete events for steps, asynchronous ones for requests, instants for decisions.
#include "runtime/serving/step_trace.h"

#include <algorithm>

namespace llmc::rt::serving {
namespace {

/// Threads of the picture.
constexpr int kSteps = 1, kScheduler = 2;

std::string jsonText(std::string_view text) { return TraceFile::quoted(text); }

std::string microseconds(double seconds) { return TraceFile::microseconds(seconds); }

std::string choiceName(RequestId request, uint32_t choice) {
  return std::to_string(request) + "." + std::to_string(choice);
}

uint64_t choiceKey(RequestId request, uint32_t choice) { return request << 12 | (choice & 0xFFF); }

/// Of an asynchronous event: phase b, n or e.
std::string asyncEvent(char phase, const std::string& name, RequestId request, uint32_t choice, double time,
                       const std::string& arguments) {
  return R"({"cat":"request","ph":")" + std::string(1, phase) + R"(","pid":1,"tid":2,"id":")" +
         choiceName(request, choice) + R"(","name":)" + name + R"(,"ts":)" + microseconds(time) + R"(,"args":{)" +
         arguments + "}}";
}

}  // namespace

Result<std::unique_ptr<StepTrace>> StepTrace::create(const std::string& path, uint64_t mostBytes) {
  auto file = TraceFile::create(path, {{kSteps, "steps"}, {kScheduler, "scheduler"}}, mostBytes);
  LLMC_TRY(file.status());
  return std::unique_ptr<StepTrace>(new StepTrace(file.take()));
}

void StepTrace::step(const TracedStep& s) {
  if (file_->over()) return;
  const auto field = [](const char* name, uint64_t value) {
    return "\"" + std::string(name) + "\":" + std::to_string(value);
  };
  file_->addSpan(kSteps, "step", s.begin, s.told,
                 field("step", s.number) + "," + field("tokens", s.tokens) + "," +
                     field("prompt_tokens", s.prefillTokens) + "," + field("sequences", s.sequences) + "," +
                     field("rows", s.rows) + "," + field("moved_pages", s.moves));
  file_->addSpan(kSteps, "plan", s.begin, s.planned);
  if (s.moves > 0) file_->addSpan(kSteps, "move pages", s.planned, s.moved);
  file_->addSpan(kSteps, "run", s.moved, s.ran);
  file_->addSpan(kSteps, "sample", s.ran, s.sampled);
  file_->addSpan(kSteps, "tell", s.sampled, s.told);
  file_->add(R"({"name":"sequences","ph":"C","pid":1,"ts":)" + microseconds(s.begin) + R"(,"args":{)" +
             field("running", s.running) + "," + field("waiting", s.waiting) + "}}");
}

void StepTrace::request(RequestId id, std::string_view requestId, uint32_t promptTokens, uint32_t choices, double now) {
  for (uint32_t choice = 0; choice < choices && !file_->over(); ++choice) {
    open_.insert(choiceKey(id, choice));
    file_->add(
        asyncEvent('b', jsonText("request " + choiceName(id, choice)), id, choice, now,
                   R"("request_id":)" + jsonText(requestId) + R"(,"prompt_tokens":)" + std::to_string(promptTokens)));
  }
}

void StepTrace::addDecision(const TraceRecord& record) {
  const std::string reason = DecisionTrace::reason(record);
  const std::string name = jsonText(reason.substr(0, reason.find(':')));
  const std::string arguments = R"("reason":)" + jsonText(reason) + R"(,"step":)" + std::to_string(record.step);
  file_->add(R"({"name":)" + name + R"(,"ph":"i","s":"t","pid":1,"tid":)" + std::to_string(kScheduler) + R"(,"ts":)" +
             microseconds(record.time) + R"(,"args":{"request":")" + choiceName(record.request, record.choice) +
             R"(",)" + arguments + "}}");
  const bool known = open_.contains(choiceKey(record.request, record.choice));
  if (!known) return;
  file_->add(asyncEvent('n', name, record.request, record.choice, record.time, arguments));
  if (record.decision != Decision::kFinished && record.decision != Decision::kRefused) return;
  file_->add(asyncEvent('e', jsonText("request " + choiceName(record.request, record.choice)), record.request,
                        record.choice, record.time, arguments));
  open_.erase(choiceKey(record.request, record.choice));
}

void StepTrace::decisions(const DecisionTrace& trace) {
  recorded_ = std::max(recorded_, trace.firstKept());
  for (; recorded_ < trace.total() && !file_->over(); ++recorded_) addDecision(trace.at(recorded_));
}

}  // namespace llmc::rt::serving
