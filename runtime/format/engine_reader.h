// Opens engine files: checks every byte and every index once, then hands out addresses that need no further checks.
#pragma once

#include "runtime/base/status.h"
#include "runtime/format/engine_generated.h"
#include "runtime/format/layout.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace llmc::rt {

/// kFull: digests of all bytes. kLazy: all but the weights; the start is faster and damaged weights go unseen. kText:
/// code neither, whose digest activateLevel() checks in any case.
enum class Verify : uint8_t { kFull, kLazy, kText };
/// kMapped: weights are the file's page cache, shared between processes. kCopied: private copy in huge pages, immune to
/// later changes of the file; faster to walk.
enum class Residency : uint8_t { kMapped, kCopied };

/// Of the checked plans of an engine for several targets: the index of the one to use.
using ChoosePlan = std::function<uint32_t(std::span<const fb::Engine* const>)>;

struct OpenOptions {
  Verify verify = Verify::kFull;
  Residency weights = Residency::kMapped;
  unsigned threads = 0;  ///< for digests; 0: all hardware threads
  /// Asked when there are several plans; code and weights of the others are then neither read nor verified. None: all
  /// is verified, and the first plan is in use.
  ChoosePlan choose = {};
  /// Told how many bytes of how many have been read and verified, by the thread that calls open(), after each chunk of
  /// its own.
  std::function<void(uint64_t done, uint64_t total)> progress = {};
};

/// An open engine. Once open() is ok: all tables, vectors and names of the plan marked (required) in engine.fbs are
/// there, and every index, range and product in it is valid (semantic_check.h). Addresses live as long as the object.
class EngineFile {
 public:
  /// Errors: EN_MAGIC, EN_VERSION (78), EN_TRUNCATED, EN_TRAILING, EN_TOO_LARGE, EN_ALIGN, EN_DIGEST, EN_VERIFY,
  /// EN_SEMANTIC, EN_PLAN, EN_CODE; EN_MISSING (66), EN_IO (74).
  static Result<EngineFile> open(const std::string& path, const OpenOptions& options = {});
  EngineFile(EngineFile&&) noexcept;
  EngineFile& operator=(EngineFile&&) noexcept;
  ~EngineFile();

  /// The plan in use.
  const fb::Engine& plan() const;
  /// One for each target; of two, the CPU's and then CUDA's.
  std::span<const fb::Engine* const> plans() const;
  /// From here on plan(), levels, weights and the explanation are those of plans()[index]; levels have to be activated
  /// again. Requires: index < plans().size(), and no OpenOptions::choose.
  void usePlan(uint32_t index);
  std::span<const SectionEntry> sections() const;
  /// Content of section `index`, without padding; empty for code and tokens. Requires: index < sections().size().
  std::span<const std::byte> section(uint32_t index) const;
  /// Content of the first section of `kind`, of kExplain the one of the plan in use; empty when there is none.
  std::string_view text(SectionKind kind) const;
  /// Requires: i < plan().weights()->size(). 64-byte aligned; 4 KiB past the end are readable.
  const std::byte* weightAddress(uint32_t i) const;

  /// Copies the code of level `level` to private memory, checks its digest there, and makes it read+execute; cubins
  /// and PTX, which are a driver's input, are unpacked, made read-only and must be whole and of the kernels that the
  /// plan names. Errors: EN_DIGEST, EN_CODE.
  Status activateLevel(uint32_t level);
  /// Address of `offset` in the image of an activated level; null when it is not activated or offset is outside.
  const void* codeAddress(uint32_t level, uint64_t offset) const;

  uint64_t fileBytes() const;
  Verify verified() const;

 private:
  struct State;
  explicit EngineFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// `--check`: a full open without running anything.
Status checkFile(const std::string& path);

/// "plan", "code", ...; "unknown" for kinds of later formats.
std::string_view sectionKindName(uint32_t kind);

}  // namespace llmc::rt
