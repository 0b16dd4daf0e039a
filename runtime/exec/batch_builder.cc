// Checks, then fills, the batch arrays.
#include "runtime/exec/batch_builder.h"

#include <algorithm>
#include <string>

namespace llmc::rt {
namespace {

uint32_t pagesFor(uint64_t tokens) { return static_cast<uint32_t>((tokens + kPageTokens - 1) / kPageTokens); }

uint64_t rowCount(const StepSequence& sequence) {
  switch (sequence.rows) {
    case RowChoice::kNone:
      return 0;
    case RowChoice::kLast:
      return 1;
    case RowChoice::kAll:
      return sequence.tokens.size();
    case RowChoice::kList:
      return sequence.rowList.size();
  }
  return 0;
}

Status stepError(std::string message) { return Status::error(ErrorKind::kInternal, "RT_STEP", std::move(message)); }

}  // namespace

BatchBuilder::BatchBuilder(const StepLimits& limits, uint32_t vocabulary, uint32_t pages)
    : limits_(limits), vocabulary_(vocabulary), pages_(pages), blockStride_(pagesFor(limits.maxContext)) {
  const size_t tokens = limits.maxTokens + kPaddingRows;
  const size_t sequences = limits.maxSequences + kPaddingRows;
  for (auto* array : {&tokenIds_, &positions_, &slots_, &tokenSeq_}) array->assign(tokens, 0);
  queryStarts_.assign(sequences + 1, 0);
  contextLens_.assign(sequences, 0);
  blockTable_.assign(size_t{limits.maxSequences} * blockStride_ + kPaddingRows, 0);
  sampleRows_.assign(limits.maxRows + kPaddingRows, 0);
  batch_ = {0,
            0,
            0,
            static_cast<int32_t>(blockStride_),
            tokenIds_.data(),
            positions_.data(),
            slots_.data(),
            tokenSeq_.data(),
            queryStarts_.data(),
            contextLens_.data(),
            blockTable_.data(),
            sampleRows_.data()};
}

Status BatchBuilder::checkSequence(const StepSequence& sequence, size_t index) const {
  const std::string name = "sequence " + std::to_string(index);
  const uint64_t end = uint64_t{sequence.start} + sequence.tokens.size();
  if (sequence.tokens.empty()) return stepError(name + " has no tokens");
  if (end > limits_.maxContext)
    return Status::error(
        ErrorKind::kBadInput, "RT_CONTEXT",
        name + " would hold " + std::to_string(end) + " tokens, the context is " + std::to_string(limits_.maxContext));
  if (sequence.pages.size() < pagesFor(end))
    return stepError(name + " has " + std::to_string(sequence.pages.size()) + " pages for " + std::to_string(end) +
                     " tokens");
  for (const int32_t page : sequence.pages.first(pagesFor(end)))
    if (page < 0 || static_cast<uint32_t>(page) >= pages_)
      return stepError(name + " has page " + std::to_string(page) + " of " + std::to_string(pages_));
  for (const int32_t id : sequence.tokens)
    if (id < 0 || static_cast<uint32_t>(id) >= vocabulary_)
      return Status::error(
          ErrorKind::kBadInput, "RT_TOKEN_ID",
          "token id " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(vocabulary_));
  if (sequence.rows != RowChoice::kList) return Status::ok();
  for (size_t i = 0; i < sequence.rowList.size(); ++i)
    if (sequence.rowList[i] >= sequence.tokens.size() || (i > 0 && sequence.rowList[i] <= sequence.rowList[i - 1]))
      return stepError(name + " selects row " + std::to_string(sequence.rowList[i]) + " of " +
                       std::to_string(sequence.tokens.size()));
  return Status::ok();
}

Status BatchBuilder::check(std::span<const StepSequence> sequences) const {
  uint64_t tokens = 0, rows = 0;
  for (const auto& sequence : sequences) {
    tokens += sequence.tokens.size();
    rows += rowCount(sequence);
  }
  if (sequences.empty() || sequences.size() > limits_.maxSequences || tokens > limits_.maxTokens ||
      rows > limits_.maxRows)
    return stepError("a step of " + std::to_string(sequences.size()) + " sequences, " + std::to_string(tokens) +
                     " tokens, " + std::to_string(rows) + " rows; limits are " + std::to_string(limits_.maxSequences) +
                     ", " + std::to_string(limits_.maxTokens) + ", " + std::to_string(limits_.maxRows));
  return Status::ok();
}

void BatchBuilder::addSequence(const StepSequence& sequence, int32_t index) {
  const int32_t first = batch_.tokens;
  const auto count = static_cast<int32_t>(sequence.tokens.size());
  for (int32_t i = 0; i < count; ++i) {
    const uint32_t position = sequence.start + static_cast<uint32_t>(i);
    const auto row = static_cast<size_t>(first + i);
    tokenIds_[row] = sequence.tokens[static_cast<size_t>(i)];
    positions_[row] = static_cast<int32_t>(position);
    slots_[row] = sequence.pages[position / kPageTokens] * static_cast<int32_t>(kPageTokens) +
                  static_cast<int32_t>(position % kPageTokens);
    tokenSeq_[row] = index;
    const bool chosen = sequence.rows == RowChoice::kAll || (sequence.rows == RowChoice::kLast && i + 1 == count);
    if (chosen) sampleRows_[static_cast<size_t>(batch_.rows++)] = first + i;
  }
  if (sequence.rows == RowChoice::kList)
    for (const uint32_t i : sequence.rowList)
      sampleRows_[static_cast<size_t>(batch_.rows++)] = first + static_cast<int32_t>(i);
  const uint32_t context = sequence.start + static_cast<uint32_t>(count);
  contextLens_[static_cast<size_t>(index)] = static_cast<int32_t>(context);
  std::copy_n(sequence.pages.begin(), pagesFor(context),
              blockTable_.begin() + static_cast<ptrdiff_t>(size_t(index) * blockStride_));
  batch_.tokens += count;
  queryStarts_[static_cast<size_t>(index) + 1] = batch_.tokens;
}

Status BatchBuilder::build(std::span<const StepSequence> sequences) {
  LLMC_TRY(check(sequences));
  for (size_t i = 0; i < sequences.size(); ++i) LLMC_TRY(checkSequence(sequences[i], i));
  batch_.tokens = batch_.rows = 0;
  batch_.sequences = static_cast<int32_t>(sequences.size());
  for (size_t i = 0; i < sequences.size(); ++i) addSequence(sequences[i], static_cast<int32_t>(i));
  return Status::ok();
}

}  // namespace llmc::rt
