// What is the same for all APIs before their own fields are read.
#include "runtime/server/api/generate_request.h"

#include <algorithm>
#include <utility>

#include "runtime/base/limits.h"
#include "runtime/server/api/request_fields.h"

namespace llmc::rt::server {

ApiFault readModel(FieldReader& fields, const ModelFacts& facts, std::string& out) {
  out = facts.names.front();
  fields.text("model", limits::kNameBytes, out);
  if (fields.fault()) return fields.fault();
  const std::string asked = std::exchange(out, facts.names.front());  // by an alias it is the same model, as in vLLM
  if (std::find(facts.names.begin(), facts.names.end(), asked) != facts.names.end()) return std::nullopt;
  return ApiError{404, "model_not_found",
                  "the model '" + asked + "' does not exist here; this server has '" + facts.names.front() + "'",
                  "model"};
}

ApiFault readGenerateRequest(const Json& body, Api api, const ModelFacts& facts, GenerateRequest& out) {
  FieldReader fields(body);
  if (ApiFault fault = readModel(fields, facts, out.model)) return fault;
  out.api = api;
  out.sampling = facts.defaults;
  switch (api) {
    case Api::kMessages:
      readMessagesFields(fields, facts, out);
      break;
    case Api::kResponses:
      readResponsesFields(fields, facts, out);
      break;
    default:
      readOpenAiFields(fields, facts, out);
  }
  return fields.fault();
}

}  // namespace llmc::rt::server
