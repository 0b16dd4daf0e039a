// Streams sections to the output and its digests; table and header go in last, where zeros were kept for them.
#include "compiler/engine/EngineWriter.h"

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <vector>

#include "compiler/engine/OutputFile.h"
#include "compiler/engine/Stopwatch.h"
#include "runtime/base/limits.h"
#include "runtime/format/digest.h"

namespace llmc {
namespace {

using rt::Digest128;
using rt::SectionEntry;
using rt::SectionKind;

/// Room for the header and a full section table.
constexpr uint64_t kTableEnd = rt::kHeaderBytes + 4096;
static_assert(rt::limits::kSections * sizeof(SectionEntry) <= kTableEnd - rt::kHeaderBytes);

uint64_t usualAlignment(SectionKind kind) {
  switch (kind) {
    case SectionKind::kCode:
      return rt::kCodeAlignment;
    case SectionKind::kWeights:
      return rt::kWeightsAlignment;
    case SectionKind::kPlan:
      return rt::kPlanAlignment;
    default:
      return 64;
  }
}

rt::Status misuse(const char* what) { return rt::Status::error(rt::ErrorKind::kInternal, "OUT_ORDER", what); }

}  // namespace

struct EngineWriter::State {
  OutputFile file;
  Options options;
  std::vector<SectionEntry> sections;
  std::vector<Digest128> digests;
  rt::ChunkDigester digester;
  uint64_t firstSection = 0;
  double digestSeconds = 0;
  bool open = false, finished = false, closed = false;  // closed: the last section is padded and digested
  bool previewed = false;                               // digests and head are in the file, more may come

  rt::Status appendZeros(uint64_t bytes);
  rt::Status closePadding(uint64_t nextOffset);
  rt::Status writeDigests();
  rt::Status writeHead();
};

rt::Status EngineWriter::State::appendZeros(uint64_t bytes) {
  static constexpr std::array<char, 65536> kZeros{};
  for (; bytes > 0;) {
    uint64_t now = std::min<uint64_t>(bytes, kZeros.size());
    LLMC_TRY(file.append(kZeros.data(), now));
    if (!sections.empty()) digester.append(kZeros.data(), now);
    bytes -= now;
  }
  return rt::Status::ok();
}

/// Pads what was written to nextOffset; the gap belongs to the last section and to its digests.
rt::Status EngineWriter::State::closePadding(uint64_t nextOffset) {
  if (closed)
    return nextOffset == file.size() ? rt::Status::ok() : misuse("a section after a preview has an alignment over 64");
  LLMC_TRY(appendZeros(nextOffset - file.size()));
  if (sections.empty()) return rt::Status::ok();
  closed = true;
  SectionEntry& last = sections.back();
  last.padded = nextOffset - last.offset;
  last.firstDigest = digests.size();
  std::vector<Digest128> chunks = digester.finish();
  last.digest = rt::digestOf(chunks.data(), chunks.size() * sizeof(Digest128));
  digests.insert(digests.end(), chunks.begin(), chunks.end());
  return rt::Status::ok();
}

rt::Status EngineWriter::State::writeDigests() {
  uint64_t offset = (file.size() + 63) / 64 * 64;
  LLMC_TRY(closePadding(offset));
  uint64_t bytes = digests.size() * sizeof(Digest128);
  SectionEntry entry;
  entry.kind = static_cast<uint32_t>(SectionKind::kDigests);
  entry.offset = offset;
  entry.size = entry.padded = bytes;
  entry.firstDigest = digests.size();
  entry.digest = rt::digestOf(digests.data(), bytes);
  sections.push_back(entry);
  return file.append(digests.data(), bytes);
}

rt::Status EngineWriter::State::writeHead() {
  std::vector<char> table(firstSection - rt::kHeaderBytes);
  std::memcpy(table.data(), sections.data(), sections.size() * sizeof(SectionEntry));
  rt::Header header;
  header.fileBytes = file.size();
  header.sectionCount = static_cast<uint32_t>(sections.size());
  const auto count = [&](SectionKind kind) {
    return std::ranges::count(sections, static_cast<uint32_t>(kind), &SectionEntry::kind);
  };
  if (count(SectionKind::kPlan) > 1) header.requiredFeatures |= rt::kSeveralTargets;
  if (count(SectionKind::kTokens) > 0) header.requiredFeatures |= rt::kTokenTable;
  if (std::ranges::count(sections, rt::kPacked, &SectionEntry::flags) > 0) header.requiredFeatures |= rt::kPackedCode;
  header.firstSection = firstSection;
  header.tableDigest = rt::digestOf(table.data(), table.size());
  std::vector<char> head(rt::kHeaderBytes);
  std::memcpy(head.data(), &header, sizeof(header));
  header.headerDigest = rt::digestOf(head.data(), head.size());
  std::memcpy(head.data(), &header, sizeof(header));
  LLMC_TRY(file.writeAt(rt::kHeaderBytes, table.data(), table.size()));
  return file.writeAt(0, head.data(), head.size());
}

/// An existing file is replaced without --force only when it is an engine.
rt::Status EngineWriter::checkOutput(const std::string& path, bool force) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return OutputFile::checkFolder(path);
  if (!S_ISREG(info.st_mode))
    return rt::Status::error(rt::ErrorKind::kUsage, "OUT_EXISTS",
                             "output '" + rt::escaped(path) + "' is not a regular file", "name a file");
  std::array<char, rt::kEngineMagic.size()> magic{};
  std::ifstream file(path, std::ios::binary);
  file.read(magic.data(), magic.size());
  if (force || (file && magic == rt::kEngineMagic)) return OutputFile::checkFolder(path);
  return rt::Status::error(rt::ErrorKind::kUsage, "OUT_EXISTS",
                           "output '" + rt::escaped(path) + "' is there and is not an llmc engine",
                           "pass --force to replace it");
}

