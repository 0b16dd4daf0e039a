// Attention kernels, compiled for every level and run on those this machine has, against a double-precision softmax.
// Tests: AttendEmitter.cpp, AttendShape.cpp, AttendTiles.cpp, Bf16AttendEmitter.cpp, Bf16AttendTiles.cpp,
// CodeProducts.cpp, Int16AttendEmitter.cpp, Int16AttendTiles.cpp, Int8AttendTiles.cpp, PairAttendEmitter.cpp.
#include "codegen/cpu/ImageLinker.h"
#include "codegen/cpu/ObjectCompiler.h"
#include "codegen/cpu/attention/AttendKernel.h"
#include "runtime/device/cpu_features.h"
#include "runtime/format/kernel_abi.h"
#include "tests/unit/codegen/cpu/attention/attend_cases.h"
#include "tests/unit/codegen/cpu/attention/called_elsewhere.h"
#include "tests/unit/codegen/cpu/attention/mapped_image.h"

#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <atomic>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>

namespace llmc {
namespace {

/// `assembly` is filled where it is not null; LLVM writes it in a run of its own.
llvm::Expected<CodeImage> buildImage(const Case &test, const Level &level, std::string *assembly) {
  mlir::DialectRegistry registry;
  registerKernelDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  KernelBuilder kernel(*module, "attend", test.sinks ? 6 : 5, level);
  AttendArguments arguments;
  if (test.sinks)
    arguments.sinks = 5;
  emitAttend(kernel, test.shape, arguments);
  kernel.finish();
  auto compiled = compileKernel(*module, level, assembly != nullptr);
  if (!compiled)
    return compiled.takeError();
  if (assembly)
    *assembly = compiled->listing.assembly;
  std::vector<llvm::SmallVector<char, 0>> objects;
  objects.push_back(std::move(compiled->object));
  return linkImage(objects);
}

/// A ragged step on scattered pages with random queries, keys and values.
struct Step {
  explicit Step(const Case &test) : shape(test.shape), sinks(test.sinks) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 1);
    int maxContext = 0, total = 0;
    for (auto [added, before] : test.sequences)
      maxContext = std::max(maxContext, added + before), total += added;
    stride = (maxContext + 15) / 16 + 1;
    int pages = stride * static_cast<int>(test.sequences.size());
    cache.assign(shape.pageBytes() * pages + 64, char(0xff)); // NaN where no key has been written
    std::vector<int> order(pages);
    for (int i = 0; i < pages; ++i)
      order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    table.assign(order.begin(), order.end());
    starts.push_back(0);
    for (size_t s = 0; s < test.sequences.size(); ++s) {
      auto [added, before] = test.sequences[s];
      contexts.push_back(added + before);
      for (int i = 0; i < added; ++i)
        positions.push_back(before + i), sequenceOf.push_back(static_cast<int>(s));
      starts.push_back(starts.back() + added);
      for (int key = 0; key < added + before; ++key)
        for (int64_t h = 0; h < shape.kvHeads; ++h)
          for (bool value : {false, true}) {
            if (shape.int8Cache) // the largest code stands for 3 deviations or so, differently for each token and head
              *scale(static_cast<int>(s), key, h, value) = static_cast<float>(0.02 + 0.01 * (key % 3));
            for (int64_t d = 0; d < shape.headDim; ++d)
              set(static_cast<int>(s), key, h, d, value, normal(random));
          }
    }
    queryStride = rt::rowStrideBytes(shape.heads * shape.headDim * 4) / 4;
    query.resize((total + 16) * queryStride);
    for (float &q : query)
      q = normal(random);
    batch.tokens = total;
    batch.rows = 0;
    batch.sequences = static_cast<int>(test.sequences.size());
    batch.blockStride = stride;
    batch.positions = positions.data();
    batch.tokenSeq = sequenceOf.data();
    batch.queryStarts = starts.data();
    batch.contextLens = contexts.data();
    batch.blockTable = table.data();
  }

