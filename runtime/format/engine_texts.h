// The small sections of an engine, for those who need neither its plan nor its weights.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/format/engine_memory.h"
#include "runtime/format/layout.h"

namespace llmc::rt {

/// Private memory with the content of a small section, padding included. Errors: EN_TOO_LARGE, EN_IO, EN_MEMORY.
/// Requires: `fd` is open on the engine, and `entry` is of its section table; code, weights and digests are not small.
Result<Mapping> readSmallSection(int fd, const SectionEntry& entry);

/// EN_DIGEST, with its place in the file, for a chunk of a section whose bytes are not those that were written.
Status checkChunkDigest(const SectionEntry& entry, uint64_t chunk, const void* data, uint64_t bytes,
                        const Digest128& expected);

/// Sections of an engine whose digests are right. Views of them live as long as the object.
class EngineTexts {
 public:
  /// The first section of each of `kinds`, which are small ones; an engine may lack some. Nothing else of the file is
  /// read but header, section table and digests. Errors: as EngineFile::open, without those of plan and code.
  static Result<EngineTexts> read(const std::string& path, std::initializer_list<SectionKind> kinds);

  /// Empty for a kind that was not asked for, or that the engine lacks.
  std::string_view text(SectionKind kind) const;

 private:
  struct Part {
    SectionKind kind;
    Mapping memory;
    uint64_t size = 0;  ///< bytes without padding
  };
  std::vector<Part> parts_;
};

}  // namespace llmc::rt
