// Shapes and steps that attention kernels are tested with.
#pragma once

#include "codegen/cpu/attention/AttendShape.h"
#include <cmath>
#include <gtest/gtest.h>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace llmc {

struct Case {
  const char *name;
  AttendShape shape;
  std::vector<std::pair<int, int>> sequences; ///< {new tokens, tokens cached before}
  bool sinks = false;                         ///< of llm.attend, one logit a head
};

/// Below, among and far above the scores; the last one leaves nothing of a row.
inline float sinkOf(int64_t head) {
  constexpr float kLogits[] = {-1, 0.5, 2, 12, 200};
  return kLogits[head % 5];
}

inline AttendShape shapeOf(int64_t heads, int64_t kvHeads, int64_t dim, int64_t splits, int64_t window = 0,
                           double cap = 0) {
  AttendShape shape;
  shape.heads = heads, shape.kvHeads = kvHeads, shape.headDim = dim, shape.layers = 2, shape.splits = splits;
  shape.window = window, shape.softcap = cap, shape.scale = 1.0 / std::sqrt(double(dim));
  return shape;
}

inline AttendShape rounded(AttendShape shape) {
  shape.bf16Products = true;
  return shape;
}

inline AttendShape int8(AttendShape shape) {
  shape.int8Cache = true;
  return shape;
}

inline AttendShape f32(AttendShape shape) {
  shape.f32Cache = true;
  return shape;
}

inline const Case kCases[] = {
    {"smol_prompt", shapeOf(9, 3, 64, 0), {{65, 0}, {1, 40}, {7, 100}, {1, 0}}},
    {"smol_long_prompt", shapeOf(9, 3, 64, 0), {{300, 0}}},
    {"smol_decode", shapeOf(9, 3, 64, 16), {{1, 0}, {1, 15}, {1, 16}, {1, 63}, {1, 64}, {1, 1200}, {2, 77}}},
    // Many sequences that decode, long beside short, a prompt between them: heads of a sequence go to different
    // workers.
    {"smol_decoders", shapeOf(9, 3, 64, 0), {{1, 700}, {1, 0}, {1, 63}, {5, 10}, {1, 64}, {1, 127}, {1, 15}, {1, 300}}},
    {"mha_dim80_decoders", shapeOf(5, 5, 80, 0), {{1, 90}, {1, 200}, {1, 3}}},
    {"window_decoders", shapeOf(4, 2, 64, 0, 100), {{1, 350}, {1, 20}, {1, 163}, {1, 164}}},
    {"mha_dim80", shapeOf(3, 3, 80, 0), {{33, 5}, {1, 9}}},
    {"mha_dim80_decode", shapeOf(3, 3, 80, 16), {{1, 130}}},
    {"gqa7_dim96", shapeOf(7, 1, 96, 0), {{17, 0}, {2, 30}}},
    {"gqa7_dim96_decode", shapeOf(7, 1, 96, 16), {{1, 300}}},
    {"gqa4_dim128", shapeOf(8, 2, 128, 0), {{64, 64}}},
    {"gqa2_long_decode", shapeOf(4, 2, 64, 16), {{1, 7200}}}, // heads are dealt
    {"window", shapeOf(4, 2, 64, 0, 24), {{50, 0}, {1, 90}}},
    {"window_decode", shapeOf(4, 2, 64, 16, 24), {{1, 90}, {1, 300}}},
    {"softcap", shapeOf(4, 4, 64, 0, 0, 5.0), {{20, 3}}},
    {"sinks_smol", shapeOf(9, 3, 64, 0), {{65, 0}, {1, 40}, {7, 100}, {1, 0}, {1, 500}}, true},
    {"sinks_window_softcap", shapeOf(5, 5, 80, 0, 24, 5.0), {{50, 0}, {1, 90}}, true},
};

