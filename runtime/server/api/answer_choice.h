// The text of one answer as its tokens come: certain characters only, stop strings matched across tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/server/api/generate_request.h"
#include "runtime/server/api/repetition_watch.h"
#include "runtime/server/backend.h"
#include "runtime/text/detokenizer.h"
#include "runtime/text/stop_matcher.h"

namespace llmc::rt::server {

/// One choice. Belongs to one thread.
class AnswerChoice {
 public:
  AnswerChoice(const Tokenizer& tokenizer, const GenerateRequest& request,
               std::shared_ptr<const std::vector<int32_t>> stopTokenIds);

  /// The text that this token makes certain. `reason`: the token is the last one; with kStop it is the stop token,
  /// whose text is shown only if the request wants that. finish() may be set afterwards by a stop string or a
  /// repetition, too.
  std::string push(int32_t token, FinishReason reason);
  /// The end without a token; the text that was held back.
  /// `stopToken`: the stop token, if one ended it and is not shown; -1: none.
  std::string end(FinishReason reason, int32_t stopToken = -1);

  /// kNone: it goes on.
  FinishReason finish() const { return finish_; }
  /// JSON: the stop string in quotes, the stop token id, or null.
  const std::string& stopReason() const { return stopReason_; }
  uint32_t tokens() const { return tokens_; }

 private:
  std::string match(std::string_view certain);
  std::string rest();

  TokenStream stream_;
  StopMatcher matcher_;
  RepetitionWatch repetition_;
  std::shared_ptr<const std::vector<int32_t>> stopTokenIds_;  ///< those that are named in stop_reason
  std::string stopReason_ = "null";
  uint32_t tokens_ = 0;
  uint32_t minTokens_;
  bool includeStop_;
  FinishReason finish_ = FinishReason::kNone;
};

/// "stop", "length", "abort", "repetition".
std::string_view finishText(FinishReason reason);

}  // namespace llmc::rt::server
