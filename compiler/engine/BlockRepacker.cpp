// Works on four codes at a time: a line holds dwords of four consecutive codes, one a row.
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

}  // namespace

StorageType repackedStorage(Layout layout) {
  switch (layout) {
    case Layout::Q5N16K4Sym:
      return StorageType::Q5_0;
    case Layout::Q5N16K4Asym:
      return StorageType::Q5_1;
    case Layout::Q4KN16K4:
      return StorageType::Q4_K;
    case Layout::Q5KN16K4:
      return StorageType::Q5_K;
    case Layout::Q6KN16K4:
      return StorageType::Q6_K;
    default:
      return StorageType::F32;
  }
}

LaneFaults repackQuantBlocks(Layout layout, const std::byte* rows, int count, int64_t cols, uint8_t* panel) {
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
      bool finite = (block.scale & kHalfExponent) != kHalfExponent && (block.min & kHalfExponent) != kHalfExponent;
      if (!finite) faults |= 1u << lane;
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
