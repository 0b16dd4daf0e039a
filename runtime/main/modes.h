// One function a mode of llmc-run; each opens what it needs, writes its result to stdout and reports failure by Status.
#pragma once

#include "runtime/base/status.h"
#include "runtime/main/flags.h"

namespace llmc::rt {

Status runGenerate(const Flags& flags);    ///< --prompt, --prompt-file, --prompt-ids, --message
Status runChat(const Flags& flags);        ///< --chat
Status runDumpLogits(const Flags& flags);  ///< --dump-logits FILE with a prompt
Status runPerplexity(const Flags& flags);  ///< --perplexity FILE
Status runBench(const Flags& flags);       ///< --bench
Status runCheck(const Flags& flags);       ///< --check
Status runSelftest(const Flags& flags);    ///< --selftest
Status runSimulate(const Flags& flags);    ///< --simulate FILE
Status runServe(const Flags& flags);       ///< without any of the others
Status runTokenize(const Flags& flags);    ///< --tokenize TEXT

}  // namespace llmc::rt
