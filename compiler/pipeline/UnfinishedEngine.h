// Engine files that are being written, and the signals that remove them.
#pragma once

#include "compiler/engine/EngineWriter.h"

namespace llmc {

/// Removes every file that a build has begun and not finished. Async-signal-safe; the process must end after it.
void removeUnfinishedOutputs();

/// A writer that the signal handlers know; its file is removed unless it was finished. At most three at a time: the
/// output, the unquantized engine that it is compared with, and the CPU's twin of an engine for CUDA.
class UnfinishedEngine {
public:
  /// Errors: those of EngineWriter::create.
  static rt::Result<std::unique_ptr<UnfinishedEngine>> create(const std::string &path, bool force);
  ~UnfinishedEngine();
  UnfinishedEngine(const UnfinishedEngine &) = delete;
  UnfinishedEngine &operator=(const UnfinishedEngine &) = delete;

  EngineWriter &writer() { return *writer_; }

private:
  explicit UnfinishedEngine(std::unique_ptr<EngineWriter> writer);
  std::unique_ptr<EngineWriter> writer_;
};

} // namespace llmc
