// Pair generation for SentencePiece vocabularies.
#include "compiler/import/SpmMerges.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "compiler/import/Utf8.h"

namespace llmc {
namespace {

struct Pair {
  std::string_view left, right;
  float score;
  uint32_t leftLength, rightLength;  // code points
  size_t pieceId, leftId, rightId;
};

}  // namespace

std::vector<std::pair<std::string, std::string>> spmMerges(const std::vector<SpmPiece>& pieces) {
  std::unordered_map<std::string_view, size_t> ids;
  for (size_t i = 0; i < pieces.size(); ++i)
    if (pieces[i].mergeable) ids.emplace(pieces[i].text, i);
  std::vector<Pair> pairs;
  for (size_t pieceId = 0; pieceId < pieces.size(); ++pieceId) {
    const SpmPiece& piece = pieces[pieceId];
    if (!piece.mergeable) continue;
    std::string_view text = piece.text;
    uint32_t length = 0;
    for (size_t i = 0; i < text.size(); i += std::max<size_t>(utf8SequenceLength(text, i), 1)) ++length;
    uint32_t position = 0;
    for (size_t i = 0; i < text.size(); ++position) {
      if (i > 0) {
        auto left = ids.find(text.substr(0, i)), right = ids.find(text.substr(i));
        if (left != ids.end() && right != ids.end())
          pairs.push_back({left->first, right->first, piece.score, position, length - position, pieceId, left->second,
                           right->second});
      }
      i += std::max<size_t>(utf8SequenceLength(text, i), 1);
    }
  }
  // The converter lists the pairs by (piece, left id, right id), then sorts (score, length of left, length of right)
  // descending and stably.
  std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.leftLength != b.leftLength) return a.leftLength > b.leftLength;
    if (a.rightLength != b.rightLength) return a.rightLength > b.rightLength;
    return std::tie(a.pieceId, a.leftId, a.rightId) < std::tie(b.pieceId, b.leftId, b.rightId);
  });
  std::vector<std::pair<std::string, std::string>> merges;
  merges.reserve(pairs.size());
  for (const Pair& pair : pairs) merges.emplace_back(pair.left, pair.right);
  return merges;
}

}  // namespace llmc
