// How far a quantized engine is from the unquantized model: both run side by side over the built-in sample.
#pragma once

#include "compiler/quality/Divergence.h"
#include "runtime/base/status.h"

#include <string>
#include <string_view>
#include <vector>

namespace llmc {

/// Result of a measurement.
struct Quality {
  std::string level;  ///< CPU level that both engines ran at
  uint32_t chunk = 0; ///< tokens of a chunk, each from an empty cache
  Divergence divergence;
};

struct QualityRequest {
  std::string engine, reference; ///< files; the same model, the second one unquantized with f32 activations
  std::string level;             ///< in both, and one that this machine runs
  std::string_view tokenizer;    ///< tokenizer.json
  unsigned threads = 1;
  uint32_t tokens = 2048; ///< at most
};

/// Errors: those of running and of the tokenizer; RT_LOGITS (70) when a logit is not finite.
rt::Result<Quality> measureQuality(const QualityRequest &request);

/// The "quality" object of PROVENANCE, numbers rounded so that the last bits of libm do not show.
std::string qualityJson(const Quality &quality);
/// One or two lines for people.
std::string qualityText(const Quality &quality);

/// `provenance`, a JSON object, with the JSON text `fact` as its member `name`.
std::string withFact(const std::string &provenance, const char *name, const std::string &fact);

} // namespace llmc
