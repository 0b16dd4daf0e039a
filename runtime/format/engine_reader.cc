// Opening of engines: table, digests of every byte in parallel, plan verification, meaning, then addresses.
#include "runtime/format/engine_reader.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "runtime/base/limits.h"
#include "runtime/base/shortage.h"
#include "runtime/format/cuda_check.h"
#include "runtime/format/digest.h"
#include "runtime/format/engine_descriptor.h"
#include "runtime/format/engine_memory.h"
#include "runtime/format/engine_texts.h"
#include "runtime/format/packed_code.h"
#include "runtime/format/section_table.h"
#include "runtime/format/semantic_check.h"

namespace llmc::rt {
namespace {

bool isKind(const SectionEntry& entry, SectionKind kind) { return entry.kind == static_cast<uint32_t>(kind); }

/// Those that are read whole when the engine is opened. The tokens are left to who makes a tokenizer (EngineTexts); of
/// them, as of code, the digest alone is looked at here.
bool isSmall(const SectionEntry& entry) {
  return !isKind(entry, SectionKind::kWeights) && !isKind(entry, SectionKind::kCode) &&
         !isKind(entry, SectionKind::kDigests) && !isKind(entry, SectionKind::kTokens);
}

}  // namespace

struct EngineFile::State {
  EngineDescriptor file;
  std::string name;  ///< path, quoted, for errors
  Verify verify = Verify::kFull;
  Residency residency = Residency::kMapped;
  unsigned threads = 1;
  std::function<void(uint64_t, uint64_t)> progress;
  SectionTable table;
  std::vector<Mapping> memory;  ///< one for each section; empty for code, tokens and digests
  std::vector<Mapping> code;    ///< one for each level, empty until activated
  std::vector<const fb::Engine*> plans;
  uint32_t used = 0;  ///< index of the plan in use

  Status readAll(const ChoosePlan& choose);
  Status mapSections();
  Status checkDigests(const std::vector<bool>& wanted);
  Status checkChunk(uint32_t section, uint64_t chunk, std::vector<std::byte>& buffer);
  Status verifyPlans();
  Status choosePlan(const ChoosePlan& choose, std::vector<bool>& wanted);
  Result<Mapping> readCode(const fb::Level& level, const SectionEntry& entry);
  const fb::Engine& plan() const { return *plans[used]; }
  const SectionEntry& codeOf(const fb::Level& level) const { return table.entries[level.section()]; }
  std::string_view content(uint32_t index) const {
    return {reinterpret_cast<const char*>(memory[index].data()),
            memory[index].data() == nullptr ? 0 : table.entries[index].size};
  }
};

/// Weights are mapped (or get memory to be copied to); small sections are read into private memory, where neither a
/// later change of the file nor a fault can touch them. Code stays in the file until a level is activated.
Status EngineFile::State::mapSections() {
  for (uint32_t i = 0; i < table.entries.size(); ++i) {
    const SectionEntry& entry = table.entries[i];
    Mapping mapping;
    if (isKind(entry, SectionKind::kWeights)) {
      auto made = residency == Residency::kMapped ? Mapping::ofFile(file.get(), entry.offset, entry.padded)
                                                  : Mapping::anonymous(entry.padded, true);
      if (!made) return made.takeStatus();
      mapping = made.take();
      mapping.preferHugePages();
      mapping.keepFromChildren();
    } else if (isSmall(entry)) {
      auto made = readSmallSection(file.get(), entry);
      if (!made) return made.takeStatus();
      mapping = made.take();
    }
    memory.push_back(std::move(mapping));
  }
  return Status::ok();
}

Status EngineFile::State::checkChunk(uint32_t section, uint64_t chunk, std::vector<std::byte>& buffer) {
  const SectionEntry& entry = table.entries[section];
  bool weights = isKind(entry, SectionKind::kWeights);
  uint64_t offset = chunk * kChunkBytes, bytes = std::min(kChunkBytes, entry.padded - offset);
  std::byte* data = memory[section].data() == nullptr ? nullptr : memory[section].data() + offset;
  if (data == nullptr) {
    if (buffer.size() < bytes) buffer.resize(bytes);
    data = buffer.data();
    LLMC_TRY(readExactly(file.get(), entry.offset + offset, data, bytes));
  } else if (weights && residency == Residency::kCopied) {
    LLMC_TRY(readExactly(file.get(), entry.offset + offset, data, bytes));
    if (verify != Verify::kFull) return Status::ok();
  } else if (weights) {
#ifdef MADV_POPULATE_READ
    ::madvise(data, bytes,
              MADV_POPULATE_READ);  // one call instead of a fault every few pages; a failure costs only time
#endif
  }
  return checkChunkDigest(entry, chunk, data, bytes, table.digests[entry.firstDigest + chunk]);
}

/// Of the sections whose index is `wanted`.
Status EngineFile::State::checkDigests(const std::vector<bool>& wanted) {
  struct Task {
    uint32_t section;
    uint64_t chunk;
  };
  std::vector<Task> tasks;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < table.entries.size(); ++i) {
    const SectionEntry& entry = table.entries[i];
    bool weights = verify != Verify::kFull && isKind(entry, SectionKind::kWeights) && residency == Residency::kMapped;
    bool code = verify == Verify::kText && isKind(entry, SectionKind::kCode);
    if (!wanted[i] || isKind(entry, SectionKind::kDigests) || weights || code) continue;
    for (uint64_t chunk = 0; chunk < chunkCount(entry.padded); ++chunk) tasks.push_back({i, chunk});
    bytes += entry.padded;
  }
  // The first fault in file order is the one reported, whatever thread meets it.
  std::vector<Status> results(tasks.size());
  std::atomic<size_t> next{0}, firstFault{tasks.size()};
  std::atomic<uint64_t> done{0};
  auto work = [&](bool tells) {
    std::vector<std::byte> buffer;
    for (size_t i; (i = next.fetch_add(1)) < tasks.size() && i < firstFault.load();) {
      results[i] = checkChunk(tasks[i].section, tasks[i].chunk, buffer);
      done += std::min(kChunkBytes, table.entries[tasks[i].section].padded - tasks[i].chunk * kChunkBytes);
      if (tells && progress) progress(done, bytes);
      if (results[i].isOk()) continue;
      size_t seen = firstFault.load();
      while (i < seen && !firstFault.compare_exchange_weak(seen, i)) {
      }
    }
  };
  // A thread pays off from some 16 MiB on.
  auto extra = std::min<uint64_t>(threads - 1, bytes / (4 * kChunkBytes));
  std::vector<std::thread> pool = startThreads(extra, [&] { work(false); });
  work(true);
  for (std::thread& thread : pool) thread.join();
  return firstFault < tasks.size() ? std::move(results[firstFault]) : Status::ok();
}

