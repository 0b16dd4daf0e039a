// --chat: a conversation whose KV cache is kept from turn to turn; only what is new in the rendered template is run.
#include <algorithm>
#include <atomic>
#include <csignal>

#include "runtime/main/generator.h"
#include "runtime/main/line_reader.h"
#include "runtime/main/modes.h"
#include "runtime/main/output.h"
#include "runtime/main/prompt.h"
#include "runtime/main/session.h"
#include "runtime/text/stop_matcher.h"

namespace llmc::rt {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

/// Ctrl-C sets a flag while one of these lives.
class InterruptScope {
 public:
  InterruptScope() {
    struct sigaction action = {};
    action.sa_handler = [](int) { interrupted.store(true, std::memory_order_relaxed); };
    sigaction(SIGINT, &action, &before_);
  }
  ~InterruptScope() { sigaction(SIGINT, &before_, nullptr); }

 private:
  struct sigaction before_ = {};
};

/// The messages so far and the tokens whose K and V are cached.
class Conversation {
 public:
  Conversation(Session& session, const Tokenizer& tokenizer, const ChatTemplate& chatTemplate, const Flags& flags)
      : session_(session),
        tokenizer_(tokenizer),
        template_(chatTemplate),
        flags_(flags),
        cache_(session.kv(), session.context()) {
    reset();
  }

  void reset() {
    messages_.clear();
    if (flags_.system) messages_.push_back({"system", *flags_.system});
    cache_.truncate(0);
    cached_.clear();
  }

  /// One turn: streams the answer to stdout. After an error the message is forgotten.
  Status answer(const std::string& text) {
    messages_.push_back({"user", text});
    Status status = answerLast();
    if (!status) messages_.pop_back();
    return status;
  }

 private:
  Status answerLast() {
    auto ids = encodeChat(tokenizer_, template_, messages_);
    LLMC_TRY(ids.status());
    LLMC_TRY(checkPrompt(*ids, session_.executor().vocabulary(), session_.context()));
    // Templates may rewrite earlier turns, and an answer may re-tokenize differently: keep the common start. At least
    // one token has to run, for its logits.
    const auto common = std::mismatch(cached_.begin(), cached_.end(), ids->begin(), ids->end() - 1).first;
    cached_.erase(common, cached_.end());
    cache_.truncate(static_cast<uint32_t>(cached_.size()));

    GenerationRequest request;
    request.prompt = *ids;
    request.params = applyFlags(session_.samplingDefaults().params, flags_);
    request.stops = flags_.stop;
    request.maxTokens = flags_.maxTokens.value_or(session_.context());
    if (!flags_.ignoreEos) request.eosIds = session_.eosIds();
    request.tokenizer = &tokenizer_;
    request.emit = writeOutput;
    interrupted = false;
    request.interrupted = &interrupted;
    auto generation = generate(session_.executor(), cache_, request);
    rememberCached(*ids, generation ? &generation->ids : nullptr);
    LLMC_TRY(generation.status());
    LLMC_TRY(writeOutput("\n"));
    messages_.push_back({"assistant", generation->text});
    return Status::ok();
  }

  void rememberCached(const std::vector<int32_t>& prompt, const std::vector<int32_t>* generated) {
    cached_ = prompt;
    if (generated) cached_.insert(cached_.end(), generated->begin(), generated->end());
    cached_.resize(std::min<size_t>(cached_.size(), cache_.length()));
    cache_.truncate(static_cast<uint32_t>(cached_.size()));
  }

  Session& session_;
  const Tokenizer& tokenizer_;
  const ChatTemplate& template_;
  const Flags& flags_;
  SequenceCache cache_;
  std::vector<ChatMessage> messages_;
  std::vector<int32_t> cached_;
};

std::string_view withoutBlanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Errors of one turn that leave the conversation usable.
bool recoverable(const Status& status) {
  return status.kind() == ErrorKind::kUsage || status.kind() == ErrorKind::kBadInput;
}

}  // namespace

Status runChat(const Flags& flags) {
  LLMC_TRY(checkStops(flags.stop));
  auto opened = Session::open(flags, {});
  LLMC_TRY(opened.status());
  Session& session = **opened;
  auto chatTemplate = session.chatTemplate();
  LLMC_TRY(chatTemplate.status());
  auto tokenizer = session.tokenizer();
  LLMC_TRY(tokenizer.status());
  Conversation conversation(session, **tokenizer, *chatTemplate, flags);
  const InterruptScope scope;
  writeNotice("/reset forgets the conversation, /exit leaves, Ctrl-C stops an answer");
  while (const auto typed = readLine("> ")) {
    const std::string_view line = withoutBlanks(*typed);
    if (line == "/exit") break;
    if (line == "/reset") {
      conversation.reset();
      continue;
    }
    if (line.starts_with('/') && line.find(' ') == line.npos) {
      writeNotice("no command " + escaped(line, 40) + "; there are /reset and /exit");
      continue;
    }
    if (line.empty()) continue;
    if (!isUtf8(line)) {
      writeNotice("error[TK_UTF8] the line is not UTF-8 and was not sent; is the terminal set to another encoding?");
      continue;
    }
    Status status = conversation.answer(*typed);
    if (status) continue;
    if (!recoverable(status)) return status;
    writeNotice(status.toString() + (status.code() == "RT_CONTEXT" ? "\n/reset begins anew" : ""));
  }
  return Status::ok();
}

}  // namespace llmc::rt
