// kv_write kernels: rope and per-head norms of queries and keys, and where K and V land in the pages.
// Tests: HeadEmitter.cpp, HeadWriter.cpp.
#include "codegen/cpu/KernelFamilyList.h"
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"
#include <cmath>

namespace llmc {
namespace {

struct Shape {
  int64_t heads, kvHeads, dim, ropeDim;
  bool neox = true, norms = false, separate = false;
  bool projected = false; ///< q, k and v are the rows of a product with bias
  bool int8 = false;      ///< what the cache holds, instead of f16
  bool f32 = false;       ///< the same
  int64_t q() const { return heads * dim; }
  int64_t kv() const { return kvHeads * dim; }
  int64_t elementBytes() const { return int8 ? 1 : f32 ? 4 : 2; }
  int64_t layerBytes() const { return 2 * 16 * (kv() * elementBytes() + (int8 ? kvHeads * 4 : 0)); }
};

constexpr int64_t kLayers = 2, kLayer = 1, kInner = 32;

std::string kvType(const Shape &s) {
  return "!llm.kv<layers = 2, heads = " + std::to_string(s.kvHeads) + ", dim = " + std::to_string(s.dim) +
         ", page = 16" +
         (s.int8  ? ", kind = i8>"
          : s.f32 ? ", kind = f32>"
                  : ">");
}

/// norm (optional) and rope of %in with n columns; the result is %out.
std::string ropeText(const Shape &s, const std::string &in, const std::string &out, int64_t n,
                     const std::string &norm) {
  std::string text, x = in;
  if (s.norms) {
    text = out + "n = llm.rmsnorm " + in + ", " + norm + " {eps = 1.0e-6, segment = " + std::to_string(s.dim) +
           " : i64} : (" + act(n) + ", " + param(s.dim) + ") -> " + act(n) + "\n";
    x = out + "n";
  }
  std::string table = "!llm.weight<[260, " + std::to_string(s.ropeDim) + "], #llm.q<f32>>";
  return text + out + " = llm.rope " + x +
         ", %b, %table {rope = #llm.rope<theta = 1.0e4 : f64, dim = " + std::to_string(s.ropeDim) +
         ", style = " + (s.neox ? "neox" : "gptj") + ", scaling = none>, head_dim = " + std::to_string(s.dim) +
         " : i64} : (" + act(n) + ", !llm.batch, " + table + ") -> " + act(n) + "\n";
}

std::string sliceText(const std::string &out, int64_t total, int64_t offset, int64_t size) {
  return out + " = llm.slice %qkv {offset = " + std::to_string(offset) + " : i64, size = " + std::to_string(size) +
         " : i64} : (" + act(total) + ") -> " + act(size) + "\n";
}

std::string kernelText(const Shape &s) {
  int64_t total = s.q() + 2 * s.kv();
  std::string weight = "!llm.weight<[" + std::to_string(total) + ", " + std::to_string(kInner) + "], #llm.q<f32>>";
  std::string inputs = s.projected  ? "%x: " + act(kInner) + ", %w: " + weight + ", %bias: " + param(total)
                       : s.separate ? "%q: " + act(s.q()) + ", %k: " + act(s.kv()) + ", %v: " + act(s.kv())
                                    : "%qkv: " + act(total);
  std::string text = "kern.func @k(" + inputs + ", %kv: " + kvType(s) + ", %b: !llm.batch, %table: !llm.weight<[260, " +
                     std::to_string(s.ropeDim) + "], #llm.q<f32>>, %qw: " + param(s.dim) + ", %kw: " + param(s.dim) +
                     ") -> " + act(s.q()) + " attributes {hero = \"" + (s.projected ? "linear" : "kv_write") +
                     "\"} {\n";
  if (s.projected)
    text += "%qkv = llm.linear %x, %w, %bias : (" + act(kInner) + ", " + weight + ", " + param(total) + ") -> " +
            act(total) + "\n";
  if (!s.separate)
    text += sliceText("%q", total, 0, s.q()) + sliceText("%k", total, s.q(), s.kv()) +
            sliceText("%v", total, s.q() + s.kv(), s.kv());
  text += ropeText(s, "%q", "%qr", s.q(), "%qw") + ropeText(s, "%k", "%kr", s.kv(), "%kw");
  return text + "llm.kv_write %kv, %kr, %v, %b {layer = 0 : i64} : (" + kvType(s) + ", " + act(s.kv()) + ", " +
         act(s.kv()) + ", !llm.batch) -> ()\nkern.yield %qr : " + act(s.q()) + "\n}\n";
}

/// One run's memory: inputs, cache (poisoned), result.
struct Run {
  Run(const Shape &s, int64_t tokens)
      : shape(s), step(tokens), qkv(tokens, (s.q() + 2 * s.kv()) * 4), q(tokens, s.q() * 4), k(tokens, s.kv() * 4),
        v(tokens, s.kv() * 4), result(tokens, s.q() * 4), table(ropeTable(1000, s.ropeDim, 1e4)),
        qw(randomValues(s.dim, 8)), kw(randomValues(s.dim, 9)) {
    int64_t pages = (tokens * 3 + 5) / 16 + 1;
    cache.assign(pages * kLayers * s.layerBytes(), '\xff');
    table.resize(table.size() + 1024);
    qkv.randomize(s.q() + 2 * s.kv(), 3);
    if (s.projected)
      project();
    for (int64_t t = 0; t < tokens; ++t) {
      const float *row = qkv.row<float>(t);
      std::copy(row, row + s.q(), q.row<float>(t));
      std::copy(row + s.q(), row + s.q() + s.kv(), k.row<float>(t));
      std::copy(row + s.q() + s.kv(), row + s.q() + 2 * s.kv(), v.row<float>(t));
    }
  }