  static constexpr int64_t kLayer = 1; // of two: the offset must count
  char *layer() { return base() + kLayer * shape.layerBytes(); }
  char *base() { return cache.data() + (64 - reinterpret_cast<uintptr_t>(cache.data()) % 64) % 64; }
  char *page(int sequence, int key) {
    return base() + table[sequence * stride + key / 16] * shape.pageBytes() + kLayer * shape.layerBytes();
  }
  char *element(int sequence, int key, int64_t head, int64_t d, bool value) {
    int64_t size = shape.elementBytes(), headBytes = shape.headDim * 16 * size;
    char *at = page(sequence, key) + head * headBytes + (value ? shape.kvHeads * headBytes : 0);
    if (shape.int8Cache) // words of four tokens of V, of four dimensions of K
      return at + (value ? (key % 16 / 4 * shape.headDim + d) * 4 + key % 4 : (d / 4 * 16 + key % 16) * 4 + d % 4);
    return at + (value ? key % 16 * shape.headDim + d : d * 16 + key % 16) * size;
  }
  float *scale(int sequence, int key, int64_t head, bool value) {
    int64_t elements = 2 * shape.kvHeads * shape.headDim * 16;
    return reinterpret_cast<float *>(page(sequence, key) + elements + ((value ? shape.kvHeads : 0) + head) * 64) +
           key % 16;
  }
  void set(int sequence, int key, int64_t head, int64_t d, bool value, float x) {
    char *at = element(sequence, key, head, d, value);
    if (shape.int8Cache)
      *at = static_cast<char>(std::clamp(std::lround(x / *scale(sequence, key, head, value)), -127l, 127l) +
                              (value ? 0 : 128));
    else if (shape.f32Cache)
      *reinterpret_cast<float *>(at) = x;
    else
      *reinterpret_cast<_Float16 *>(at) = static_cast<_Float16>(x);
  }
  double kv(int sequence, int key, int64_t head, int64_t d, bool value) {
    char *at = element(sequence, key, head, d, value);
    if (shape.int8Cache) {
      int code = value ? int(static_cast<signed char>(*at)) : int(static_cast<unsigned char>(*at)) - 128;
      return code * double(*scale(sequence, key, head, value));
    }
    return shape.f32Cache ? double(*reinterpret_cast<float *>(at)) : double(*reinterpret_cast<_Float16 *>(at));
  }

  std::vector<double> expected(int token, int64_t head) {
    int s = sequenceOf[token], here = positions[token];
    int begin = shape.window ? std::max<int>(0, here - static_cast<int>(shape.window) + 1) : 0;
    std::vector<double> scores, out(shape.headDim, 0.0);
    double largest = -1e300, total = 0;
    int64_t kvHead = head / shape.group();
    for (int key = begin; key <= here; ++key) {
      double dot = 0;
      for (int64_t d = 0; d < shape.headDim; ++d)
        dot += double(query[token * queryStride + head * shape.headDim + d]) * kv(s, key, kvHead, d, false);
      dot *= shape.scale;
      if (shape.softcap > 0)
        dot = shape.softcap * std::tanh(dot / shape.softcap);
      scores.push_back(dot);
      largest = std::max(largest, dot);
    }
    for (double &score : scores)
      total += score = std::exp(score - largest);
    if (sinks)
      total += std::exp(double(sinkOf(head)) - largest);
    for (int key = begin; key <= here; ++key)
      for (int64_t d = 0; d < shape.headDim; ++d)
        out[d] += scores[key - begin] / total * kv(s, key, kvHead, d, true);
    return out;
  }

  AttendShape shape;
  bool sinks;
  int stride = 0;
  uint64_t queryStride = 0;
  std::vector<char> cache;
  std::vector<int32_t> table, starts, contexts, positions, sequenceOf;
  std::vector<float> query;
  rt::Batch batch;
};

/// Merges the parts of (token, head) as the next kernel's prologue does.
std::vector<double> merged(const float *row, const AttendShape &shape, int64_t head) {
  double largest = -1e300, total = 0;
  std::vector<double> out(shape.headDim, 0.0);
  auto part = [&](int64_t i) { return row + (head * shape.splits + i) * (shape.headDim + 2); };
  for (int64_t i = 0; i < shape.splits; ++i)
    largest = std::max<double>(largest, part(i)[shape.headDim]);
  for (int64_t i = 0; i < shape.splits; ++i) {
    double weight = std::exp(part(i)[shape.headDim] - largest);
    total += weight * part(i)[shape.headDim + 1];
    for (int64_t d = 0; d < shape.headDim; ++d)
      out[d] += weight * part(i)[d];
  }
  for (double &v : out)
    v /= total;
  return out;
}

