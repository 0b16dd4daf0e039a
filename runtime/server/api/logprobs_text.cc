// Formats of vLLM 0.15, which follow OpenAI's.
#include "runtime/server/api/logprobs_text.h"

#include <algorithm>
#include <utility>

#include "runtime/server/api/json_text.h"
#include "runtime/text/stop_matcher.h"

namespace llmc::rt::server {
namespace {

uint64_t characters(std::string_view text) {
  return static_cast<uint64_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

void comma(std::string& out) {
  if (!out.empty() && out.back() != '[' && out.back() != '{') out += ',';
}

}  // namespace

std::string replaceInvalid(std::string_view bytes) {
  if (isUtf8(bytes)) return std::string(bytes);
  std::string out;
  while (!bytes.empty()) {
    size_t length = std::min<size_t>(4, bytes.size());
    while (length > 0 && !(isUtf8(bytes.substr(0, length)) && characters(bytes.substr(0, length)) == 1)) --length;
    out += length > 0 ? bytes.substr(0, length) : std::string_view("\xEF\xBF\xBD");
    bytes.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

std::string TokenSpelling::bytes(int32_t id) const {
  if (auto found = tokenizer.tokenBytes(id)) return *found;
  return tokenizer.idToToken(id).value_or("");
}

std::string TokenSpelling::text(int32_t id) const {
  if (tokensAsIds) return "token_id:" + std::to_string(id);
  return replaceInvalid(bytes(id));
}

namespace {

void appendEntry(std::string& out, const TokenSpelling& spelling, int32_t token, float logprob) {
  out += R"({"token":)";
  appendQuoted(out, spelling.text(token));
  out += R"(,"logprob":)";
  appendReal(out, logprob);
  out += R"(,"bytes":)";
  appendBytes(out, spelling.bytes(token));
}

}  // namespace

void appendChatLogprob(std::string& out, const TokenSpelling& spelling, int32_t token, const TokenLogprobs& logprobs) {
  appendEntry(out, spelling, token, logprobs.logprob);
  out += R"(,"top_logprobs":[)";
  for (const auto& [id, logprob] : logprobs.top) {
    comma(out);
    appendEntry(out, spelling, id, logprob);
    out += '}';
  }
  out += "]}";
}

void CompletionLogprobs::addToken(const std::string& text, uint64_t& offset) {
  for (std::string* list : {&offsets_, &logprobs_, &tokens_, &top_}) comma(*list);
  appendNumber(offsets_, static_cast<int64_t>(offset));
  offset += characters(text);
  appendQuoted(tokens_, text);
}

void CompletionLogprobs::addFirst(const TokenSpelling& spelling, int32_t token, uint64_t& offset) {
  addToken(spelling.text(token), offset);
  logprobs_ += "null";
  top_ += "null";
}

void CompletionLogprobs::add(const TokenSpelling& spelling, int32_t token, float logprob,
                             std::span<const std::pair<int32_t, float>> top, uint64_t& offset) {
  const std::string text = spelling.text(token);
  addToken(text, offset);
  appendReal(logprobs_, logprob);
  top_ += '{';
  bool chosen = false;
  for (const auto& [id, value] : top) {
    comma(top_);
    appendQuoted(top_, spelling.text(id));
    top_ += ':';
    appendReal(top_, value);
    chosen = chosen || id == token;
  }
  if (!chosen) {
    comma(top_);
    appendQuoted(top_, text);
    top_ += ':';
    appendReal(top_, logprob);
  }
  top_ += '}';
}

void CompletionLogprobs::append(std::string& out) const {
  ((out += R"({"text_offset":[)") += offsets_) += R"(],"token_logprobs":[)";
  ((out += logprobs_) += R"(],"tokens":[)") += tokens_;
  ((out += R"(],"top_logprobs":[)") += top_) += "]}";
}

void CompletionLogprobs::clear() {
  for (std::string* list : {&offsets_, &logprobs_, &tokens_, &top_}) list->clear();
}

void ChoiceLogprobs::add(const TokenSpelling& spelling, int32_t token, const TokenLogprobs& logprobs) {
  if (style_ == LogprobStyle::kArrays) return arrays_.add(spelling, token, logprobs.logprob, logprobs.top, offset_);
  comma(entries_);
  appendChatLogprob(entries_, spelling, token, logprobs);
}

void ChoiceLogprobs::addPrompt(const TokenSpelling& spelling, std::span<const int32_t> ids,
                               std::span<const PositionLogprobs> logprobs, std::string_view text) {
  std::string_view rest = text;
  const auto place = [&](int32_t id) {
    const uint64_t before = offset_;
    std::string bytes = spelling.bytes(id);
    // Some tokenizers put a space before a text.
    if (rest.size() == text.size() && bytes.starts_with(' ') && !text.starts_with(' ')) bytes.erase(0, 1);
    if (!rest.starts_with(bytes)) return before;
    rest.remove_prefix(bytes.size());
    offset_ += characters(bytes);
    return before;
  };
  uint64_t offset = place(ids.front());
  arrays_.addFirst(spelling, ids.front(), offset);
  for (size_t i = 0; i < logprobs.size() && i + 1 < ids.size(); ++i) {
    offset = place(ids[i + 1]);
    arrays_.add(spelling, ids[i + 1], logprobs[i].logprob, logprobs[i].top, offset);
  }
  offset_ += characters(rest);
}

std::string ChoiceLogprobs::take() {
  std::string out;
  if (!arrays_.empty()) {
    arrays_.append(out);
    arrays_ = {};
  } else if (!entries_.empty()) {
    const bool content = style_ == LogprobStyle::kContent;
    out = std::exchange(entries_, {});  // of a long answer it is too much to be there twice
    out.insert(0, content ? R"({"content":[)" : "[") += content ? "]}" : "]";
  }
  return out;
}

void appendPromptLogprobs(std::string& out, const TokenSpelling& spelling, std::span<const int32_t> prompt,
                          std::span<const PositionLogprobs> logprobs) {
  const auto one = [&](int32_t id, float logprob, uint32_t rank) {
    comma(out);
    out += '"';
    appendNumber(out, id);
    out += R"(":{"logprob":)";
    appendReal(out, logprob);
    out += R"(,"rank":)";
    appendNumber(out, rank);
    out += R"(,"decoded_token":)";
    appendQuoted(out, spelling.text(id));
    out += '}';
  };
  out += "[null";
  for (size_t i = 0; i < logprobs.size() && i + 1 < prompt.size(); ++i) {
    out += ",{";
    one(prompt[i + 1], logprobs[i].logprob, logprobs[i].rank);
    for (size_t k = 0; k < logprobs[i].top.size(); ++k)
      if (logprobs[i].top[k].first != prompt[i + 1])
        one(logprobs[i].top[k].first, logprobs[i].top[k].second, static_cast<uint32_t>(k + 1));
    out += '}';
  }
  out += ']';
}

}  // namespace llmc::rt::server
