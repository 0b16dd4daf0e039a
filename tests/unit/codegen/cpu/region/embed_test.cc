// llm.embed over every packed weight type.
#include "codegen/registry/PackedLayout.h"
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"

namespace llmc {
namespace {

constexpr int64_t kVocabulary = 40; // not a multiple of 16: the last panel is padded

/// A random table in `layout`, packed by the scalar reference.
std::vector<uint8_t> packedTable(Layout layout, int64_t columns) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0, 1);
  QuantFormat format = quantFormat(layout);
  auto groups = [&](int64_t size) { return kVocabulary * ((columns + size - 1) / size); };
  std::vector<int32_t> codes(kVocabulary * columns);
  std::vector<uint16_t> scales(groups(format.group)), mins(groups(32)), blocks(groups(256)), blockMins(groups(256));
  for (int32_t &code : codes) {
    float value = normal(random);
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    switch (layout) {
    case Layout::F16N16:
      code = f32ToF16(value);
      break;
    case Layout::BF16N16K2:
      code = bits >> 16;
      break;
    case Layout::Q8N16K4:
      code = static_cast<int32_t>(random() % 255) - 127;
      break;
    case Layout::F32N16:
      code = static_cast<int32_t>(bits);
      break;
    default:
      code = static_cast<int32_t>(random() % (1 << format.bits));
    }
  }
  for (uint16_t &scale : scales)
    scale = format.byteScales ? random() % (layout == Layout::Q6KN16K4 ? 256 : 64)
                              : f32ToF16(0.1f + (random() % 100) * 0.01f);
  for (uint16_t &min : mins)
    min = format.byteScales ? random() % 64 : f32ToF16(static_cast<float>(random() % 100) * -0.01f);
  for (auto *table : {&blocks, &blockMins})
    for (uint16_t &half : *table)
      half = f32ToF16(0.001f + (random() % 100) * 0.0001f);
  std::vector<uint8_t> packed(packedBytes(layout, kVocabulary, columns));
  packReference(layout,
                {kVocabulary, columns, codes.data(), scales.data(), mins.data(), blocks.data(), blockMins.data()},
                packed.data());
  return packed;
}

void checkEmbed(Layout layout, const std::string &quant, int64_t columns, double scale) {
  SCOPED_TRACE(quant + " x " + std::to_string(columns));
  std::vector<uint8_t> table = packedTable(layout, columns);
  std::string weight = "!llm.weight<[40, " + std::to_string(columns) + "], #llm.q<" + quant + ">>";
  std::string body = "%r = llm.embed %a0, %a1 {scale = " + std::to_string(scale) + "} : (!llm.batch, " + weight +
                     ") -> " + act(columns) + "\nkern.yield %r : " + act(columns) + "\n";
  checkRows({functionText({"!llm.batch", weight}, {act(columns)}, body, "embed"),
             {Arg::batch(), Arg::packed(table)},
             columns,
             false,
             2e-7,
             {},
             [=](const std::vector<Matrix> &, const Step &step) {
               Matrix y;
               for (int32_t id : step.ids) {
                 std::vector<double> &row = y.emplace_back();
                 for (int64_t c = 0; c < columns; ++c)
                   row.push_back(scale * double(unpackElement(layout, table.data(), columns, id, c)));
               }
               return y;
             }});
}

TEST(Embed, Floats) {
  for (int64_t columns : {64, 72, 50}) {
    checkEmbed(Layout::F32N16, "f32", columns, 1.0);
    checkEmbed(Layout::F16N16, "f16", columns, 1.0);
    checkEmbed(Layout::BF16N16K2, "bf16", columns, 2.5);
  }
}

TEST(Embed, UpperBitsAndByteScales) {
  for (int64_t columns : {64, 96, 512}) {
    checkEmbed(Layout::Q5N16K4Sym, "i5, 32, sym", columns, 1.0);
    checkEmbed(Layout::Q5N16K4Asym, "i5, 32, asym", columns, 1.0);
    checkEmbed(Layout::Q4KN16K4, "i4, 32, asym, k256", columns, 0.5);
    checkEmbed(Layout::Q5KN16K4, "i5, 32, asym, k256", columns, 1.0);
    checkEmbed(Layout::Q6KN16K4, "i6, 16, sym, k256", columns, 1.0);
  }
}

TEST(Embed, Quantized) {
  for (int64_t columns : {64, 160, 72}) {
    checkEmbed(Layout::Q8N16K4, "i8, 32, sym", columns, 1.0);
    checkEmbed(Layout::Q4N16K4Sym, "i4, 32, sym", columns, 1.0);
    checkEmbed(Layout::Q4N16K4Asym, "i4, 32, asym", columns, 0.5);
  }
}

} // namespace
} // namespace llmc
