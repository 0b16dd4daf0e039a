// One JSON object a line, every field checked.
#include "runtime/sched/load_trace.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/base/limits.h"

namespace llmc::rt {
namespace {

using Json = nlohmann::json;

constexpr double kMostSeconds = 1e9, kMostPriority = 1e9;

class LineReader {
 public:
  LineReader(const Json& object, size_t line) : object_(object), line_(line) {}

  /// `into` keeps its value when the field is missing and `required` is not set.
  template <typename T>
  Status whole(const char* name, bool required, uint64_t most, T& into) {
    ++known_;
    const auto field = object_.find(name);
    if (field == object_.end()) {
      --known_;
      return required ? fault(std::string("no \"") + name + "\"") : Status::ok();
    }
    if (!field->is_number_unsigned() || field->get<uint64_t>() > most)
      return fault(std::string("\"") + name + "\" is " + escaped(field->dump()) + ", a whole number up to " +
                   std::to_string(most) + " is expected");
    into = static_cast<T>(field->get<uint64_t>());
    return Status::ok();
  }
  Status time(double& into) {
    ++known_;
    const auto field = object_.find("time");
    if (field == object_.end()) return fault("no \"time\", the seconds after the start at which a request comes");
    if (field->is_number()) into = field->get<double>();
    return field->is_number() && into >= 0 && into < kMostSeconds
               ? Status::ok()
               : fault("\"time\" is " + escaped(field->dump()) + ", seconds from 0 to 1000000000 are expected");
  }
  Status priority(int32_t& into) {
    const auto field = object_.find("priority");
    if (field == object_.end()) return Status::ok();
    ++known_;
    if (!field->is_number_integer() || std::abs(field->get<double>()) > kMostPriority)
      return fault("\"priority\" is " + escaped(field->dump()) +
                   ", a whole number from -1000000000 to 1000000000 is expected");
    into = static_cast<int32_t>(field->get<int64_t>());
    return Status::ok();
  }
  Status nothingElse() const {
    return object_.size() == known_ ? Status::ok()
                                    : fault(
                                          "a field that is none of time, prompt, output, prefix, prefix_tokens, key, "
                                          "priority");
  }
  bool has(const char* name) const { return object_.contains(name); }
  Status fault(const std::string& what) const {
    return Status::error(ErrorKind::kBadInput, "RT_TRACE", "line " + std::to_string(line_) + ": " + what);
  }

 private:
  const Json& object_;
  const size_t line_;
  size_t known_ = 0;
};

Status readLine(std::string_view text, size_t line, TraceRequest& request) {
  Json object;
  LineReader reader(object, line);
  try {
    object = Json::parse(text);
  } catch (const Json::exception& error) {
    return reader.fault("no JSON object: " + escaped(error.what()));
  }
  if (!object.is_object()) return reader.fault(std::string("a JSON object is expected, found ") + object.type_name());
  constexpr auto kLongest = static_cast<uint64_t>(limits::kPositions);
  LLMC_TRY(reader.time(request.time));
  LLMC_TRY(reader.whole("prompt", true, kLongest, request.prompt));
  LLMC_TRY(reader.whole("output", true, kLongest, request.output));
  LLMC_TRY(reader.whole("prefix", false, std::numeric_limits<uint64_t>::max(), request.prefix));
  request.prefixTokens = request.prefix ? request.prompt : 0;
  LLMC_TRY(reader.whole("prefix_tokens", false, kLongest, request.prefixTokens));
  LLMC_TRY(reader.whole("key", false, std::numeric_limits<uint64_t>::max(), request.key));
  LLMC_TRY(reader.priority(request.priority));
  LLMC_TRY(reader.nothingElse());
  if (request.prompt == 0 || request.output == 0)
    return reader.fault("\"prompt\" is " + std::to_string(request.prompt) + " and \"output\" " +
                        std::to_string(request.output) + " tokens, 1 at least is expected of each");
  if (reader.has("prefix_tokens") && (request.prefix == 0 || request.prefixTokens > request.prompt))
    return reader.fault("\"prefix_tokens\" without a \"prefix\", or longer than the prompt");
  return Status::ok();
}

}  // namespace

Result<std::vector<TraceRequest>> parseLoadTrace(std::string_view text) {
  std::vector<TraceRequest> trace;
  for (size_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    TraceRequest request;
    LLMC_TRY(readLine(one, line, request));
    if (!trace.empty() && request.time < trace.back().time)
      return Status::error(ErrorKind::kBadInput, "RT_TRACE",
                           "line " + std::to_string(line) + ": \"time\" goes back from " +
                               std::to_string(trace.back().time) + " to " + std::to_string(request.time),
                           "sort the trace by time");
    trace.push_back(request);
  }
  return trace;
}

}  // namespace llmc::rt
