// Attention that leaves int8 rows: the same bytes as attention in floats and a kernel that quantizes its rows.
#include "codegen/cpu/KernelFamilyList.h"
#include "codegen/cpu/attention/AttendFunction.h"
#include "runtime/format/kernel_abi.h"
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"
#include <numeric>

namespace llmc {
namespace {

struct Shape {
  int64_t heads, kvHeads, dim;
  int64_t zero = 0;
  bool rounded = false, sinks = false;
  int64_t columns() const { return heads * dim; }
};

std::string qact(const Shape &s) {
  return "!llm.qact<[T, " + std::to_string(s.columns()) + "], zero = " + std::to_string(s.zero) + ">";
}

std::string attendText(const Shape &s, bool quantized) {
  std::string kv = "!llm.kv<layers = 1, heads = " + std::to_string(s.kvHeads) + ", dim = " + std::to_string(s.dim) +
                   ", page = 16>",
              row = act(s.columns()), out = quantized ? qact(s) : row;
  const std::string type = s.sinks ? ", " + param(s.heads) : "", argument = s.sinks ? ", %s: " + param(s.heads) : "";
  std::string text = "kern.func @k(%q: " + row + ", %kv: " + kv + ", %b: !llm.batch" + argument + ") -> " + out +
                     " attributes {hero = \"attend\"} {\n%a = llm.attend %q, %kv, %b" + (s.sinks ? ", %s" : "") +
                     " {layer = 0 : i64, heads = " + std::to_string(s.heads) + " : i64, scale = 0.125 : f64" +
                     (s.rounded ? ", bf16_products" : "") + "} : (" + row + ", " + kv + ", !llm.batch" + type +
                     ") -> " + row + "\n";
  if (quantized)
    text += "%i = llm.quantize %a : (" + row + ") -> " + out + "\n";
  return text + "kern.yield " + (quantized ? "%i" : "%a") + " : " + out + "\n}\n";
}

std::string quantizeText(const Shape &s) {
  return functionText({act(s.columns()), "!llm.batch"}, {qact(s)},
                      "%2 = llm.quantize %a0 : (" + act(s.columns()) + ") -> " + qact(s) +
                          "\nkern.yield %2 : " + qact(s) + "\n");
}

/// A prompt of `tokens` on pages in order, all of its context new.
struct Prompt {
  Prompt(const Shape &s, int64_t tokens)
      : step(tokens), query(tokens, s.columns() * 4), sequences(tokens, 0), pages((tokens + 15) / 16 + 1),
        starts{0, static_cast<int32_t>(tokens)}, context(static_cast<int32_t>(tokens)) {
    query.randomize(s.columns(), 5);
    std::iota(step.positions.begin(), step.positions.end(), 0);
    std::iota(pages.begin(), pages.end(), 0);
    std::vector<float> values = randomValues(static_cast<int64_t>(pages.size()) * s.kvHeads * s.dim * 32, 6);
    cache.resize(values.size() + 64);
    std::copy(values.begin(), values.end(), aligned());
    step.batch.sequences = 1;
    step.batch.blockStride = static_cast<int32_t>(pages.size());
    step.batch.tokenSeq = sequences.data();
    step.batch.queryStarts = starts;
    step.batch.contextLens = &context;
    step.batch.blockTable = pages.data();
  }
  _Float16 *aligned() {
    return reinterpret_cast<_Float16 *>((reinterpret_cast<uintptr_t>(cache.data()) + 63) / 64 * 64);
  }

  Step step;
  Rows query;
  std::vector<int32_t> sequences, pages;
  std::vector<_Float16> cache;
  int32_t starts[2], context;
};

void checkShape(const Shape &s) {
  std::vector<float> sinks = randomValues(s.heads, 8);
  for (const Level &level : instructionSets()) {
    SCOPED_TRACE(level.name.str());
    auto fused = buildKernel(attendText(s, true), level, kAttend.emit);
    ASSERT_TRUE(fused);
    if (!canRun(level))
      continue;
    auto floats = buildKernel(attendText(s, false), level, kAttend.emit);
    auto quantize = buildKernel(quantizeText(s), level, emitRowKernel);
    ASSERT_TRUE(floats && quantize);
    const int64_t bytes = static_cast<int64_t>(rt::quantizedRowBytes(s.columns()));
    for (int64_t tokens : {1, 2, 17, 100})
      for (uint32_t workers : {1u, 3u}) {
        Prompt prompt(s, tokens);
        Rows rows(tokens, s.columns() * 4), expected(tokens, bytes), got(tokens, bytes);
        std::vector<char> scratch(workers * (1 << 20) + 64);
        char *aligned = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64) % 64;
        auto attend = [&](auto &kernel, Rows &into) {
          std::vector<const void *> words = {prompt.query.base(), prompt.aligned(), &prompt.step.batch};
          if (s.sinks)
            words.push_back(sinks.data());
          words.insert(words.end(), {into.base(), aligned});
          kernel->run(words, workers);
        };
        attend(floats, rows);
        quantize->run({rows.base(), &prompt.step.batch, expected.base()}, workers);
        attend(fused, got);
        for (int64_t t = 0; t < tokens; ++t)
          ASSERT_EQ(std::memcmp(got.row<char>(t), expected.row<char>(t), bytes), 0) << "row " << t << " of " << tokens;
        ASSERT_TRUE(got.paddingIntact());
      }
  }
}

TEST(AttendQuantize, SmolLm2) { checkShape({9, 3, 64}); }
TEST(AttendQuantize, Bf16Products) { checkShape({9, 3, 64, 8, true}); }
TEST(AttendQuantize, Sinks) { checkShape({9, 3, 64, 8, false, true}); }
TEST(AttendQuantize, HeadsOf96) { checkShape({7, 1, 96, 128}); }
TEST(AttendQuantize, HeadsOf128) { checkShape({4, 2, 128, 8}); }
TEST(AttendQuantize, OddNumberOfGroups) { checkShape({3, 3, 32}); }

TEST(AttendQuantize, HeadsOf80HaveNoCode) {
  EXPECT_NE(emitError(attendText({2, 1, 80}, true), cpuLevels()[0], kAttend.emit).find("multiple of 32, found 80"),
            std::string::npos);
}

} // namespace
} // namespace llmc
