// The order is vLLM's: encode, truncate, check the context, cap the answer.
#include "runtime/server/api/prompt_encoder.h"

#include <algorithm>
#include <utility>

#include "runtime/server/api/answer_bounds.h"

namespace llmc::rt::server {
namespace {

/// Cuts what the template wrote after the last message, so that the answer goes on with it. False: the text of the
/// message is not in the rendered chat.
bool cutAfterFinal(std::vector<TextSegment>& segments, std::string_view content) {
  std::string whole;
  for (const TextSegment& segment : segments) whole += segment.text;
  const auto blank = [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
  size_t at = whole.rfind(content);
  if (at == std::string::npos) {
    // Many templates trim.
    while (!content.empty() && blank(content.front())) content.remove_prefix(1);
    while (!content.empty() && blank(content.back())) content.remove_suffix(1);
    at = whole.rfind(content);
  }
  if (content.empty() || at == std::string::npos) return false;
  size_t keep = at + content.size();
  for (TextSegment& segment : segments) {
    const size_t size = std::min(keep, segment.text.size());
    segment.text.resize(size);
    keep -= size;
  }
  return true;
}

}  // namespace

ApiFault PromptEncoder::encodeText(const std::string& text, bool addSpecialTokens, std::vector<int32_t>& out,
                                   const GenerateRequest* fitting) const {
  if (fitting)
    if (ApiFault fault = checkBytes(*fitting, text)) return fault;
  auto ids = text_.tokenizer.encode(text, {.addSpecialTokens = false, .parseSpecialTokens = true});
  if (!ids) {
    ApiError error = fromStatus(ids.status());
    error.param = "prompt";
    return error;
  }
  out = ids.take();
  if (addSpecialTokens && facts_.addBos && facts_.bosId >= 0 && (out.empty() || out.front() != facts_.bosId))
    out.insert(out.begin(), facts_.bosId);
  return std::nullopt;
}

ApiFault PromptEncoder::encodeChat(const ChatFields& chat, std::vector<int32_t>& out,
                                   const GenerateRequest* fitting) const {
  if (!text_.chatTemplate)
    return ApiError{400, "template_error", "this model has no chat template; use /v1/completions", "messages"};
  auto segments = text_.chatTemplate->renderSegments(
      {.messages = chat.messages, .extra = chat.variables, .addGenerationPrompt = chat.addGenerationPrompt},
      text_.tokenizer);
  if (!segments) return fromStatus(segments.status());
  if (chat.continueFinal && !cutAfterFinal(*segments, chat.lastContent))
    return ApiError{400, "template_error", "the template does not show the last message, so nothing can continue it",
                    "continue_final_message"};
  if (fitting) {
    std::string whole;
    for (const TextSegment& segment : *segments) whole += segment.text;
    if (ApiFault fault = checkBytes(*fitting, whole)) return fault;
  }
  auto ids = text_.tokenizer.encodeSegments(*segments);
  if (!ids) return fromStatus(ids.status());
  out = ids.take();
  if (chat.addSpecialTokens && facts_.addBos && facts_.bosId >= 0) out.insert(out.begin(), facts_.bosId);
  return std::nullopt;
}

ApiFault PromptEncoder::encodeBadWords(const std::vector<std::string>& words,
                                       std::vector<std::vector<int32_t>>& out) const {
  for (const std::string& word : words) {
    // A word is other tokens at the start of a text than after a space.
    const size_t first = std::min(word.find_first_not_of(' '), word.size() - 1);
    for (const std::string& form : {word.substr(first), " " + word.substr(first)}) {
      auto ids = text_.tokenizer.encode(form);
      if (!ids) return invalidValue("bad_words", ids.status().message());
      if (!ids->empty() && std::find(out.begin(), out.end(), *ids) == out.end()) out.push_back(ids.take());
    }
  }
  return std::nullopt;
}

ApiError PromptEncoder::tooLong(const GenerateRequest& request, uint64_t promptTokens, const char* atLeast) const {
  const std::string param = request.promptField();
  const uint64_t wanted = request.maxTokens.value_or(1);
  return {400, "context_length_exceeded",
          "This model's maximum context length is " + std::to_string(facts_.context) +
              " tokens. However, you requested " + atLeast + std::to_string(promptTokens + wanted) + " tokens (" +
              atLeast + std::to_string(promptTokens) + " in the " + param + ", " + std::to_string(wanted) +
              " in the completion). Please reduce the length of the " + param + " or completion.",
          param};
}

ApiFault PromptEncoder::checkBytes(const GenerateRequest& request, std::string_view text) const {
  // What is kept of a text that gets truncated begins at a token's edge, which only encoding all of it finds.
  if (request.truncatePrompt || text.size() <= facts_.context) return std::nullopt;
  const uint64_t tokens = text_.tokenizer.leastTokens(text);
  if (tokens + std::max<uint64_t>(request.maxTokens.value_or(1), 1) <= facts_.context) return std::nullopt;
  return tooLong(request, tokens, "at least ");
}

ApiFault PromptEncoder::fit(const GenerateRequest& request, GenerationRequest& out) const {
  std::vector<int32_t>& prompt = out.prompt;
  const size_t context = facts_.context;
  if (request.truncatePrompt) {
    // An answer that leaves no room for a prompt is refused below.
    const size_t answer = std::max<size_t>(request.maxTokens.value_or(1), 1);
    const size_t keep = *request.truncatePrompt > 0 ? static_cast<size_t>(*request.truncatePrompt)
                        : answer < context          ? context - answer
                                                    : 1;
    if (prompt.size() > keep && request.truncateRight)
      prompt.resize(keep);
    else if (prompt.size() > keep)
      prompt.erase(prompt.begin(), prompt.end() - static_cast<long>(keep));
  }
  const std::string param = request.promptField();
  if (prompt.empty()) return invalidValue(param, "'" + param + "' has no tokens");
  if (prompt.size() + std::max<uint64_t>(request.maxTokens.value_or(1), 1) > context)
    return tooLong(request, prompt.size(), "");
  out.maxTokens = request.maxTokens ? *request.maxTokens : static_cast<uint32_t>(context - prompt.size());
  // An echo alone still needs a step for the prompt's logprobs; its token is not shown.
  out.maxTokens = std::max(out.maxTokens, 1u);
  return std::nullopt;
}

ApiFault PromptEncoder::prepare(const GenerateRequest& request, std::vector<GenerationRequest>& out) const {
  GenerationRequest model;
  model.choices = request.choices;
  model.sampling = request.sampling;
  // Answers compete by the likelihood of their tokens.
  if (request.choices > request.shown) model.sampling.logprobs = std::max(model.sampling.logprobs, 0);
  model.promptLogprobs = request.promptLogprobs;
  model.priority = request.priority;
  model.cacheSalt = request.cacheSalt;
  if (!request.ignoreEos) model.stopIds = facts_.eosIds;
  model.stopIds.insert(model.stopIds.end(), request.stopTokenIds.begin(), request.stopTokenIds.end());
  if (ApiFault fault = encodeBadWords(request.badWords, model.sampling.badWords)) return fault;
  if (Status status = checkParams(model.sampling, facts_.vocabulary); !status) return fromStatus(status);

  const size_t prompts = request.chat() ? 1 : request.prompts.size();
  for (size_t i = 0; i < prompts; ++i) {
    GenerationRequest one = model;
    ApiFault fault;
    if (request.chat())
      fault = encodeChat(request.messages, one.prompt, &request);
    else if (const auto* ids = std::get_if<std::vector<int32_t>>(&request.prompts[i]))
      one.prompt = *ids;
    else
      fault = encodeText(std::get<std::string>(request.prompts[i]), request.addSpecialTokens, one.prompt, &request);
    if (!fault) fault = fit(request, one);
    if (fault && fault->param == "messages") fault->param = request.promptField();
    if (fault) return fault;
    out.push_back(std::move(one));
    if ((fault = checkLogprobs(request, out))) return fault;
  }
  return std::nullopt;
}

}  // namespace llmc::rt::server