/// Runs the kernel as `workers` in turn would, or as `only` one of them; rows of the result, 16 more than tokens, NaN
/// where nothing was written. No `taken`: equal shares.
std::vector<float> runStep(rt::KernelFn kernel, const AttendShape &shape, const float *query, char *cache,
                           const rt::Batch &batch, uint32_t workers, std::atomic<uint32_t> *taken = nullptr,
                           std::optional<uint32_t> only = {}) {
  int64_t width = shape.splits ? shape.heads * shape.splits * (shape.headDim + 2) : shape.heads * shape.headDim;
  std::vector<float> result((batch.tokens + 16) * rt::rowStrideBytes(width * 4) / 4, std::nanf(""));
  std::vector<char> scratch(workers * attendScratchBytes(shape), char(0xff)); // NaN: nothing may leak from it
  std::vector<float> sinks;
  for (int64_t head = 0; head < shape.heads; ++head)
    sinks.push_back(sinkOf(head));
  uint64_t words[6] = {reinterpret_cast<uint64_t>(query),          reinterpret_cast<uint64_t>(cache),
                       reinterpret_cast<uint64_t>(&batch),         reinterpret_cast<uint64_t>(result.data()),
                       reinterpret_cast<uint64_t>(scratch.data()), reinterpret_cast<uint64_t>(sinks.data())};
  for (uint32_t w = only.value_or(0); w < (only ? *only + 1 : workers); ++w)
    EXPECT_EQ(kernel(words, w, workers, taken), 0);
  return result;
}

class AttendTest : public testing::TestWithParam<std::tuple<Case, const Level *>> {
protected:
  bool runs() { return rt::supportsLevel(std::get<1>(GetParam())->name.str(), rt::detectCpuFeatures()); }

  /// Compiles the case's kernel, once for all tests; null when this CPU cannot run it.
  rt::KernelFn compile(std::string *assembly = nullptr) {
    struct Built {
      std::string assembly;
      std::unique_ptr<MappedImage> code;
      rt::KernelFn function = nullptr;
    };
    static std::map<std::pair<std::string, std::string>, Built> all;
    const auto &[test, level] = GetParam();
    auto [at, isNew] = all.try_emplace({test.name, level->name.str()});
    Built &built = at->second;
    if (isNew) {
      auto image = buildImage(test, *level, &built.assembly);
      if (!image) {
        ADD_FAILURE() << llvm::toString(image.takeError());
        return nullptr;
      }
      if (runs()) {
        built.code = std::make_unique<MappedImage>(*image);
        built.function = built.code->function(*image, "attend");
      }
    }
    if (assembly)
      *assembly = built.assembly;
    return built.function;
  }
};

