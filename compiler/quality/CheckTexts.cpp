// Makes a tokenizer and a template, and drops them.
#include "compiler/quality/CheckTexts.h"

#include "runtime/text/chat_template.h"
#include "runtime/text/tokenizer.h"
#include <array>

namespace llmc {

static rt::Status at(const std::string &place, const rt::Status &status) {
  return rt::Status::error(status.kind(), status.code(), place + ": " + status.message(), status.hint());
}

/// What a template refuses may be right (a system message it has no place for); one that takes none of these is broken.
static constexpr std::array kConversations = {
    R"([{"role":"user","content":"Hello"}])",
    R"([{"role":"system","content":"Be brief."},{"role":"user","content":"Hello"}])",
    R"([{"role":"user","content":[{"type":"text","text":"Hello"}]}])",
    R"([{"role":"user","content":"Hello"},{"role":"assistant","content":"Hi"},{"role":"user","content":"Bye"}])"};

/// Why the template refuses a plain user message, when it refuses the others, too; else empty.
static std::string whyItAlwaysFails(const rt::ChatTemplate &chatTemplate) {
  std::string why;
  for (const char *messages : kConversations) {
    auto text = chatTemplate.render({.messages = messages});
    if (text || text.status().kind() != rt::ErrorKind::kBadInput)
      return {};
    if (why.empty())
      why = text.status().code() + ": " + rt::escaped(text.status().message(), 200);
  }
  return why;
}

rt::Status checkTexts(const std::string &tokenizerJson, const std::string &chatTemplate, const TextPlaces &places,
                      std::vector<std::string> &warnings) {
  if (auto tokenizer = rt::Tokenizer::create(tokenizerJson); !tokenizer)
    return at(places.tokenizer, tokenizer.takeStatus());
  if (chatTemplate.empty())
    return rt::Status::ok();
  auto compiled = rt::ChatTemplate::create(chatTemplate, "", "");
  if (!compiled)
    return at(places.chatTemplate, compiled.takeStatus());
  if (std::string why = whyItAlwaysFails(*compiled); !why.empty())
    warnings.push_back(places.chatTemplate +
                       ": fails for a plain user message and every other conversation tried, so " +
                       "--message, --chat and chat completions will fail: " + why);
  return rt::Status::ok();
}

rt::Result<TokenizerTexts> tokenizerTexts(const std::string &tokenizerJson) {
  auto compact = rt::Tokenizer::compact(tokenizerJson);
  if (!compact)
    return compact.takeStatus();
  return TokenizerTexts{std::move(compact->json), std::move(compact->table)};
}

} // namespace llmc
