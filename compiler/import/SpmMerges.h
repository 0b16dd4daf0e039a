// Merges of a BPE that tokenizes as SentencePiece's score-driven one does.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace llmc {

struct SpmPiece {
  std::string text;
  float score = 0;
  bool mergeable = true;  ///< false for control, unknown and byte pieces: text never merges into them
};

/// All pairs of pieces that join to a piece, best score first; same order as transformers' converter. Piece index =
/// token id.
std::vector<std::pair<std::string, std::string>> spmMerges(const std::vector<SpmPiece>& pieces);

}  // namespace llmc