TEST_P(AttendTest, MatchesDoubleReference) {
  const auto &[test, level] = GetParam();
  std::string assembly;
  rt::KernelFn kernel = compile(&assembly);
  EXPECT_EQ(calledElsewhere(assembly), "") << "a kernel calls a function that is not its own";
  EXPECT_EQ(assembly.find("vdpbf16ps") != std::string::npos, usesBf16(test.shape, *level));
  if (!kernel)
    GTEST_SKIP() << "this CPU has no " << level->name.str();
  Step step(test);
  const AttendShape &shape = test.shape;
  int64_t width = shape.splits ? shape.heads * shape.splits * (shape.headDim + 2) : shape.heads * shape.headDim;
  uint64_t stride = rt::rowStrideBytes(width * 4) / 4;
  const bool bf16 = usesBf16(shape, *level), int16 = usesInt16(shape, *level);
  double squares = 0, count = 0;
  std::vector<std::vector<double>> exact;
  for (int token = 0; token < step.batch.tokens; ++token)
    for (int64_t head = 0; head < shape.heads; ++head)
      exact.push_back(step.expected(token, head));
  for (uint32_t workers : {1u, 3u}) {
    std::vector<float> result = runStep(kernel, shape, step.query.data(), step.layer(), step.batch, workers);
    for (int token = 0; token < step.batch.tokens; ++token) {
      int s = step.sequenceOf[token];
      bool single = step.starts[s + 1] - step.starts[s] == 1;
      for (int64_t head = 0; head < shape.heads; ++head) {
        const std::vector<double> &want = exact[static_cast<size_t>(token * shape.heads + head)];
        const float *row = result.data() + token * stride;
        auto parts = shape.splits ? merged(row, shape, head) : std::vector<double>();
        for (int64_t d = 0; d < shape.headDim; ++d) {
          double got = shape.splits ? parts[d] : row[head * shape.headDim + d];
          // Values are N(0, 1): a few sigma of them, rounded by 2^-9 at most, with weights off by two such roundings.
          // With an int8 cache the values are exact, but weights are rounded by 2^-15 of the largest, and scores, of
          // which queries of 3 deviations are rounded by 2^-16 of those, are off by as much.
          const double integers = shape.int8Cache ? 4 * std::exp2(-14) : 3e-5;
          // Integers of 16 bits: of 64 dimensions or more 12 bits and a sign, weights of 12 bits.
          const double tolerance = single ? integers : bf16 ? 4 * std::exp2(-8) : int16 ? std::exp2(-9) : integers;
          ASSERT_NEAR(got, want[d], tolerance) << "token " << token << " head " << head << " d " << d;
          squares += (got - want[d]) * (got - want[d]), ++count;
        }
      }
    }
    for (uint64_t i = step.batch.tokens * stride; i < result.size(); ++i)
      ASSERT_TRUE(std::isnan(result[i])) << "wrote past the last token";
  }
  if (shape.int8Cache && !bf16)
    EXPECT_LT(std::sqrt(squares / count), std::exp2(-15)) << "errors do not average out"; // 1.2e-5 to 2e-5
  if (int16) {
    EXPECT_LT(std::sqrt(squares / count), 0.3 * std::exp2(-11)) << "errors do not average out";
    EXPECT_GT(std::sqrt(squares / count), 1e-5) << "nothing is rounded";
  }
  if (bf16) {
    EXPECT_LT(std::sqrt(squares / count), 0.3 * std::exp2(-8)) << "errors do not average out";
    EXPECT_GT(std::sqrt(squares / count), 1e-5) << "nothing is rounded";
  }
}

/// Bit for bit: the rows of the first sequence, alone and cut in other steps, by other numbers of workers;
/// all of them where some items are dealt.
TEST_P(AttendTest, RowsDoNotDependOnNeighbours) {
  const auto &[test, level] = GetParam();
  if (test.shape.splits)
    GTEST_SKIP() << "splits depend on the sequence's length";
  if (!runs())
    GTEST_SKIP() << "this CPU has no " << level->name.str();
  rt::KernelFn kernel = compile();
  ASSERT_NE(kernel, nullptr);
  Step step(test);
  const AttendShape &shape = test.shape;
  uint64_t stride = rt::rowStrideBytes(shape.heads * shape.headDim * 4) / 4;
  std::vector<float> whole = runStep(kernel, shape, step.query.data(), step.layer(), step.batch, 1);
  auto same = [&](const std::vector<float> &rows, int from, int count) {
    const uint64_t values = (count - 1) * stride + shape.heads * shape.headDim;
    return std::memcmp(rows.data(), whole.data() + from * stride, values * sizeof(float)) == 0;
  };
  int tokens = step.starts[1];
  for (uint32_t workers : {1u, 2u, 5u})
    for (int piece : {tokens, 1, 2, 19, 64}) {
      for (int from = 0; from < tokens; from += piece) {
        int count = std::min(piece, tokens - from);
        if (count == 1 && tokens > 1 && (usesBf16(shape, *level) || usesInt16(shape, *level)))
          continue; // f32 by design
        int32_t starts[] = {0, count}, context = step.positions[from] + count;
        rt::Batch batch = step.batch;
        batch.tokens = count, batch.sequences = 1;
        batch.positions = step.positions.data() + from, batch.queryStarts = starts, batch.contextLens = &context;
        std::vector<float> part =
            runStep(kernel, shape, step.query.data() + from * step.queryStride, step.layer(), batch, workers);
        ASSERT_TRUE(same(part, from, count)) << "tokens " << from << " + " << count << ", " << workers << " workers";
      }
    }
  std::atomic<uint32_t> taken = 0; // and the last quarter of each prompt, whoever takes it
  auto dealt = runStep(kernel, shape, step.query.data(), step.layer(), step.batch, 3, &taken);
  EXPECT_TRUE(same(dealt, 0, step.batch.tokens));
  EXPECT_EQ(taken > 3, step.batch.tokens > step.batch.sequences) << "all three ask until none is left";
}

