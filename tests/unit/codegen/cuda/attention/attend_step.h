// One ragged step in memory as kernels see it: scattered pages, random queries, keys and values; runs a kernel on the
// emulator and compares with the reference interpreter.
#pragma once

#include "codegen/cuda/KernelText.h"
#include "dialects/Reference/Eval.h"
#include "runtime/base/status.h"
#include "runtime/format/kernel_abi.h"
#include "tests/emulator/ptx_program.h"
#include "tests/unit/codegen/cuda/attention/attend_case.h"
#include <span>
#include <utility>
#include <vector>

namespace llmc {

class AttendStep {
public:
  /// `sequences`: {new tokens, tokens cached before} each.
  AttendStep(const AttendCase &test, const std::vector<std::pair<int, int>> &sequences);

  /// Runs the kernel as a step of a graph with `spareSequences` more sequences (and their tokens) than this step has.
  rt::Status run(const KernelText &kernel, emu::PtxProgram &program, emu::LaunchChecks checks, int spareSequences = 0);
  /// Difference from the reference of all rows that run() made: a test assertion for each that is too large.
  void expectReference();
  /// Result rows as bytes.
  const std::vector<std::byte> &result() const { return result_; }
  int64_t tokens() const { return batch_.tokens(); }

private:
  void fillCache();
  void expectParts();
  void expectRows();
  std::byte *cacheAddress(int64_t page, int64_t head, bool values);

  AttendCase test_;
  reference::Batch batch_;
  reference::KvCache cache_;
  reference::Tensor query_;
  std::vector<float> queryRows_;
  std::vector<std::byte> cacheBytes_, result_;
  std::vector<int32_t> starts_, table_;
  rt::Batch words_;
  int64_t pages_ = 0;
};

} // namespace llmc
