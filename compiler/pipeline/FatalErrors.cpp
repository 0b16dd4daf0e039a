// Handlers of errors that LLVM would abort on.
#include "compiler/pipeline/FatalErrors.h"

#include "compiler/pipeline/UnfinishedEngine.h"
#include "runtime/base/shortage.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/ErrorHandling.h"

#include <cstdio>
#include <cstring>
#include <string>
#include <unistd.h>

namespace llmc {

static constexpr size_t kLongestReason = 1000;

static void onLlvmError(void *, const char *reason, bool) {
  if (std::strstr(reason, "pthread_create"))
    rt::endWithoutThreads();
  const std::string line = rt::escaped(llvm::StringRef(reason).trim().str(), kLongestReason); // some are several lines
  rt::Status status = rt::Status::error(rt::ErrorKind::kInternal, "CG_LLVM", "LLVM gave up: " + line,
                                        "this is a bug of llmc: report it with the model's config.json and the flags");
  std::fprintf(stderr, "%s\n", status.toString().c_str());
  removeUnfinishedOutputs();
  _exit(rt::exitStatus(status.kind()));
}

void explainFatalErrors() {
  rt::explainShortages(removeUnfinishedOutputs);
  llvm::install_bad_alloc_error_handler([](void *, const char *, bool) { rt::endWithoutMemory(); });
  llvm::install_fatal_error_handler(onLlvmError);
}

} // namespace llmc
