// An attention kernel as MLIR text, and the numbers that tests vary.
#pragma once

#include <cstdint>
#include <string>

namespace llmc {

/// One kern.func @attend of llm.attend (splits = 0; its result cast to bf16) or llm.attend_partial over a cache of two
/// layers.
struct AttendCase {
  std::string name;
  int64_t heads = 1, kvHeads = 1, dim = 64, splits = 0, window = 0;
  double softcap = 0;
  std::string kind = "f16"; ///< of the cache

  int64_t columns() const { return splits ? heads * splits * (dim + 2) : heads * dim; }
  std::string text() const;
};

} // namespace llmc
