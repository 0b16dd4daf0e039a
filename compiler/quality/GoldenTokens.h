// Tokens that an engine generated right after it was built: what `llmc-run --selftest` must see again.
#pragma once

#include "runtime/base/status.h"

#include <string>
#include <vector>

namespace llmc {

struct GoldenRequest {
  std::string level;    ///< one that this machine runs
  uint32_t tokens = 16; ///< to generate; cut to what the model's positions leave
  unsigned threads = 1;
  std::string_view tokenizer; ///< tokenizer.json; empty: the prompt is made of the first ids
};

/// JSON of the SELFTEST section: {"level", "prompt_ids", "token_ids", "margin"}; margin: the best logit less the second
/// at each step, rounded down to a hundredth. Greedy, end tokens ignored. Errors: those of running; RT_LOGITS.
rt::Result<std::string> goldenTokens(const std::string &engine, const GoldenRequest &request);

} // namespace llmc