  std::vector<const void *> args() {
    std::vector<const void *> list;
    if (shape.projected)
      list = {x.base(), packed(), bias.data()};
    else if (shape.separate)
      list = {q.base(), k.base(), v.base()};
    else
      list = {qkv.base()};
    for (const void *word : std::initializer_list<const void *>{cache.data() + kLayer * shape.layerBytes(), &step.batch,
                                                                table.data(), qw.data(), kw.data(), result.base()})
      list.push_back(word);
    if (shape.projected)
      list.push_back(scratch.base());
    return list;
  }

  /// The packed weight, 64-byte aligned.
  float *packed() { return reinterpret_cast<float *>((reinterpret_cast<uintptr_t>(weights.data()) + 63) / 64 * 64); }

  /// qkv = x * w^T + bias in double; w packed as panels of 16 rows.
  void project() {
    const int64_t total = shape.q() + 2 * shape.kv();
    std::vector<float> w = randomValues(total * kInner, 10);
    for (int64_t n = 0; n < total; ++n)
      for (int64_t i = 0; i < kInner; ++i)
        packed()[(n / 16 * kInner + i) * 16 + n % 16] = w[n * kInner + i];
    bias = randomValues(total, 11);
    x.randomize(kInner, 12);
    for (int64_t t = 0; t < step.batch.tokens; ++t)
      for (int64_t n = 0; n < total; ++n) {
        double sum = bias[n];
        for (int64_t i = 0; i < kInner; ++i)
          sum += double(w[n * kInner + i]) * double(x.at(t, i));
        qkv.at(t, n) = static_cast<float>(sum);
      }
  }

  Matrix expected(Rows &rows, int64_t n, const std::vector<float> &norm) {
    Matrix x;
    for (int32_t t = 0; t < step.batch.tokens; ++t)
      x.emplace_back(rows.row<float>(t), rows.row<float>(t) + n);
    if (shape.norms)
      x = rmsnorm(x, asDouble(norm), 1e-6, shape.dim);
    return rope(x, step.positions, shape.dim, shape.ropeDim, 1e4, shape.neox);
  }