TEST_P(AttendTest, EachHeadOfATokenIsComputedOnceWhereSomeAreDealt) {
  const auto &[test, level] = GetParam();
  const AttendShape &shape = test.shape;
  if (shape.splits || !runs())
    GTEST_SKIP() << "parts, or this CPU has no " << level->name.str();
  Step step(test);
  const uint64_t stride = rt::rowStrideBytes(shape.heads * shape.headDim * 4) / 4;
  std::vector<int> times(step.batch.tokens * shape.heads), once(times.size(), 1);
  for (uint32_t worker = 0; worker < 3; ++worker) {
    std::atomic<uint32_t> taken = worker == 1 ? 0 : 1 << 20; // for the others all of it is taken
    auto rows = runStep(compile(), shape, step.query.data(), step.layer(), step.batch, 3, &taken, worker);
    for (size_t i = 0; i < times.size(); ++i)
      times[i] += !std::isnan(rows[i / shape.heads * stride + i % shape.heads * shape.headDim]);
  }
  EXPECT_EQ(times, once);
}

/// A short block fetches no more of the next one than it has keys, so only the last one of a context may be short.
TEST_P(AttendTest, PartsAreWholeBlocks) {
  const auto &[test, level] = GetParam();
  const AttendShape &shape = test.shape;
  if (!shape.splits || shape.window > 0)
    GTEST_SKIP() << "no parts, or some before the window";
  rt::KernelFn kernel = compile();
  if (!kernel)
    GTEST_SKIP() << "this CPU has no " << level->name.str();
  Step step(test);
  std::vector<float> result = runStep(kernel, shape, step.query.data(), step.layer(), step.batch, 3);
  std::atomic<uint32_t> taken = 0; // and the last quarter of a long one is the same bit for bit, whoever takes it
  auto dealt = runStep(kernel, shape, step.query.data(), step.layer(), step.batch, 3, &taken);
  EXPECT_EQ(std::memcmp(dealt.data(), result.data(), result.size() * sizeof(float)), 0);
  EXPECT_EQ(taken > 3, llvm::StringRef(test.name).ends_with("_long_decode")) << "all three ask until none is left";
  const uint64_t stride = rt::rowStrideBytes(shape.heads * shape.splits * (shape.headDim + 2) * 4) / 4;
  for (int token = 0; token < step.batch.tokens; ++token) {
    const int64_t length = step.positions[token] + 1;
    const int64_t unit = ((length + shape.splits - 1) / shape.splits + 63) / 64 * 64;
    for (int64_t part = 0; part < shape.heads * shape.splits; ++part) {
      const float total = result[token * stride + part * (shape.headDim + 2) + shape.headDim + 1];
      EXPECT_EQ(total > 0, part % shape.splits * unit < length) << length << " keys, part " << part;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllLevels, AttendTest,
                         testing::Combine(testing::ValuesIn(kCases), testing::ValuesIn(levels(false))), caseName);
INSTANTIATE_TEST_SUITE_P(F32, AttendTest,
                         testing::Combine(testing::ValuesIn(kFloatCases), testing::ValuesIn(levels(false))), caseName);
INSTANTIATE_TEST_SUITE_P(Int8, AttendTest,
                         testing::Combine(testing::ValuesIn(kInt8Cases), testing::ValuesIn(levels(true))), caseName);
INSTANTIATE_TEST_SUITE_P(Rounded, AttendTest,
                         testing::Combine(testing::ValuesIn(kRoundedCases),
                                          testing::Values(findLevel("x86-64-v3"), findLevel("x86-64-v3-avxvnni"),
                                                          findLevel("x86-64-v4-vnni"),
                                                          findLevel("x86-64-v4-vnni-bf16"))),
                         caseName);

} // namespace
} // namespace llmc
