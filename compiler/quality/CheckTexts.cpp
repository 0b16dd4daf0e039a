// Makes a tokenizer and a template, and drops them.
#include "compiler/quality/CheckTexts.h"

#include "runtime/text/chat_template.h"
#include "runtime/text/tokenizer.h"

namespace llmc {

static rt::Status at(const std::string &place, const rt::Status &status) {
  return rt::Status::error(status.kind(), status.code(), place + ": " + status.message(), status.hint());
}

rt::Status checkTexts(const std::string &tokenizerJson, const std::string &chatTemplate,
                      const std::string &templatePlace) {
  if (auto tokenizer = rt::Tokenizer::create(tokenizerJson); !tokenizer)
    return at("tokenizer.json", tokenizer.takeStatus());
  if (chatTemplate.empty())
    return rt::Status::ok();
  auto compiled = rt::ChatTemplate::create(chatTemplate, "", "");
  return compiled ? rt::Status::ok() : at(templatePlace, compiled.takeStatus());
}

} // namespace llmc