Status EngineFile::State::verifyPlans() {
  plans.clear();
  for (uint32_t i = 0; i < table.entries.size(); ++i) {
    if (!isKind(table.entries[i], SectionKind::kPlan)) continue;
    const auto* bytes = reinterpret_cast<const uint8_t*>(memory[i].data());
    size_t size = table.entries[i].size;
    if (size < 16) return engineError("EN_VERIFY", "the plan has " + std::to_string(size) + " bytes");
    flatbuffers::Verifier verifier(bytes, size, limits::kFlatbufferDepth, limits::kFlatbufferTables);
    if (!fb::VerifyEngineBuffer(verifier))
      return engineError("EN_VERIFY", "the plan is not a well-formed FlatBuffer of engine.fbs");
    const fb::Engine* plan = fb::GetEngine(bytes);
    LLMC_TRY(checkPlan(*plan, table.entries));
    plans.push_back(plan);
  }
  return plans.size() == 1 ? Status::ok() : checkTogether(*plans[0], *plans[1]);
}

/// Plans are small and come first. Code and weights that the one in use does not name are not `wanted`.
Status EngineFile::State::choosePlan(const ChoosePlan& choose, std::vector<bool>& wanted) {
  std::vector<bool> isPlan;
  for (const SectionEntry& entry : table.entries) isPlan.push_back(isKind(entry, SectionKind::kPlan));
  LLMC_TRY(checkDigests(isPlan));
  LLMC_TRY(verifyPlans());
  used = choose(plans);
  for (uint32_t i = 0; i < table.entries.size(); ++i)
    wanted[i] = !isKind(table.entries[i], SectionKind::kCode) && !isKind(table.entries[i], SectionKind::kWeights);
  for (const fb::Level* level : *plan().levels()) wanted[level->section()] = true;
  for (const fb::Weight* weight : *plan().weights()) wanted[weight->section()] = true;
  return Status::ok();
}

/// What is in the opened file. Errors do not name it.
Status EngineFile::State::readAll(const ChoosePlan& choose) {
  auto read = readSectionTable(file.get(), file.bytes());
  if (!read) return read.takeStatus();
  table = read.take();
  LLMC_TRY(mapSections());
  std::vector<bool> wanted(table.entries.size(), true);
  if (choose && (table.header.requiredFeatures & kSeveralTargets) != 0) LLMC_TRY(choosePlan(choose, wanted));
  LLMC_TRY(checkDigests(wanted));
  for (uint32_t i = 0; i < memory.size(); ++i)
    if (!isKind(table.entries[i], SectionKind::kWeights) || residency == Residency::kCopied)
      LLMC_TRY(memory[i].sealReadOnly());
  return plans.empty() ? verifyPlans() : Status::ok();
}

