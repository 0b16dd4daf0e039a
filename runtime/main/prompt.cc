// Reading, encoding and checking prompts.
#include "runtime/main/prompt.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "runtime/base/limits.h"
#include "runtime/base/system_error.h"

namespace llmc::rt {

Result<std::string> readTextFile(const std::string& path) {
  const auto close = [](std::FILE* file) {
    if (file != stdin) std::fclose(file);
  };
  std::unique_ptr<std::FILE, decltype(close)> file(path == "-" ? stdin : std::fopen(path.c_str(), "rb"), close);
  const auto error = [&](ErrorKind kind, const std::string& why, std::string hint = {}) {
    return Status::error(kind, "CLI_FILE", escaped(path) + ": " + why, std::move(hint));
  };
  if (const int number = errno; !file)
    return error(kindOfSystemError(number, number == ENOENT ? ErrorKind::kMissing : ErrorKind::kIo),
                 std::strerror(number), hintOfSystemError(number));
  std::string text;
  char buffer[65536];
  while (const size_t count = std::fread(buffer, 1, sizeof buffer, file.get())) {
    text.append(buffer, count);
    if (text.size() > limits::kPromptBytes)
      return error(ErrorKind::kBadInput, "more than " + std::to_string(limits::kPromptBytes) + " bytes");
  }
  if (std::ferror(file.get())) return error(ErrorKind::kIo, std::strerror(errno));
  return text;
}

Result<std::vector<int32_t>> idsOfFile(Result<std::vector<int32_t>> ids, const std::string& path) {
  if (ids) return ids;
  const Status& why = ids.status();
  const bool encoding = why.code() == "TK_UTF8";
  return Status::error(why.kind(), why.code(), (path == "-" ? "stdin" : escaped(path)) + ": " + why.message(),
                       encoding ? "iconv -f ENCODING -t UTF-8 makes such text of it" : why.hint());
}

Result<std::vector<int32_t>> encodeRaw(const Tokenizer& tokenizer, const fb::Model& model, std::string_view text) {
  auto ids = tokenizer.encode(text, {.addSpecialTokens = false, .parseSpecialTokens = true});
  if (!ids) return ids;
  const int32_t bos = model.bos_id();
  if (model.add_bos() && bos >= 0 && (ids->empty() || ids->front() != bos)) ids->insert(ids->begin(), bos);
  return ids;
}

Result<std::vector<int32_t>> encodeChat(const Tokenizer& tokenizer, const ChatTemplate& chatTemplate,
                                        const std::vector<ChatMessage>& messages) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const auto& message : messages) json.push_back({{"role", message.role}, {"content", message.content}});
  const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  auto segments = chatTemplate.renderSegments({.messages = text}, tokenizer);
  if (!segments) return segments.takeStatus();
  return tokenizer.encodeSegments(*segments);
}

Status checkPrompt(const std::vector<int32_t>& ids, uint32_t vocabulary, uint32_t context) {
  if (ids.empty()) return Status::error(ErrorKind::kBadInput, "RT_PROMPT_EMPTY", "the prompt has no tokens");
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || static_cast<uint32_t>(ids[i]) >= vocabulary)
      return Status::error(ErrorKind::kBadInput, "RT_TOKEN_ID",
                           "token id " + std::to_string(ids[i]) + ", number " + std::to_string(i + 1) + " of " +
                               std::to_string(ids.size()) + " in the prompt, is outside the vocabulary",
                           "ids of this model are 0 to " + std::to_string(vocabulary - 1));
  // One token more must fit, or nothing could be generated.
  if (ids.size() >= context)
    return Status::error(ErrorKind::kBadInput, "RT_CONTEXT",
                         "the prompt has " + std::to_string(ids.size()) + " tokens, the context holds " +
                             std::to_string(context) + " with the answer",
                         "shorten it, or raise --max-model-len or --kv-memory");
  return Status::ok();
}

namespace {

Result<std::vector<int32_t>> rawOrChat(Session& session, const Flags& flags) {
  if (!flags.promptIds.empty()) return flags.promptIds;
  auto tokenizer = session.tokenizer();
  if (!tokenizer) return tokenizer.takeStatus();
  if (flags.message) {
    auto chatTemplate = session.chatTemplate();
    if (!chatTemplate) return chatTemplate.takeStatus();
    std::vector<ChatMessage> messages;
    if (flags.system) messages.push_back({"system", *flags.system});
    messages.push_back({"user", *flags.message});
    return encodeChat(**tokenizer, *chatTemplate, messages);
  }
  if (flags.prompt) return encodeRaw(**tokenizer, session.model(), *flags.prompt);
  auto text = readTextFile(*flags.promptFile);
  if (!text) return text.takeStatus();
  return idsOfFile(encodeRaw(**tokenizer, session.model(), *text), *flags.promptFile);
}

}  // namespace

Result<std::vector<int32_t>> promptIds(Session& session, const Flags& flags) {
  auto ids = rawOrChat(session, flags);
  if (!ids) return ids;
  LLMC_TRY(checkPrompt(*ids, session.executor().vocabulary(), session.context()));
  return ids;
}

}  // namespace llmc::rt
