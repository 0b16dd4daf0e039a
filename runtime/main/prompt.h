// Token ids of what the user gave: raw text, a file, ids, or a chat message through the model's template.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/main/flags.h"
#include "runtime/main/session.h"

namespace llmc::rt {

/// Whole content of `path` ("-": stdin). Errors CLI_FILE (66 not there, 74 not readable, 65 over limits::kPromptBytes).
Result<std::string> readTextFile(const std::string& path);

/// `ids` of the text of `path`, or their error with the file's name before it.
Result<std::vector<int32_t>> idsOfFile(Result<std::vector<int32_t>> ids, const std::string& path);

/// Ids of raw `text`: special tokens parsed, BOS in front when the model wants it and the text has none.
Result<std::vector<int32_t>> encodeRaw(const Tokenizer& tokenizer, const fb::Model& model, std::string_view text);

/// One message of a conversation.
struct ChatMessage {
  std::string role, content;
};

/// Ids of a conversation, ending where the assistant's answer starts. Message text never becomes a control token.
Result<std::vector<int32_t>> encodeChat(const Tokenizer& tokenizer, const ChatTemplate& chatTemplate,
                                        const std::vector<ChatMessage>& messages);

/// Prompt ids for Mode::kGenerate, checked: RT_PROMPT_EMPTY (65), RT_TOKEN_ID (65), RT_CONTEXT (65, with numbers).
Result<std::vector<int32_t>> promptIds(Session& session, const Flags& flags);

/// The checks of promptIds on their own. RT_TOKEN_ID names the id, its place and the ids there are.
Status checkPrompt(const std::vector<int32_t>& ids, uint32_t vocabulary, uint32_t context);

}  // namespace llmc::rt
