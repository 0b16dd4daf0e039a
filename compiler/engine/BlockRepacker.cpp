// Works on four codes at a time: a line holds dwords of four consecutive codes, one a row. For tensor cores on two at a
// time: a lane's dword has pairs of neighbours in its halves.
#include "compiler/engine/BlockRepacker.h"

#include <cstring>

#include "compiler/import/QuantBlock.h"

namespace llmc {
namespace {

constexpr uint16_t kHalfExponent = 0x7c00;

template <typename T>
void put(uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof(value));
}

/// Lane `lane` of one group of 32 columns: `lines` are its nibbles, `upper` what lies above them.
void storeCodes(const uint8_t* codes, int64_t upperBits, int lane, uint8_t* lines, uint8_t* upper) {
  uint32_t tops[2] = {0, 0};
  uint32_t words[8];
  std::memcpy(words, codes, sizeof(words));
  for (int step = 0; step < 8; ++step) {
    int64_t at = step * upperBits;
    tops[at / 8] |= (words[step] >> 4 & (upperBits == 1 ? 0x01010101u : 0x03030303u)) << at % 8;
  }
  for (int line = 0; line < 4; ++line)
    put(lines + line * kLineBytes + lane * 4, (words[line] & 0x0f0f0f0fu) | (words[line + 4] & 0x0f0f0f0fu) << 4);
  for (int64_t line = 0; line < upperBits; ++line) put(upper + line * kLineBytes + lane * 4, tops[line]);
}

class PanelWriter {
 public:
  PanelWriter(Layout layout, int64_t cols, uint8_t* panel)
      : layout_(layout), format_(quantFormat(layout)), panel_(panel), blocks_(panel + headerBytes(layout, cols)) {}

  /// Group `group` of a row: the codes and numbers of part `part` of `block`.
  void group(const QuantBlock& block, int64_t group, int64_t part, int lane) {
    uint8_t* superblock = blocks_ + group / 2 * superblockBytes(layout_);
    int64_t half = group % 2;
    storeCodes(block.codes + part * kQuantGroup, upperLines(layout_), lane,
               superblock + half * codeLines(layout_) * kLineBytes, superblock + upperOffset(layout_, half));
    uint8_t* scales = superblock + scalesOffset(layout_);
    uint8_t* mins = superblock + minsOffset(layout_) + (half * kPanelRows + lane) * scaleBytes(layout_);
    if (!format_.byteScales) {
      put(scales + (half * kPanelRows + lane) * 2, block.scale);
      if (format_.asymmetric) put(mins, block.min);
      return;
    }
    int64_t perGroup = kQuantGroup / format_.group;
    for (int64_t i = 0; i < perGroup; ++i)
      scales[(half * perGroup + i) * kPanelRows + lane] = block.scales[part * perGroup + i];
    if (format_.asymmetric) *mins = block.mins[part];
  }

  /// The f16 numbers of block `index` of a row. The min is subtracted in the file and added here.
  void header(const QuantBlock& block, int64_t index, int lane) {
    uint8_t* at = panel_ + index * headerBlockBytes(layout_) + lane * 2;
    put(at, block.scale);
    if (format_.asymmetric) put(at + 2 * kPanelRows, static_cast<uint16_t>(block.min ^ 0x8000u));
  }

 private:
  Layout layout_;
  QuantFormat format_;
  uint8_t *panel_, *blocks_;
};

/// Panels in the order of mma fragments. Works on 16 rows at once: a lane has codes of two.
class FragmentWriter {
 public:
  explicit FragmentWriter(Layout layout)
      : layout_(layout), bits_(upperLines(layout)), columns_(superblockCols(layout)) {}

  /// Columns [32 group, 32 group + 32) of the panel at `panel`: part `part` of each row's block.
  void group(const QuantBlock (&rows)[kPanelRows], int64_t group, int64_t part, uint8_t* panel) const {
    uint8_t* block = panel + group * kQuantGroup / columns_ * superblockBytes(layout_);
    const int64_t within = group * kQuantGroup % columns_ / kQuantGroup;
    for (int64_t g = 0; g < 8; ++g)
      for (int64_t t = 0; t < 4; ++t) {
        uint32_t nibbles[2] = {0, 0}, upper = 0;
        for (int64_t step = 0; step < 2; ++step)
          for (int64_t pair = 0; pair < 4; ++pair) {
            const uint32_t two = pairOf(rows[g + pair % 2 * 8], part * kQuantGroup + step * 16 + pair / 2 * 8 + t * 2);
            nibbles[step] |= (two & 0x000f000fu) << 4 * pair;
            upper |= (two >> 4 & 0x00030003u) << bits_ * (step * 4 + pair);
          }
        const int64_t lane = g * 4 + t;
        uint8_t* run = block + within / 2 * kFragmentBytes + lane * 16 + within % 2 * 8;
        put(run, nibbles[0]);
        put(run + 4, nibbles[1]);
        if (bits_ > 0) storeUpper(upper, block + columns_ / 64 * kFragmentBytes + lane * columns_ * bits_ / 16, within);
      }
    for (int64_t lane = 0; lane < kPanelRows; ++lane)
      storeScales(rows[lane], part, lane, group * kQuantGroup % columns_, block);
  }

 private:
  static uint32_t pairOf(const QuantBlock& row, int64_t k) { return row.codes[k] | uint32_t{row.codes[k + 1]} << 16; }