  /// Byte offset of one cached element.
  int64_t place(int64_t t, int64_t head, int64_t d, bool value) const {
    int64_t slot = step.slots[t], size = shape.elementBytes(), headBytes = shape.dim * 16 * size;
    int64_t at = layer(slot) + head * headBytes + (value ? shape.kvHeads * headBytes : 0);
    if (shape.int8) // words of four tokens of V, of four dimensions of K
      return at + (value ? (slot % 16 / 4 * shape.dim + d) * 4 + slot % 4 : (d / 4 * 16 + slot % 16) * 4 + d % 4);
    return value ? at + (slot % 16 * shape.dim + d) * size : at + (d * 16 + slot % 16) * size;
  }
  int64_t layer(int64_t slot) const { return (slot / 16 * kLayers + kLayer) * shape.layerBytes(); }
  /// That of the scale of a head (int8).
  int64_t scalePlace(int64_t t, int64_t head, bool value) const {
    int64_t slot = step.slots[t], elements = 2 * 16 * shape.kv();
    return layer(slot) + elements + ((value ? shape.kvHeads : 0) + head) * 64 + slot % 16 * 4;
  }

  Shape shape;
  Step step;
  Rows qkv, q, k, v, result;
  Rows x{step.batch.tokens, kInner * 4};
  std::vector<float> weights = std::vector<float>(shape.projected ? (shape.q() + 2 * shape.kv()) * kInner + 1040 : 16);
  std::vector<float> table, qw, kw, bias;
  Rows scratch{0, 64 * 65536 / 16}; ///< 16 rows of padding: 64 KiB for each of 64 workers
  std::vector<char> cache;
};

/// A cached element, and how far it may be off besides rounding in proportion.
std::pair<double, double> decodedHalf(const Run &run, int64_t at) {
  _Float16 half;
  std::memcpy(&half, run.cache.data() + at, 2);
  return {double(half), 0};
}

std::pair<double, double> decodedFloat(const Run &run, int64_t at) {
  float value;
  std::memcpy(&value, run.cache.data() + at, 4);
  return {double(value), 0};
}

std::pair<double, double> decodedInt8(const Run &run, int64_t t, int64_t head, int64_t at, bool value) {
  float scale;
  std::memcpy(&scale, run.cache.data() + run.scalePlace(t, head, value), 4);
  auto codeAt = [&](int64_t place) { // those of keys are stored + 128
    return value ? int(static_cast<signed char>(run.cache[place]))
                 : int(static_cast<unsigned char>(run.cache[place])) - 128;
  };
  // The scale must be that of the head's largest value: one code of it is 127.
  int most = 0;
  for (int64_t d = 0; d < run.shape.dim; ++d)
    most = std::max(most, std::abs(codeAt(run.place(t, head, d, value))));
  EXPECT_EQ(most, 127);
  return {codeAt(at) * double(scale), 0.501 * double(scale)};
}

void checkRun(Run &run) {
  const Shape &s = run.shape;
  Matrix queries = run.expected(run.q, s.q(), run.qw), keys = run.expected(run.k, s.kv(), run.kw);
  std::vector<char> touched(run.cache.size(), 0);
  for (int64_t t = 0; t < run.step.batch.tokens; ++t) {
    for (int64_t i = 0; i < s.q(); ++i)
      ASSERT_NEAR(run.result.at(t, i), queries[t][i], 1e-5) << "q " << t << " " << i;
    for (int64_t i = 0; i < s.kv(); ++i)
      for (bool value : {false, true}) {
        int64_t at = run.place(t, i / s.dim, i % s.dim, value);
        double expected = value ? double(run.v.at(t, i)) : keys[t][i];
        auto [got, tolerance] = s.int8  ? decodedInt8(run, t, i / s.dim, at, value)
                                : s.f32 ? decodedFloat(run, at)
                                        : decodedHalf(run, at);
        std::fill_n(touched.begin() + at, s.elementBytes(), 1);
        const double rounding = s.f32 ? 0 : 1e-3; // of f16; f32 has none beside that of the kernel's sums
        ASSERT_NEAR(got, expected, tolerance + rounding * std::fabs(expected) + 1e-5)
            << (value ? "v " : "k ") << t << " " << i;
        if (s.int8)
          std::fill_n(touched.begin() + run.scalePlace(t, i / s.dim, value), 4, 1);
      }
  }
  for (size_t i = 0; i < touched.size(); ++i)
    ASSERT_TRUE(touched[i] || run.cache[i] == '\xff') << "byte " << i << " of the cache belongs to no token";
  ASSERT_TRUE(run.result.paddingIntact());
}

void checkShape(const Shape &s) {
  for (const Level &level : instructionSets()) {
    SCOPED_TRACE(level.name.str() + " heads of " + std::to_string(s.dim));
    auto kernel = buildKernel(kernelText(s), level, s.projected ? kMatmul.emit : kKvWrite.emit);
    ASSERT_TRUE(kernel);
    if (!canRun(level))
      continue;
    for (int64_t tokens : {1, 2, 7, 16, 17, 33})
      for (uint32_t workers : {1u, 2u, 3u, 4u, 64u}) {
        SCOPED_TRACE("T = " + std::to_string(tokens) + ", workers = " + std::to_string(workers));
        Run run(s, tokens);
        kernel->run(run.args(), workers);
        checkRun(run);
        if (::testing::Test::HasFatalFailure())
          return;
      }
  }
}

TEST(KvWrite, SmolLm2) { checkShape({9, 3, 64, 64}); }
TEST(KvWrite, PerHeadNorms) { checkShape({4, 2, 128, 128, true, true}); }
TEST(KvWrite, HeadsOf80) {
  checkShape({2, 1, 80, 80});
  checkShape({2, 2, 80, 32});
}
TEST(KvWrite, HeadsOf96) { checkShape({3, 1, 96, 96, true, true}); }
TEST(KvWrite, Gptj) { checkShape({2, 1, 64, 64, false}); }
TEST(KvWrite, SeparateInputs) { checkShape({4, 1, 64, 64, true, false, true}); }

constexpr Shape projected(Shape s) {
  s.projected = true;
  return s;
}

constexpr Shape int8(Shape s) {
  s.int8 = true;
  return s;
}

constexpr Shape f32(Shape s) {
  s.f32 = true;
  return s;
}

TEST(KvWrite, F32) {
  checkShape(f32({9, 3, 64, 64}));
  checkShape(f32({2, 1, 80, 80}));
}
TEST(KvWrite, F32AfterTheProduct) { checkShape(f32(projected({4, 2, 128, 128, true, true}))); }

TEST(KvWrite, Int8) {
  checkShape(int8({9, 3, 64, 64}));
  checkShape(int8({2, 1, 80, 80}));
}
TEST(KvWrite, Int8AfterTheProduct) { checkShape(int8(projected({9, 3, 64, 64}))); }

TEST(KvWrite, AfterTheProduct) { checkShape(projected({9, 3, 64, 64})); }
TEST(KvWrite, AfterTheProductWithNorms) { checkShape(projected({4, 2, 128, 128, true, true})); }
TEST(KvWrite, AfterTheProductHeadsOf80) { checkShape(projected({2, 1, 80, 80})); }

TEST(KvWrite, AfterTheProductHeadsOf40HaveNoCode) {
  EXPECT_NE(emitError(kernelText(projected({2, 1, 40, 40})), cpuLevels()[0], kMatmul.emit).find("multiple of 16"),
            std::string::npos);
}

TEST(KvWrite, ACacheOfBf16HasNoCode) {
  std::string text = kernelText(f32({2, 1, 64, 64}));
  for (size_t at; (at = text.find("kind = f32")) != std::string::npos;)
    text.replace(at, 10, "kind = bf16");
  EXPECT_NE(emitError(text, cpuLevels()[0], kKvWrite.emit).find("has no code on the CPU for a cache of bf16"),
            std::string::npos);
}

TEST(KvWrite, HeadsOf40HaveNoCode) {
  EXPECT_NE(emitError(kernelText({2, 1, 40, 40}), cpuLevels()[0], kKvWrite.emit).find("multiple of 16"),
            std::string::npos);
}

} // namespace
} // namespace llmc
