// --prompt, --prompt-file, --prompt-ids, --message: one generation to stdout.
#include "runtime/main/generator.h"
#include "runtime/main/json_output.h"
#include "runtime/main/modes.h"
#include "runtime/main/output.h"
#include "runtime/main/prompt.h"
#include "runtime/main/session.h"
#include "runtime/text/stop_matcher.h"

namespace llmc::rt {

Status runGenerate(const Flags& flags) {
  LLMC_TRY(checkStops(flags.stop));
  auto opened = Session::open(flags, {});
  LLMC_TRY(opened.status());
  Session& session = **opened;
  auto prompt = promptIds(session, flags);
  LLMC_TRY(prompt.status());

  GenerationRequest request;
  request.prompt = *prompt;
  request.params = applyFlags(session.samplingDefaults().params, flags);
  request.stops = flags.stop;
  request.maxTokens = flags.maxTokens.value_or(512);
  if (!flags.ignoreEos) request.eosIds = session.eosIds();
  // Ids in, ids out work without a tokenizer in the engine.
  auto tokenizer = session.tokenizer();
  const bool needText = flags.promptIds.empty() || !flags.stop.empty() || !flags.json;
  if (tokenizer)
    request.tokenizer = *tokenizer;
  else if (needText || tokenizer.status().code() != "EN_TOKENIZER")
    return tokenizer.takeStatus();
  if (!flags.json) request.emit = writeOutput;

  SequenceCache cache(session.kv(), session.context());
  auto generation = generate(session.executor(), cache, request);
  LLMC_TRY(generation.status());
  if (flags.json)
    return writeOutput(generationJson(*generation, *prompt, flags.logprobs >= 0, session.loadMilliseconds()));
  return generation->text.ends_with('\n') ? Status::ok() : writeOutput("\n");
}

}  // namespace llmc::rt