  /// Of group `within` of a superblock: a dword of 2 bits a code, half of each half of one of 1 bit.
  void storeUpper(uint32_t upper, uint8_t* lane, int64_t within) const {
    if (bits_ == 2) return put(lane + within * 4, upper);
    uint8_t* word = lane + within / 2 * 4 + within % 2;
    word[0] = static_cast<uint8_t>(upper);
    word[2] = static_cast<uint8_t>(upper >> 16);
  }

  /// Of one row's 32 columns from column `col` of the superblock on.
  void storeScales(const QuantBlock& row, int64_t part, int64_t lane, int64_t col, uint8_t* block) const {
    const QuantFormat format = quantFormat(layout_);
    if (!format.byteScales) {
      put(block + scalePlace(layout_, columns_, lane, col), row.scale);
      if (format.asymmetric) put(block + minPlace(layout_, columns_, lane, col), row.min);
      return;
    }
    const int64_t perGroup = kQuantGroup / format.group, header = headerPlace(layout_, columns_, lane, col);
    for (int64_t i = 0; i < perGroup; ++i)
      block[scalePlace(layout_, columns_, lane, col + i * format.group)] = row.scales[part * perGroup + i];
    put(block + header, row.scale);
    if (!format.asymmetric) return;
    block[minPlace(layout_, columns_, lane, col)] = row.mins[part];
    put(block + header + headerMinStep(layout_), static_cast<uint16_t>(row.min ^ 0x8000u));
  }

  Layout layout_;
  int64_t bits_, columns_;
};

bool isFinite(const QuantBlock& block) {
  return (block.scale & kHalfExponent) != kHalfExponent && (block.min & kHalfExponent) != kHalfExponent;
}

LaneFaults repackToFragments(Layout layout, const std::byte* rows, int count, int64_t cols, uint8_t* panel) {
  const StorageType storage = repackedStorage(layout);
  const int64_t length = blockLength(storage), blocks = cols / length, parts = length / kQuantGroup;
  FragmentWriter writer(layout);
  LaneFaults faults = 0;
  QuantBlock read[kPanelRows];
  const auto clear = [&](QuantBlock& block) {
    block = {};
    if (quantFormat(layout).byteScales) block.min = 0x8000;  // stored negated: 0
    std::memset(block.codes, static_cast<int>(quantFormat(layout).zero), sizeof(block.codes));
  };
  for (int lane = count; lane < kPanelRows; ++lane) clear(read[lane]);
  for (int64_t index = 0; index < blocks; ++index) {
    for (int lane = 0; lane < count; ++lane) {
      readQuantBlock(storage, rows + (lane * blocks + index) * blockBytes(storage), read[lane]);
      if (!isFinite(read[lane])) faults |= 1u << lane;
    }
    for (int64_t part = 0; part < parts; ++part) writer.group(read, index * parts + part, part, panel);
  }
  for (QuantBlock& block : read) clear(block);
  for (int64_t group = blocks * parts; group < paddedCols(layout, cols) / kQuantGroup; ++group)
    writer.group(read, group, 0, panel);
  return faults;
}

}  // namespace

StorageType repackedStorage(Layout layout) {
  switch (layout) {
    case Layout::Q5N16K4Sym:
    case Layout::Q5M16K64Sym:
      return StorageType::Q5_0;
    case Layout::Q5N16K4Asym:
    case Layout::Q5M16K64Asym:
      return StorageType::Q5_1;
    case Layout::Q4KN16K4:
    case Layout::Q4KM16K128:
      return StorageType::Q4_K;
    case Layout::Q5KN16K4:
    case Layout::Q5KM16K128:
      return StorageType::Q5_K;
    case Layout::Q6KN16K4:
    case Layout::Q6KM16K128:
      return StorageType::Q6_K;
    default:
      return StorageType::F32;
  }
}

LaneFaults repackQuantBlocks(Layout layout, const std::byte* rows, int count, int64_t cols, uint8_t* panel) {
  if (isFragment(layout)) return repackToFragments(layout, rows, count, cols, panel);
  StorageType storage = repackedStorage(layout);
  int64_t length = blockLength(storage), blocks = cols / length;
  std::memset(panel, 0, static_cast<size_t>(panelBytes(layout, cols)));
  PanelWriter writer(layout, cols, panel);
  LaneFaults faults = 0;
  QuantBlock block, zeros;
  std::memset(zeros.codes, static_cast<int>(quantFormat(layout).zero), sizeof(zeros.codes));
  for (int lane = 0; lane < kPanelRows; ++lane) {
    for (int64_t index = 0; lane < count && index < blocks; ++index, rows += blockBytes(storage)) {
      readQuantBlock(storage, rows, block);
      if (!isFinite(block)) faults |= 1u << lane;
      for (int64_t part = 0; part < length / kQuantGroup; ++part)
        writer.group(block, index * (length / kQuantGroup) + part, part, lane);
      if (quantFormat(layout).byteScales) writer.header(block, index, lane);
    }
    int64_t first = lane < count ? blocks * length / kQuantGroup : 0;
    for (int64_t group = first; group < paddedCols(layout, cols) / kQuantGroup; ++group)
      writer.group(zeros, group, 0, lane);
  }
  return faults;
}

}  // namespace llmc
