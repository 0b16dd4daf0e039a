// Trace Event Format: complete events for steps, asynchronous ones for requests, instants for decisions.
#include "runtime/serving/step_trace.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

namespace llmc::rt::serving {
namespace {

constexpr size_t kBufferBytes = 64 << 10;
constexpr std::string_view kClose = "\n]}\n";
/// Threads of the picture.
constexpr int kSteps = 1, kScheduler = 2;

constexpr std::string_view kHead =
    R"({"displayTimeUnit":"ms","traceEvents":[
{"name":"process_name","ph":"M","pid":1,"tid":0,"args":{"name":"llmc-run"}},
{"name":"thread_name","ph":"M","pid":1,"tid":1,"args":{"name":"steps"}},
{"name":"thread_name","ph":"M","pid":1,"tid":2,"args":{"name":"scheduler"}})";

std::string jsonText(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string microseconds(double seconds) {
  char text[40];
  std::snprintf(text, sizeof text, "%.3f", seconds * 1e6);
  return text;
}

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

StepTrace::StepTrace(int file, uint64_t mostBytes) : file_(file), mostBytes_(mostBytes), buffer_(kHead) {
  buffer_.reserve(kBufferBytes + 4096);
}

StepTrace::~StepTrace() {
  (void)flush();
  ::close(file_);
}

Result<std::unique_ptr<StepTrace>> StepTrace::create(const std::string& path, uint64_t mostBytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0)
    return Status::error(ErrorKind::kIo, "SV_TRACE",
                         "cannot write the trace to '" + escaped(path) + "': " + std::strerror(errno));
  std::unique_ptr<StepTrace> trace(new StepTrace(file, mostBytes));
  LLMC_TRY(trace->flush());
  return trace;
}

void StepTrace::add(std::string_view event) {
  if (over_) return;
  if (written_ + buffer_.size() + event.size() > mostBytes_) {
    buffer_ += R"(,
{"name":"the trace is full: nothing is recorded from here on","ph":"i","s":"g","pid":1,"tid":1,"ts":0})";
    (void)flush();
    over_ = true;
    return;
  }
  buffer_ += ",\n";
  buffer_ += event;
  if (buffer_.size() > kBufferBytes) (void)flush();
}

void StepTrace::addSpan(const char* name, double begin, double end, const std::string& arguments) {
  std::string event = R"({"ph":"X","pid":1,"tid":)" + std::to_string(kSteps) + R"(,"name":")" + name + R"(","ts":)" +
                      microseconds(begin) + R"(,"dur":)" + microseconds(end - begin);
  if (!arguments.empty()) event += R"(,"args":{)" + arguments + "}";
  add(event + "}");
}

void StepTrace::step(const TracedStep& s) {
  if (over_) return;
  const auto field = [](const char* name, uint64_t value) {
    return "\"" + std::string(name) + "\":" + std::to_string(value);
  };
  addSpan("step", s.begin, s.told,
          field("step", s.number) + "," + field("tokens", s.tokens) + "," + field("prompt_tokens", s.prefillTokens) +
              "," + field("sequences", s.sequences) + "," + field("rows", s.rows) + "," +
              field("moved_pages", s.moves));
  addSpan("plan", s.begin, s.planned);
  if (s.moves > 0) addSpan("move pages", s.planned, s.moved);
  addSpan("run", s.moved, s.ran);
  addSpan("sample", s.ran, s.sampled);
  addSpan("tell", s.sampled, s.told);
  add(R"({"name":"sequences","ph":"C","pid":1,"ts":)" + microseconds(s.begin) + R"(,"args":{)" +
      field("running", s.running) + "," + field("waiting", s.waiting) + "}}");
}

void StepTrace::request(RequestId id, std::string_view requestId, uint32_t promptTokens, uint32_t choices, double now) {
  for (uint32_t choice = 0; choice < choices && !over_; ++choice) {
    open_.insert(choiceKey(id, choice));
    add(asyncEvent('b', jsonText("request " + choiceName(id, choice)), id, choice, now,
                   R"("request_id":)" + jsonText(requestId) + R"(,"prompt_tokens":)" + std::to_string(promptTokens)));
  }
}

void StepTrace::addDecision(const TraceRecord& record) {
  const std::string reason = DecisionTrace::reason(record);
  const std::string name = jsonText(reason.substr(0, reason.find(':')));
  const std::string arguments = R"("reason":)" + jsonText(reason) + R"(,"step":)" + std::to_string(record.step);
  add(R"({"name":)" + name + R"(,"ph":"i","s":"t","pid":1,"tid":)" + std::to_string(kScheduler) + R"(,"ts":)" +
      microseconds(record.time) + R"(,"args":{"request":")" + choiceName(record.request, record.choice) + R"(",)" +
      arguments + "}}");
  const bool known = open_.contains(choiceKey(record.request, record.choice));
  if (!known) return;
  add(asyncEvent('n', name, record.request, record.choice, record.time, arguments));
  if (record.decision != Decision::kFinished && record.decision != Decision::kRefused) return;
  add(asyncEvent('e', jsonText("request " + choiceName(record.request, record.choice)), record.request, record.choice,
                 record.time, arguments));
  open_.erase(choiceKey(record.request, record.choice));
}

void StepTrace::decisions(const DecisionTrace& trace) {
  recorded_ = std::max(recorded_, trace.firstKept());
  for (; recorded_ < trace.total() && !over_; ++recorded_) addDecision(trace.at(recorded_));
}

Status StepTrace::flush() {
  if (over_ || buffer_.empty()) return Status::ok();
  const size_t size = buffer_.size();
  buffer_ += kClose;
  for (size_t done = 0; done < buffer_.size();) {
    const ssize_t count =
        ::pwrite(file_, buffer_.data() + done, buffer_.size() - done, static_cast<off_t>(written_ + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      over_ = true;
      return Status::error(ErrorKind::kIo, "SV_TRACE", std::string("cannot write the trace: ") + std::strerror(errno));
    }
    done += static_cast<size_t>(count);
  }
  written_ += size;
  buffer_.clear();
  return Status::ok();
}

}  // namespace llmc::rt::serving
