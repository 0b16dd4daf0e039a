// Whether the runtime will take a model's tokenizer and chat template, asked before the work of a build.
#pragma once

#include "runtime/base/status.h"

#include <string>
#include <vector>

namespace llmc {

/// Files and objects that the texts came from: they go in front of errors.
struct TextPlaces {
  std::string tokenizer, chatTemplate;
};

/// Compiles both as llmc-run does. A template
/// that compiles and fails on all of some usual conversations adds a line to `warnings`: raw prompts need none.
/// Errors: TK_*, TM_*, kind kBadInput.
rt::Status checkTexts(const std::string &tokenizerJson, const std::string &chatTemplate, const TextPlaces &places,
                      std::vector<std::string> &warnings);

} // namespace llmc