/// Integer products: every form of them, tails of pages and blocks, heads that are no multiple of 32 or 64, groups that
/// no tile holds.
inline const Case kInt8Cases[] = {
    {"int8_smol_prompt", int8(shapeOf(9, 3, 64, 0)), {{65, 0}, {1, 40}, {7, 100}, {1, 0}, {1, 500}, {2, 61}, {3, 62}}},
    {"int8_smol_decode", int8(shapeOf(9, 3, 64, 16)), {{1, 0}, {1, 15}, {1, 16}, {1, 63}, {1, 64}, {1, 1200}, {2, 77}}},
    {"int8_mha_dim80_decode", int8(shapeOf(3, 3, 80, 16)), {{1, 333}}},
    {"int8_mha_dim80", int8(shapeOf(3, 3, 80, 0)), {{133, 5}, {1, 9}}},
    {"int8_gqa7_dim96", int8(shapeOf(7, 1, 96, 0)), {{17, 0}, {2, 30}, {1, 64}}},
    {"int8_gqa4_dim128_decode", int8(shapeOf(8, 2, 128, 16)), {{1, 700}, {1, 3}}},
    {"int8_gqa2_dim16_long_decode", int8(shapeOf(4, 2, 16, 16)), {{1, 7200}}}, // whole parts are
    {"int8_gqa4_dim128", int8(shapeOf(8, 2, 128, 0)), {{64, 64}, {1, 129}}},
    {"int8_gqa5_dim256", int8(shapeOf(5, 1, 256, 0)), {{9, 20}, {1, 70}}},
    {"int8_gqa11_dim16", int8(shapeOf(22, 2, 16, 0)), {{20, 50}, {1, 66}}},
    {"int8_window", int8(shapeOf(4, 2, 64, 0, 24)), {{50, 0}, {1, 90}}},
    {"int8_window_decode", int8(shapeOf(4, 2, 64, 16, 24)), {{1, 90}, {1, 300}}},
    {"int8_softcap", int8(shapeOf(4, 4, 64, 0, 0, 5.0)), {{20, 3}, {1, 80}}},
    {"int8_sinks", int8(shapeOf(9, 3, 64, 0)), {{65, 0}, {1, 40}, {7, 100}, {1, 0}, {1, 500}}, true},
};

/// Every tail of a tile of 12 rows, of a block of 64 keys and of an item, with factors that may be bf16. At a level
/// with bf16 and at one without, which ignores the permission.
inline const Case kRoundedCases[] = {
    {"bf16_smol_prompt", rounded(shapeOf(9, 3, 64, 0)), {{65, 0}, {1, 40}, {7, 100}, {1, 0}, {2, 61}, {3, 62}}},
    {"bf16_smol_long_prompt", rounded(shapeOf(9, 3, 64, 0)), {{300, 0}, {129, 171}}},
    {"bf16_mha_dim80", rounded(shapeOf(3, 3, 80, 0)), {{233, 5}, {1, 9}}},
    {"bf16_gqa7_dim96", rounded(shapeOf(7, 1, 96, 0)), {{17, 0}, {2, 30}, {71, 64}}},
    {"bf16_gqa4_dim128", rounded(shapeOf(8, 2, 128, 0)), {{64, 64}, {65, 0}}},
    {"bf16_gqa32_dim16", rounded(shapeOf(32, 1, 16, 0)), {{20, 50}}},
    {"bf16_gqa200_dim16", rounded(shapeOf(200, 1, 16, 0)), {{3, 63}}},
    {"bf16_window", rounded(shapeOf(4, 2, 64, 0, 24)), {{50, 0}, {1, 90}, {150, 70}}},
    {"bf16_wide_window", rounded(shapeOf(2, 2, 64, 0, 200)), {{500, 30}}},
    {"bf16_softcap", rounded(shapeOf(4, 4, 64, 0, 0, 5.0)), {{20, 3}, {90, 10}}},
    {"bf16_sinks", rounded(shapeOf(4, 2, 64, 0)), {{65, 0}, {1, 40}, {50, 100}}, true},
    {"bf16_int8_smol_prompt",
     int8(rounded(shapeOf(9, 3, 64, 0))),
     {{65, 0}, {1, 40}, {7, 100}, {1, 0}, {2, 61}, {3, 62}}},
    {"bf16_int8_mha_dim80", int8(rounded(shapeOf(3, 3, 80, 0))), {{233, 5}, {1, 9}}},
};

/// An f32 cache goes the way of an f16 one with other loads: each form of that, and the permission of bf16 products,
/// which it ignores.
inline const Case kFloatCases[] = {
    {"f32_smol_prompt", f32(shapeOf(9, 3, 64, 0)), {{65, 0}, {1, 40}, {7, 100}, {1, 0}, {1, 500}}},
    {"f32_smol_decode", f32(shapeOf(9, 3, 64, 16)), {{1, 0}, {1, 15}, {1, 16}, {1, 64}, {1, 1200}, {2, 77}}},
    {"f32_mha_dim80", f32(shapeOf(3, 3, 80, 0)), {{33, 5}, {1, 9}}},
    {"f32_gqa4_dim128_decode", f32(shapeOf(8, 2, 128, 16)), {{1, 300}, {1, 3}}},
    {"f32_window", f32(rounded(shapeOf(4, 2, 64, 0, 24))), {{50, 0}, {1, 90}}},
};

/// With an f16 cache VNNI changes nothing, so the levels that add only that are left out; with an int8 one bf16 does
/// not.
inline std::vector<const Level *> levels(bool int8) {
  std::vector<const Level *> all;
  for (const Level &level : instructionSets())
    if (int8 ? !level.bf16 : !level.vnni || level.bf16)
      all.push_back(&level);
  return all;
}

inline std::string caseName(const testing::TestParamInfo<std::tuple<Case, const Level *>> &info) {
  std::string name = std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param)->name.str();
  for (char &c : name)
    if (!isalnum(c))
      c = '_';
  return name;
}

} // namespace llmc
