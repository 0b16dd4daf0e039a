// Reading of small sections: into private memory, where neither a later change of the file nor a fault can touch them.
#include "runtime/format/engine_texts.h"

#include <algorithm>

#include "runtime/base/limits.h"
#include "runtime/format/digest.h"
#include "runtime/format/engine_descriptor.h"
#include "runtime/format/engine_reader.h"
#include "runtime/format/section_table.h"

namespace llmc::rt {

Result<Mapping> readSmallSection(int fd, const SectionEntry& entry) {
  const bool plan = entry.kind == static_cast<uint32_t>(SectionKind::kPlan);
  const uint64_t limit = plan ? limits::kPlanBytes : limits::kTokenizerBytes;
  if (entry.padded > limit + kWeightsAlignment || entry.size > limit)
    return engineError("EN_TOO_LARGE", "section " + std::string(sectionKindName(entry.kind)) + " has " +
                                           std::to_string(entry.padded) + " bytes, at most " + std::to_string(limit));
  auto memory = Mapping::anonymous(entry.padded, false);
  if (!memory) return memory;
  LLMC_TRY(readExactly(fd, entry.offset, memory->data(), entry.padded));
  return memory;
}

Status checkChunkDigest(const SectionEntry& entry, uint64_t chunk, const void* data, uint64_t bytes,
                        const Digest128& expected) {
  if (digestOf(data, bytes) == expected) return Status::ok();
  const uint64_t from = entry.offset + chunk * kChunkBytes;
  return engineError("EN_DIGEST", "section " + std::string(sectionKindName(entry.kind)) + " is damaged in chunk " +
                                      std::to_string(chunk) + " (bytes " + std::to_string(from) + " to " +
                                      std::to_string(from + bytes) + " of the file)");
}

namespace {

Result<Mapping> readChecked(int fd, const SectionTable& table, const SectionEntry& entry) {
  auto memory = readSmallSection(fd, entry);
  if (!memory) return memory;
  for (uint64_t chunk = 0; chunk < chunkCount(entry.padded); ++chunk) {
    const uint64_t offset = chunk * kChunkBytes, bytes = std::min(kChunkBytes, entry.padded - offset);
    LLMC_TRY(checkChunkDigest(entry, chunk, memory->data() + offset, bytes, table.digests[entry.firstDigest + chunk]));
  }
  LLMC_TRY(memory->sealReadOnly());
  return memory;
}

}  // namespace

Result<EngineTexts> EngineTexts::read(const std::string& path, std::initializer_list<SectionKind> kinds) {
  auto file = EngineDescriptor::open(path);
  LLMC_TRY(file.status());
  const auto named = [&](const Status& status) {
    return Status::error(status.kind(), status.code(), "'" + escaped(path) + "': " + status.message(), status.hint());
  };
  auto table = readSectionTable(file->get(), file->bytes());
  if (!table) return named(table.status());
  EngineTexts texts;
  for (const SectionKind kind : kinds) {
    const auto entry = std::find_if(table->entries.begin(), table->entries.end(),
                                    [&](const SectionEntry& e) { return e.kind == static_cast<uint32_t>(kind); });
    if (entry == table->entries.end()) continue;
    auto memory = readChecked(file->get(), *table, *entry);
    if (!memory) return named(memory.status());
    texts.parts_.push_back({kind, memory.take(), entry->size});
  }
  return texts;
}

std::string_view EngineTexts::text(SectionKind kind) const {
  for (const Part& part : parts_)
    if (part.kind == kind) return {reinterpret_cast<const char*>(part.memory.data()), part.size};
  return {};
}

}  // namespace llmc::rt
