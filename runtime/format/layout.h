// Fixed parts of an engine file: header and section table, little endian, as written on disk.
//
//   0        Header (4096 bytes, zero filled)
//   4096     SectionEntry[section_count]
//   ...      sections, each at a multiple of its alignment; gaps are zero and inside the previous section's digest
//   range
//
// One target: one PLAN. Two targets (kSeveralTargets): a PLAN for the CPU, then one for CUDA, each with its own CODE
// and WEIGHTS, which it names by index, and an EXPLAIN for each in the same order; all other sections are of both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace llmc::rt {

inline constexpr std::array<char, 8> kEngineMagic = {'L', 'L', 'M', 'C', 'E', 'N', 'G', '\n'};
inline constexpr uint16_t kFormatMajor = 1;
inline constexpr uint16_t kFormatMinor = 0;
inline constexpr uint64_t kHeaderBytes = 4096;
inline constexpr uint64_t kPlanAlignment = 4096;
inline constexpr uint64_t kCodeAlignment = 65536;
inline constexpr uint64_t kWeightsAlignment = 2u << 20;  ///< on a CPU; those for a device start at any page
/// Digest granule of large sections: one XXH3-128 for each 4 MiB, so that a fault names where it is.
inline constexpr uint64_t kChunkBytes = 4u << 20;
/// Bits of Header.requiredFeatures.
inline constexpr uint64_t kSeveralTargets = 1;  ///< more than one PLAN
inline constexpr uint64_t kTokenTable = 2;      ///< a TOKENS section; TOKENIZER is of no use without it
inline constexpr uint64_t kPackedCode = 4;      ///< a section with kPacked
inline constexpr uint64_t kKnownFeatures = kSeveralTargets | kTokenTable | kPackedCode;
/// Bit of SectionEntry.flags, of CODE for CUDA alone: one zstd frame, which holds as many bytes as its level says.
inline constexpr uint32_t kPacked = 1;
/// Zero bytes kept after the last weight: kernels prefetch and read this far past a weight's end.
inline constexpr uint64_t kWeightsTailBytes = 4096;

enum class SectionKind : uint32_t {
  kPlan = 1,        ///< flatbuffer of engine.fbs, one for each target
  kCode = 2,        ///< position-independent image of one CPU level
  kWeights = 3,     ///< packed weights
  kTokenizer = 4,   ///< tokenizer.json; without vocabulary and merges where there is a kTokens
  kTemplate = 5,    ///< chat template, Jinja source
  kDefaults = 6,    ///< JSON: sampling defaults
  kProvenance = 7,  ///< JSON: what the engine was made from and by
  kExplain = 8,     ///< JSON: why each kernel is what it is, one for each plan (optional)
  kSelftest = 9,    ///< JSON: golden tokens (optional); of the CPU where that is a target
  kDigests = 10,    ///< XXH3-128 chunk digests of every other section, in table order
  kTokens = 11,     ///< vocabulary and merges as a flat table, made by the library of runtime/text
};

struct Digest128 {
  uint64_t low = 0, high = 0;
  bool operator==(const Digest128&) const = default;
};

struct SectionEntry {
  uint32_t kind = 0;         ///< SectionKind
  uint32_t flags = 0;        ///< kPacked
  uint64_t offset = 0;       ///< from the start of the file
  uint64_t size = 0;         ///< bytes of content
  uint64_t padded = 0;       ///< bytes up to the next section or the end of the file; the rest is zero
  uint64_t firstDigest = 0;  ///< index of its first chunk digest; digests cover `padded` bytes
  Digest128 digest;          ///< of its chunk digests (kDigests: of its padded bytes)
};
static_assert(sizeof(SectionEntry) == 56);

struct Header {
  std::array<char, 8> magic = kEngineMagic;
  uint16_t major = kFormatMajor;
  uint16_t minor = kFormatMinor;
  uint32_t headerBytes = kHeaderBytes;
  uint64_t fileBytes = 0;
  uint64_t requiredFeatures = 0;  ///< an unknown bit: refused
  uint64_t optionalFeatures = 0;  ///< an unknown bit: ignored
  uint32_t sectionCount = 0;
  uint32_t reserved = 0;
  uint64_t firstSection = 0;  ///< offset of the first section; table and padding before it are digested
  Digest128 tableDigest;      ///< of bytes [4096, firstSection)
  Digest128 headerDigest;     ///< of the 4096 header bytes with this field zero; keep last
};
static_assert(sizeof(Header) == 88 && offsetof(Header, headerDigest) == 72);

}  // namespace llmc::rt
