// nlohmann's ordered JSON keeps the fields in the order in which people read them.
#include "runtime/main/json_output.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace llmc::rt {
namespace {

using Json = nlohmann::ordered_json;

std::string line(const Json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Json logprobsJson(const Generation& generation) {
  Json entries = Json::array();
  for (size_t i = 0; i < generation.logprobs.size(); ++i) {
    Json top = Json::array();
    for (const auto& [id, logprob] : generation.logprobs[i].top) top.push_back({id, logprob});
    entries.push_back({{"token_id", generation.ids[i]}, {"logprob", generation.logprobs[i].logprob}, {"top", top}});
  }
  return entries;
}

}  // namespace

double rate(double tokens, double seconds) { return seconds > 0 ? tokens / seconds : 0; }

std::string generationJson(const Generation& generation, std::span<const int32_t> prompt, bool logprobs,
                           double loadMilliseconds) {
  const size_t generated = generation.ids.size();
  Json json;
  json["text"] = generation.text;
  json["token_ids"] = generation.ids;
  json["prompt_token_ids"] = std::vector<int32_t>(prompt.begin(), prompt.end());
  json["finish_reason"] = finishName(generation.finish);
  json["logprobs"] = logprobs ? logprobsJson(generation) : Json(nullptr);
  json["usage"] = {
      {"prompt_tokens", prompt.size()}, {"completion_tokens", generated}, {"total_tokens", prompt.size() + generated}};
  json["timings"] = {
      {"load_ms", loadMilliseconds},
      {"ttft_ms", generation.firstTokenMilliseconds},
      {"prefill_tokens_per_s", rate(generation.prefilled, generation.prefillSeconds)},
      {"decode_tokens_per_s", rate(generated > 0 ? static_cast<double>(generated - 1) : 0, generation.decodeSeconds)}};
  return line(json);
}

std::string perplexityJson(uint64_t tokens, double nll, std::span<const double> chunks) {
  Json json;
  json["tokens"] = tokens;
  json["nll"] = nll;
  json["perplexity"] = std::exp(nll);
  json["chunks"] = std::vector<double>(chunks.begin(), chunks.end());
  return line(json);
}

std::string tokenizeJson(std::span<const int32_t> ids) {
  return line({{"token_ids", std::vector<int32_t>(ids.begin(), ids.end())}});
}

}  // namespace llmc::rt
