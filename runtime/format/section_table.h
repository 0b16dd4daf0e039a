// Header and section table of an engine file: read into private memory and checked before anything they point at is
// read.
#pragma once

#include "runtime/base/status.h"
#include "runtime/format/layout.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmc::rt {

/// Error of one of the EN_* codes; the hint is the same for all damage: build the engine again.
Status engineError(const char* code, std::string message, ErrorKind kind = ErrorKind::kBadInput);

/// Reads exactly `bytes` at `offset`; EN_IO when the file ends or reading fails.
Status readExactly(int fd, uint64_t offset, void* out, uint64_t bytes);

struct SectionTable {
  Header header;
  std::vector<SectionEntry> entries;
  std::vector<Digest128> digests;  ///< chunk digests of all sections but kDigests, in table order
};

/// Reads and checks everything that says where things are: magic, header digest, version, features, size, table digest,
/// table order and alignment, digest section. Requires: fd is open on a regular file of `fileBytes` bytes.
Result<SectionTable> readSectionTable(int fd, uint64_t fileBytes);

}  // namespace llmc::rt
