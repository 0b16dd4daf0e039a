// Checks, then fills, the batch arrays.
#include "runtime/exec/batch_builder.h"

#include <algorithm>
#include <cstdlib>
#include <new>
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

/// Zeros. Pages of a large one come into being when they are written.
int32_t* lazyArray(size_t count) {
  void* array = std::calloc(count, sizeof(int32_t));
  if (!array) throw std::bad_alloc();
  return static_cast<int32_t*>(array);
}

Status stepError(std::string message) { return Status::error(ErrorKind::kInternal, "RT_STEP", std::move(message)); }

}  // namespace

BatchBuilder::BatchBuilder(const StepLimits& limits, uint32_t vocabulary, uint32_t pages, bool apart)
    : limits_(limits),
      vocabulary_(vocabulary),
      pages_(pages),
      blockStride_(pagesFor(limits.maxContext)),
      mostSequences_(apart ? limits.maxTokens : limits.maxSequences),
      blockTable_(lazyArray(size_t{mostSequences_} * blockStride_ + kPaddingRows), &std::free) {
  const size_t tokens = limits.maxTokens + kPaddingRows;
  const size_t sequences = mostSequences_ + kPaddingRows;
  for (auto* array : {&tokenIds_, &positions_, &slots_, &tokenSeq_}) array->assign(tokens, 0);
  queryStarts_.assign(sequences + 1, 0);
  contextLens_.assign(sequences, 0);
  sampleRows_.assign(limits.maxRows + kPaddingRows, 0);
  logitsWanted_.assign(limits.maxRows + kPaddingRows, 0);
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
            blockTable_.get(),
            sampleRows_.data(),
            logitsWanted_.data()};
}

Status BatchBuilder::checkSequence(const StepSequence& sequence, size_t index, uint32_t lastRows) const {
  // Made for an error alone: this runs for each sequence of each step.
  const auto named = [index](const std::string& fault) { return "sequence " + std::to_string(index) + fault; };
  const uint64_t end = uint64_t{sequence.start} + sequence.tokens.size();
  if (sequence.tokens.empty()) return stepError(named(" has no tokens"));
  if (sequence.apart && mostSequences_ < limits_.maxTokens)
    return stepError(named(" has tokens apart: no room for it"));
  if (end > limits_.maxContext)
    return Status::error(
        ErrorKind::kBadInput, "RT_CONTEXT",
        named(" would hold " + std::to_string(end) + " tokens, the context is " + std::to_string(limits_.maxContext)));
  if (sequence.pages.size() < pagesFor(end))
    return stepError(
        named(" has " + std::to_string(sequence.pages.size()) + " pages for " + std::to_string(end) + " tokens"));
  const auto pages = sequence.pages.first(pagesFor(end));
  const auto outside = [this](int32_t page) { return static_cast<uint32_t>(page) >= pages_; };
  // Without an early end the compiler looks at many at once.
  bool fault = false;
  for (const int32_t page : pages) fault |= outside(page);
  if (fault)
    return stepError(named(" has page " + std::to_string(*std::find_if(pages.begin(), pages.end(), outside)) + " of " +
                           std::to_string(pages_)));
  for (const int32_t id : sequence.tokens)
    if (id < -static_cast<int64_t>(lastRows) || id >= static_cast<int64_t>(vocabulary_))
      return Status::error(
          ErrorKind::kBadInput, "RT_TOKEN_ID",
          "token id " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(vocabulary_));
  if (sequence.rows != RowChoice::kList) return Status::ok();
  for (size_t i = 0; i < sequence.rowList.size(); ++i)
    if (sequence.rowList[i] >= sequence.tokens.size() || (i > 0 && sequence.rowList[i] <= sequence.rowList[i - 1]))
      return stepError(named(" selects row " + std::to_string(sequence.rowList[i]) + " of " +
                             std::to_string(sequence.tokens.size())));
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

/// The next `count` tokens as one sequence of `context` tokens.
void BatchBuilder::addQueries(const StepSequence& sequence, uint32_t count, uint32_t context) {
  const auto index = static_cast<size_t>(batch_.sequences++);
  std::fill_n(tokenSeq_.begin() + batch_.tokens, count, static_cast<int32_t>(index));
  contextLens_[index] = static_cast<int32_t>(context);
  std::copy_n(sequence.pages.begin(), pagesFor(context), blockTable_.get() + index * blockStride_);
  batch_.tokens += static_cast<int32_t>(count);
  queryStarts_[index + 1] = batch_.tokens;
}

/// Token `index` of `sequence`, behind those that are counted.
void BatchBuilder::addToken(const StepSequence& sequence, uint32_t index) {
  const uint32_t position = sequence.start + index;
  const size_t row = static_cast<size_t>(batch_.tokens) + (sequence.apart ? 0 : index);
  tokenIds_[row] = sequence.tokens[index];
  positions_[row] = static_cast<int32_t>(position);
  slots_[row] = sequence.pages[position / kPageTokens] * static_cast<int32_t>(kPageTokens) +
                static_cast<int32_t>(position % kPageTokens);
  const bool last = index + 1 == sequence.tokens.size();
  if (sequence.rows == RowChoice::kAll || (sequence.rows == RowChoice::kLast && last))
    sampleRows_[static_cast<size_t>(batch_.rows++)] = static_cast<int32_t>(row);
}

void BatchBuilder::addSequence(const StepSequence& sequence) {
  const int32_t first = batch_.tokens, firstRow = batch_.rows;
  const auto count = static_cast<uint32_t>(sequence.tokens.size());
  for (uint32_t i = 0; i < count; ++i) {
    addToken(sequence, i);
    if (sequence.apart) addQueries(sequence, 1, sequence.start + i + 1);
  }
  if (!sequence.apart) addQueries(sequence, count, sequence.start + count);
  if (sequence.rows == RowChoice::kList)
    for (const uint32_t i : sequence.rowList)
      sampleRows_[static_cast<size_t>(batch_.rows++)] = first + static_cast<int32_t>(i);
  std::fill(logitsWanted_.begin() + firstRow, logitsWanted_.begin() + batch_.rows, sequence.logits ? 1 : 0);
}

Status BatchBuilder::build(std::span<const StepSequence> sequences, uint32_t lastRows) {
  LLMC_TRY(check(sequences));
  for (size_t i = 0; i < sequences.size(); ++i) LLMC_TRY(checkSequence(sequences[i], i, lastRows));
  batch_.tokens = batch_.rows = batch_.sequences = 0;
  for (const StepSequence& sequence : sequences) addSequence(sequence);
  return Status::ok();
}

}  // namespace llmc::rt