/// Writable private memory with a level's code, unpacked. Digests are of this private copy of the section, not of the
/// file: nothing can change between the check and the use.
Result<Mapping> EngineFile::State::readCode(const fb::Level& level, const SectionEntry& entry) {
  auto stored = Mapping::anonymous(entry.padded, false);
  if (!stored) return stored;
  LLMC_TRY(readExactly(file.get(), entry.offset, stored->data(), entry.padded));
  for (uint64_t chunk = 0; chunk < chunkCount(entry.padded); ++chunk) {
    uint64_t offset = chunk * kChunkBytes;
    if (digestOf(stored->data() + offset, std::min(kChunkBytes, entry.padded - offset)) !=
        table.digests[entry.firstDigest + chunk])
      return engineError("EN_DIGEST",
                         name + ": section code changed in chunk " + std::to_string(chunk) + " since it was opened");
  }
  if ((entry.flags & kPacked) == 0) return stored;
  auto plain = Mapping::anonymous(level.plain_bytes(), false);
  if (!plain) return plain;
  if (Status status = unpackCode({stored->data(), entry.size}, {plain->data(), level.plain_bytes()}); !status)
    return engineError("EN_CODE", name + ": level '" + escaped(level.name()->string_view()) + "': " + status.message());
  return plain;
}

Result<EngineFile> EngineFile::open(const std::string& path, const OpenOptions& options) {
  auto state = std::make_unique<State>();
  state->name = "'" + escaped(path) + "'";
  state->verify = options.verify;
  state->residency = options.weights;
  state->progress = options.progress;
  state->threads = options.threads != 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  auto file = EngineDescriptor::open(path);
  if (!file) return file.takeStatus();
  state->file = file.take();
  if (Status status = state->readAll(options.choose); !status)
    return Status::error(status.kind(), status.code(), state->name + ": " + status.message(), status.hint());
  state->code.resize(state->plan().levels()->size());
  return EngineFile(std::move(state));
}

EngineFile::EngineFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
EngineFile::EngineFile(EngineFile&&) noexcept = default;
EngineFile& EngineFile::operator=(EngineFile&&) noexcept = default;
EngineFile::~EngineFile() = default;

const fb::Engine& EngineFile::plan() const { return state_->plan(); }
std::span<const fb::Engine* const> EngineFile::plans() const { return state_->plans; }
std::span<const SectionEntry> EngineFile::sections() const { return state_->table.entries; }
uint64_t EngineFile::fileBytes() const { return state_->table.header.fileBytes; }
Verify EngineFile::verified() const { return state_->verify; }

std::span<const std::byte> EngineFile::section(uint32_t index) const {
  std::string_view bytes = state_->content(index);
  return {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
}

std::string_view EngineFile::text(SectionKind kind) const {
  uint32_t before = kind == SectionKind::kExplain ? state_->used : 0;
  for (uint32_t i = 0; i < state_->table.entries.size(); ++i)
    if (isKind(state_->table.entries[i], kind) && before-- == 0) return state_->content(i);
  return {};
}

void EngineFile::usePlan(uint32_t index) {
  state_->used = index;
  state_->code.clear();
  state_->code.resize(plan().levels()->size());
}

const std::byte* EngineFile::weightAddress(uint32_t i) const {
  const fb::Weight& weight = *state_->plan().weights()->Get(i);
  return state_->memory[weight.section()].data() + weight.offset();
}

Status EngineFile::activateLevel(uint32_t level) {
  if (level >= state_->code.size())
    return Status::error(ErrorKind::kInternal, "EN_CODE", "no code level " + std::to_string(level));
  if (state_->code[level].data() != nullptr) return Status::ok();
  const fb::Level& entry = *state_->plan().levels()->Get(level);
  const SectionEntry& section = state_->codeOf(entry);
  auto made = state_->readCode(entry, section);
  if (!made) return made.takeStatus();
  Mapping image = made.take();
  if (isCuda(state_->plan())) {
    const std::string_view content(reinterpret_cast<const char*>(image.data()), codeBytes(entry, section));
    if (Status status = checkCudaCode(state_->plan(), level, content); !status)
      return engineError("EN_CODE", state_->name + ": " + status.message());
    LLMC_TRY(image.sealReadOnly());
  } else {
    LLMC_TRY(image.sealExecutable());
  }
  state_->code[level] = std::move(image);
  return Status::ok();
}

const void* EngineFile::codeAddress(uint32_t level, uint64_t offset) const {
  if (level >= state_->code.size() || state_->code[level].data() == nullptr) return nullptr;
  const fb::Level& entry = *state_->plan().levels()->Get(level);
  return offset < codeBytes(entry, state_->codeOf(entry)) ? state_->code[level].data() + offset : nullptr;
}

Status checkFile(const std::string& path) {
  auto file = EngineFile::open(path);
  return file ? Status::ok() : file.takeStatus();
}

std::string_view sectionKindName(uint32_t kind) {
  static constexpr std::string_view kNames[] = {"unknown",   "plan",     "code",     "weights",
                                                "tokenizer", "template", "defaults", "provenance",
                                                "explain",   "selftest", "digests",  "tokens"};
  return kind < std::size(kNames) ? kNames[kind] : kNames[0];
}

}  // namespace llmc::rt
