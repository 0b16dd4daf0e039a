// Writes an engine file atomically: sections stream into a temporary file beside the output, digests computed on the
// way.
#pragma once

#include "runtime/base/status.h"
#include "runtime/format/layout.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace llmc {

/// Sections may come in any order; the bytes of the file depend on nothing but the appended bytes. Until finish()
/// returns ok the output is untouched. Destruction without finish() removes the temporary file.
class EngineWriter {
 public:
  struct Options {
    bool force = false;   ///< replace an existing file that is not an llmc engine
    bool durable = true;  ///< fsync before and after the rename
  };

  /// Says what create() would refuse, without touching anything, so that a long build need not end with it.
  static rt::Status checkOutput(const std::string& path, bool force);

  /// Errors: OUT_EXISTS (64), OUT_IO (74). Removes temporary files that killed runs left for the same output.
  static rt::Result<std::unique_ptr<EngineWriter>> create(const std::string& path, Options options);
  ~EngineWriter();
  EngineWriter(const EngineWriter&) = delete;
  EngineWriter& operator=(const EngineWriter&) = delete;

  /// Starts a section at a multiple of `alignment` (power of two >= 64; 0: the kind's usual one) and returns its index
  /// in the section table, which Level.section and Weight.section of the plan name.
  rt::Result<uint32_t> beginSection(rt::SectionKind kind, uint64_t alignment = 0);
  rt::Status append(const void* data, size_t bytes);
  /// Appends zeros as a hole of the file.
  rt::Status appendHole(uint64_t bytes);
  rt::Status endSection();
  /// beginSection + append + endSection.
  rt::Result<uint32_t> addSection(rt::SectionKind kind, std::string_view bytes, uint64_t alignment = 0);
  /// CODE of which the file has packCode()'s `frame`.
  rt::Result<uint32_t> addPackedCode(std::string_view frame);
  /// Seconds that append() has spent on digests.
  double digestSeconds() const;
  /// Bytes appended to the open section so far.
  uint64_t sectionBytes() const;

  /// Makes what is there so far a whole engine under a temporary name, and returns that name: a build runs its engine
  /// before anyone can see it. Until endPreview() nothing may be appended; the bytes of the file are in the end the
  /// same with and without a preview, if the next section has an alignment of 64. Whoever opened the file closes it
  /// first.
  rt::Result<std::string> beginPreview();
  rt::Status endPreview();

  /// Writes digests, table and header, syncs, renames over the output. EN_* never; OUT_IO (74) on any failure.
  rt::Status finish();

  /// Removes the temporary file. Async-signal-safe: a SIGINT handler may call it, then _exit.
  void abort();

 private:
  struct State;
  explicit EngineWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace llmc