rt::Result<std::unique_ptr<EngineWriter>> EngineWriter::create(const std::string& path, Options options) {
  LLMC_TRY(checkOutput(path, options.force));
  auto state = std::make_unique<State>();
  state->options = options;
  LLMC_TRY(state->file.open(path));
  LLMC_TRY(state->appendZeros(kTableEnd));
  return std::unique_ptr<EngineWriter>(new EngineWriter(std::move(state)));
}

EngineWriter::EngineWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
EngineWriter::~EngineWriter() = default;

rt::Result<uint32_t> EngineWriter::beginSection(SectionKind kind, uint64_t alignment) {
  if (state_->open || state_->finished || state_->previewed)
    return misuse("a section is begun while another is open, in a preview or after the end");
  if (kind == SectionKind::kDigests) return misuse("the digest section is written by finish()");
  if (state_->sections.size() + 1 >= rt::limits::kSections) return misuse("too many sections");
  if (alignment == 0) alignment = usualAlignment(kind);
  if (!std::has_single_bit(alignment) || alignment < 64 || alignment > rt::kWeightsAlignment)
    return misuse("section alignment must be a power of two from 64 to 2 MiB");
  uint64_t offset = (state_->file.size() + alignment - 1) / alignment * alignment;
  LLMC_TRY(state_->closePadding(offset));
  if (state_->sections.empty()) state_->firstSection = offset;
  SectionEntry entry;
  entry.kind = static_cast<uint32_t>(kind);
  entry.offset = offset;
  state_->sections.push_back(entry);
  state_->open = true;
  state_->closed = false;
  return static_cast<uint32_t>(state_->sections.size() - 1);
}

rt::Status EngineWriter::append(const void* data, size_t bytes) {
  if (!state_->open) return misuse("bytes are appended outside a section");
  LLMC_TRY(state_->file.append(data, bytes));
  Stopwatch stopwatch;
  state_->digester.append(data, bytes);
  state_->digestSeconds += stopwatch.seconds();
  return rt::Status::ok();
}

rt::Status EngineWriter::appendHole(uint64_t bytes) {
  if (!state_->open) return misuse("a hole is appended outside a section");
  LLMC_TRY(state_->file.appendHole(bytes));
  static constexpr std::array<char, 65536> kZeros{};
  for (; bytes > 0; bytes -= std::min<uint64_t>(bytes, kZeros.size()))
    state_->digester.append(kZeros.data(), std::min<uint64_t>(bytes, kZeros.size()));
  return rt::Status::ok();
}

rt::Status EngineWriter::endSection() {
  if (!state_->open) return misuse("no section is open");
  state_->sections.back().size = sectionBytes();
  state_->open = false;
  return rt::Status::ok();
}

rt::Result<uint32_t> EngineWriter::addSection(SectionKind kind, std::string_view bytes, uint64_t alignment) {
  auto index = beginSection(kind, alignment);
  if (!index) return index.takeStatus();
  LLMC_TRY(append(bytes.data(), bytes.size()));
  LLMC_TRY(endSection());
  return index;
}

rt::Result<uint32_t> EngineWriter::addPackedCode(std::string_view frame) {
  // It is copied and not mapped: a page is enough.
  auto index = addSection(SectionKind::kCode, frame, rt::kPlanAlignment);
  if (index) state_->sections.back().flags = rt::kPacked;
  return index;
}

double EngineWriter::digestSeconds() const { return state_->digestSeconds; }

uint64_t EngineWriter::sectionBytes() const {
  return state_->open ? state_->file.size() - state_->sections.back().offset : 0;
}

rt::Result<std::string> EngineWriter::beginPreview() {
  if (state_->open || state_->finished || state_->previewed || state_->sections.empty())
    return misuse("a preview with an open section or with none");
  state_->previewed = true;
  LLMC_TRY(state_->writeDigests());
  LLMC_TRY(state_->writeHead());
  return state_->file.temporaryPath();
}

rt::Status EngineWriter::endPreview() {
  if (!state_->previewed) return misuse("the end of a preview that did not begin");
  state_->previewed = false;
  uint64_t end = state_->sections.back().offset;  // of the digests, which come again at the end
  state_->sections.pop_back();
  return state_->file.truncate(end);
}

rt::Status EngineWriter::finish() {
  if (state_->open || state_->finished || state_->previewed || state_->sections.empty())
    return misuse("finish() with an open section, in a preview or with no section");
  state_->finished = true;
  LLMC_TRY(state_->writeDigests());
  LLMC_TRY(state_->writeHead());
  return state_->file.commit(state_->options.durable);
}

void EngineWriter::abort() { state_->file.abort(); }

}  // namespace llmc
