// Checks of header and section table, outermost first: each step trusts only what the one before has checked.
#include "runtime/format/section_table.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/base/checked.h"
#include "runtime/base/limits.h"
#include "runtime/format/digest.h"
#include "runtime/format/engine_reader.h"

namespace llmc::rt {
namespace {

/// Longest gap between the table and the first section: the largest alignment.
constexpr uint64_t kMaxTableBytes = kWeightsAlignment;

std::string range(uint64_t from, uint64_t to) { return "bytes " + std::to_string(from) + " to " + std::to_string(to); }

Status checkMagic(int fd, uint64_t fileBytes) {
  std::array<char, 8> found{};
  uint64_t count = std::min<uint64_t>(fileBytes, found.size());
  LLMC_TRY(readExactly(fd, 0, found.data(), count));
  if (count == 0 || std::memcmp(found.data(), kEngineMagic.data(), count) != 0)
    return Status::error(ErrorKind::kBadInput, "EN_MAGIC",
                         count == 0
                             ? "not an llmc engine: the file is empty"
                             : "not an llmc engine: the file starts with '" + escaped({found.data(), count}) + "'",
                         "build one with `llmc build`");
  if (fileBytes < kHeaderBytes)
    return engineError("EN_TRUNCATED", "the file has " + std::to_string(fileBytes) + " bytes, its header alone has " +
                                           std::to_string(kHeaderBytes));
  return Status::ok();
}

/// The digest comes first: position and meaning of the header's fields are the same in all versions.
Status checkHeader(const Header& header, uint64_t fileBytes) {
  if (header.major != kFormatMajor || header.minor > kFormatMinor)
    return Status::error(ErrorKind::kMismatch, "EN_VERSION",
                         "engine has format " + std::to_string(header.major) + "." + std::to_string(header.minor) +
                             ", this runtime reads " + std::to_string(kFormatMajor) + "." +
                             std::to_string(kFormatMinor),
                         "build the engine again with the llmc of this runtime");
  if (const uint64_t unknown = header.requiredFeatures & ~kKnownFeatures; unknown != 0)
    return Status::error(ErrorKind::kMismatch, "EN_VERSION",
                         "engine needs features (mask " + std::to_string(unknown) + ") that this runtime lacks",
                         "use a newer runtime or build the engine again");
  if (header.headerBytes != kHeaderBytes)
    return engineError("EN_SEMANTIC", "header.headerBytes is " + std::to_string(header.headerBytes) + ", must be " +
                                          std::to_string(kHeaderBytes));
  if (header.fileBytes > limits::kEngineBytes)
    return engineError("EN_TOO_LARGE", "header.fileBytes is " + std::to_string(header.fileBytes) + ", at most " +
                                           std::to_string(limits::kEngineBytes));
  if (fileBytes < header.fileBytes)
    return engineError("EN_TRUNCATED", "the file ends at byte " + std::to_string(fileBytes) + " of " +
                                           std::to_string(header.fileBytes));
  if (fileBytes > header.fileBytes)
    return engineError("EN_TRAILING", "the file has " + std::to_string(fileBytes - header.fileBytes) +
                                          " bytes after its end at byte " + std::to_string(header.fileBytes));
  if (header.sectionCount == 0 || header.sectionCount > limits::kSections)
    return engineError("EN_SEMANTIC", "header.sectionCount is " + std::to_string(header.sectionCount) +
                                          ", must be 1 to " + std::to_string(limits::kSections));
  uint64_t tableEnd = kHeaderBytes + header.sectionCount * sizeof(SectionEntry);
  if (header.firstSection < tableEnd || header.firstSection > header.fileBytes ||
      header.firstSection - kHeaderBytes > kMaxTableBytes)
    return engineError("EN_SEMANTIC", "header.firstSection is " + std::to_string(header.firstSection) +
                                          ", must follow the section table at " + std::to_string(tableEnd));
  return Status::ok();
}

Result<Header> readHeader(int fd, uint64_t fileBytes) {
  LLMC_TRY(checkMagic(fd, fileBytes));
  std::vector<std::byte> bytes(kHeaderBytes);
  LLMC_TRY(readExactly(fd, 0, bytes.data(), bytes.size()));
  Header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  std::memset(bytes.data() + offsetof(Header, headerDigest), 0, sizeof(Digest128));
  if (digestOf(bytes.data(), bytes.size()) != header.headerDigest)
    return engineError("EN_DIGEST", "the header (" + range(0, kHeaderBytes) + ") is damaged");
  LLMC_TRY(checkHeader(header, fileBytes));
  return header;
}

Status checkEntry(const SectionEntry& entry, uint32_t index, uint64_t expectedOffset, uint64_t expectedDigest,
                  uint64_t fileBytes) {
  std::string path = "sections[" + std::to_string(index) + "] (" + std::string(sectionKindName(entry.kind)) + ")";
  uint64_t alignment = entry.kind == static_cast<uint32_t>(SectionKind::kCode) ||
                               entry.kind == static_cast<uint32_t>(SectionKind::kWeights)
                           ? kPlanAlignment  // they are mapped, so whole pages
                           : 64;
  if (entry.offset % alignment != 0)
    return engineError("EN_ALIGN", path + ".offset is " + std::to_string(entry.offset) + ", not a multiple of " +
                                       std::to_string(alignment));
  if (entry.offset != expectedOffset)
    return engineError("EN_SEMANTIC", path + ".offset is " + std::to_string(entry.offset) + ", must be " +
                                          std::to_string(expectedOffset) + ", the end of what comes before");
  if (!rangeInside(entry.offset, entry.padded, fileBytes))
    return engineError("EN_SEMANTIC",
                       path + ".padded is " + std::to_string(entry.padded) + ", past the end of the file");
  if (entry.size > entry.padded)
    return engineError("EN_SEMANTIC", path + ".size is " + std::to_string(entry.size) + ", more than its padded size " +
                                          std::to_string(entry.padded));
  const uint32_t flags = entry.kind == static_cast<uint32_t>(SectionKind::kCode) ? kPacked : 0;
  if ((entry.flags & ~flags) != 0)
    return engineError("EN_SEMANTIC", path + ".flags is " + std::to_string(entry.flags) + ", must be 0" +
                                          (flags != 0 ? " or " + std::to_string(flags) : ""));
  if (entry.firstDigest != expectedDigest)
    return engineError("EN_SEMANTIC", path + ".firstDigest is " + std::to_string(entry.firstDigest) + ", must be " +
                                          std::to_string(expectedDigest));
  return Status::ok();
}

Status checkEntries(const Header& header, const std::vector<SectionEntry>& entries, uint64_t& digestCount) {
  uint64_t offset = header.firstSection;
  uint32_t plans = 0, digests = 0, tokens = 0, packed = 0;
  digestCount = 0;
  for (uint32_t i = 0; i < entries.size(); ++i) {
    const SectionEntry& entry = entries[i];
    LLMC_TRY(checkEntry(entry, i, offset, digestCount, header.fileBytes));
    offset += entry.padded;
    bool isDigests = entry.kind == static_cast<uint32_t>(SectionKind::kDigests);
    digests += isDigests ? 1 : 0;
    plans += entry.kind == static_cast<uint32_t>(SectionKind::kPlan) ? 1 : 0;
    tokens += entry.kind == static_cast<uint32_t>(SectionKind::kTokens) ? 1 : 0;
    packed += (entry.flags & kPacked) != 0 ? 1 : 0;
    if (!isDigests) digestCount += chunkCount(entry.padded);
  }
  if (offset != header.fileBytes)
    return engineError("EN_SEMANTIC", "sections end at byte " + std::to_string(offset) + ", the file at " +
                                          std::to_string(header.fileBytes));
  const uint32_t wanted = (header.requiredFeatures & kSeveralTargets) != 0 ? limits::kPlans : 1;
  if (plans != wanted || digests != 1)
    return engineError("EN_SEMANTIC", "there are " + std::to_string(plans) + " plan and " + std::to_string(digests) +
                                          " digest sections, must be " + std::to_string(wanted) + " and 1");
  const uint32_t tables = (header.requiredFeatures & kTokenTable) != 0 ? 1 : 0;
  if (tokens != tables)
    return engineError("EN_SEMANTIC", "there are " + std::to_string(tokens) +
                                          " tokens sections, must be as header.requiredFeatures says " +
                                          std::to_string(tables));
  if ((packed > 0) != ((header.requiredFeatures & kPackedCode) != 0))
    return engineError("EN_SEMANTIC", "there are " + std::to_string(packed) +
                                          " packed code sections, and header.requiredFeatures says otherwise");
  return Status::ok();
}

Status readDigests(int fd, SectionTable& table, uint64_t digestCount) {
  auto entry = std::find_if(table.entries.begin(), table.entries.end(), [](const SectionEntry& e) {
    return e.kind == static_cast<uint32_t>(SectionKind::kDigests);
  });
  // The file's real size bounds padded, and 16 bytes stand for up to 4 MiB: this stays far below 100 MB.
  if (entry->size != digestCount * sizeof(Digest128) || entry->padded - entry->size > kMaxTableBytes)
    return engineError("EN_SEMANTIC", "the digest section has " + std::to_string(entry->size) + " bytes for " +
                                          std::to_string(digestCount) + " chunks");
  std::vector<std::byte> bytes(entry->padded);
  LLMC_TRY(readExactly(fd, entry->offset, bytes.data(), bytes.size()));
  if (digestOf(bytes.data(), bytes.size()) != entry->digest)
    return engineError("EN_DIGEST",
                       "section digests (" + range(entry->offset, entry->offset + entry->padded) + ") is damaged");
  table.digests.resize(digestCount);
  if (digestCount > 0) std::memcpy(table.digests.data(), bytes.data(), digestCount * sizeof(Digest128));
  for (const SectionEntry& section : table.entries) {
    if (section.kind == static_cast<uint32_t>(SectionKind::kDigests)) continue;
    uint64_t chunks = chunkCount(section.padded);
    if (digestOf(table.digests.data() + section.firstDigest, chunks * sizeof(Digest128)) != section.digest)
      return engineError("EN_DIGEST", "chunk digests of section " + std::string(sectionKindName(section.kind)) +
                                          " do not match the section table");
  }
  return Status::ok();
}

}  // namespace

Status engineError(const char* code, std::string message, ErrorKind kind) {
  return Status::error(kind, code, std::move(message), "the engine is damaged or not made by llmc: build it again");
}

Status readExactly(int fd, uint64_t offset, void* out, uint64_t bytes) {
  auto* next = static_cast<char*>(out);
  while (bytes > 0) {
    ssize_t got = ::pread(fd, next, std::min<uint64_t>(bytes, 1u << 30), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return Status::error(ErrorKind::kIo, "EN_IO", std::string("cannot read the engine: ") + std::strerror(errno));
    if (got == 0)
      return Status::error(ErrorKind::kIo, "EN_IO",
                           "the engine ends at byte " + std::to_string(offset) + " while it is read",
                           "do not write to an engine that is in use");
    next += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<uint64_t>(got);
  }
  return Status::ok();
}

Result<SectionTable> readSectionTable(int fd, uint64_t fileBytes) {
  auto header = readHeader(fd, fileBytes);
  if (!header) return header.takeStatus();
  SectionTable table;
  table.header = *header;
  std::vector<std::byte> bytes(table.header.firstSection - kHeaderBytes);
  LLMC_TRY(readExactly(fd, kHeaderBytes, bytes.data(), bytes.size()));
  if (digestOf(bytes.data(), bytes.size()) != table.header.tableDigest)
    return engineError("EN_DIGEST",
                       "the section table (" + range(kHeaderBytes, table.header.firstSection) + ") is damaged");
  table.entries.resize(table.header.sectionCount);
  std::memcpy(table.entries.data(), bytes.data(), table.entries.size() * sizeof(SectionEntry));
  uint64_t digestCount = 0;
  LLMC_TRY(checkEntries(table.header, table.entries, digestCount));
  LLMC_TRY(readDigests(fd, table, digestCount));
  return table;
}

}  // namespace llmc::rt
