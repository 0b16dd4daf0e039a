// Whether the runtime will take a model's tokenizer and chat template, asked before the work of a build.
#pragma once

#include "runtime/base/status.h"

#include <string>
#include <vector>

namespace llmc {

/// Compiles both as llmc-run does. `templatePlace` (file and object) goes in front of the template's errors. A template
/// that compiles and fails on all of some usual conversations adds a line to `warnings`: raw prompts need none.
/// Errors: TK_*, TM_*, kind kBadInput.
rt::Status checkTexts(const std::string &tokenizerJson, const std::string &chatTemplate,
                      const std::string &templatePlace, std::vector<std::string> &warnings);

} // namespace llmc
