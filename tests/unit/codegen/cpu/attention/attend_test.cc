// Attention kernels, compiled for every level and run on those this machine has, against a double-precision softmax.
#include "codegen/cpu/ImageLinker.h"
#include "codegen/cpu/ObjectCompiler.h"
#include "codegen/cpu/attention/AttendKernel.h"
#include "runtime/device/cpu_features.h"
#include "runtime/format/kernel_abi.h"

#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <random>
#include <sys/mman.h>

namespace llmc {
namespace {

struct Case {
  const char *name;
  AttendShape shape;
  std::vector<std::pair<int, int>> sequences; ///< {new tokens, tokens cached before}
};

/// Code mapped read + execute for the life of the object.
class MappedImage {
public:
  explicit MappedImage(const CodeImage &image) : size_(image.bytes.size()) {
    base_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memcpy(base_, image.bytes.data(), size_);
    mprotect(base_, size_, PROT_READ | PROT_EXEC);
  }
  ~MappedImage() { munmap(base_, size_); }
  rt::KernelFn function(const CodeImage &image, llvm::StringRef name) const {
    return reinterpret_cast<rt::KernelFn>(static_cast<char *>(base_) + image.symbols.lookup(name).offset);
  }

private:
  void *base_;
  size_t size_;
};

llvm::Expected<CodeImage> buildImage(const AttendShape &shape, const Level &level, std::string &assembly) {
  mlir::DialectRegistry registry;
  registerKernelDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  KernelBuilder kernel(*module, "attend", 5, level);
  emitAttend(kernel, shape, {});
  kernel.finish();
  auto compiled = compileKernel(*module, level, true);
  if (!compiled)
    return compiled.takeError();
  assembly = compiled->listing.assembly;
  std::vector<llvm::SmallVector<char, 0>> objects;
  objects.push_back(std::move(compiled->object));
  return linkImage(objects);
}

/// A ragged step on scattered pages with random queries, keys and values.
struct Step {
  explicit Step(const Case &test) : shape(test.shape) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 1);
    int maxContext = 0, total = 0;
    for (auto [added, before] : test.sequences)
      maxContext = std::max(maxContext, added + before), total += added;
    stride = (maxContext + 15) / 16 + 1;
    int pages = stride * static_cast<int>(test.sequences.size());
    cache.assign(shape.pageBytes() * pages + 64, 0);
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
          for (int64_t d = 0; d < shape.headDim; ++d) {
            *kv(static_cast<int>(s), key, h, d, false) = static_cast<_Float16>(normal(random));
            *kv(static_cast<int>(s), key, h, d, true) = static_cast<_Float16>(normal(random));
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
  char *base() { return cache.data() + (64 - reinterpret_cast<uintptr_t>(cache.data()) % 64) % 64; }
  _Float16 *kv(int sequence, int key, int64_t head, int64_t d, bool value) {
    int64_t page = table[sequence * stride + key / 16];
    char *at = base() + page * shape.pageBytes() + kLayer * shape.layerBytes() + head * shape.headBytes();
    if (value)
      at += shape.kvHeads * shape.headBytes() + (key % 16 * shape.headDim + d) * 2;
    else
      at += (d * 16 + key % 16) * 2;
    return reinterpret_cast<_Float16 *>(at);
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
        dot += double(query[token * queryStride + head * shape.headDim + d]) * double(*kv(s, key, kvHead, d, false));
      dot *= shape.scale;
      if (shape.softcap > 0)
        dot = shape.softcap * std::tanh(dot / shape.softcap);
      scores.push_back(dot);
      largest = std::max(largest, dot);
    }
    for (double &score : scores)
      total += score = std::exp(score - largest);
    for (int key = begin; key <= here; ++key)
      for (int64_t d = 0; d < shape.headDim; ++d)
        out[d] += scores[key - begin] / total * double(*kv(s, key, kvHead, d, true));
    return out;
  }

  AttendShape shape;
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

AttendShape shapeOf(int64_t heads, int64_t kvHeads, int64_t dim, int64_t splits, int64_t window = 0, double cap = 0) {
  AttendShape shape;
  shape.heads = heads, shape.kvHeads = kvHeads, shape.headDim = dim, shape.layers = 2, shape.splits = splits;
  shape.window = window, shape.softcap = cap, shape.scale = 1.0 / std::sqrt(double(dim));
  return shape;
}

const Case kCases[] = {
    {"smol_prompt", shapeOf(9, 3, 64, 0), {{65, 0}, {1, 40}, {7, 100}, {1, 0}}},
    {"smol_long_prompt", shapeOf(9, 3, 64, 0), {{300, 0}}},
    {"smol_decode", shapeOf(9, 3, 64, 16), {{1, 0}, {1, 15}, {1, 16}, {1, 63}, {1, 64}, {1, 1200}, {2, 77}}},
    {"mha_dim80", shapeOf(3, 3, 80, 0), {{33, 5}, {1, 9}}},
    {"mha_dim80_decode", shapeOf(3, 3, 80, 16), {{1, 130}}},
    {"gqa7_dim96", shapeOf(7, 1, 96, 0), {{17, 0}, {2, 30}}},
    {"gqa7_dim96_decode", shapeOf(7, 1, 96, 16), {{1, 300}}},
    {"gqa4_dim128", shapeOf(8, 2, 128, 0), {{64, 64}}},
    {"window", shapeOf(4, 2, 64, 0, 24), {{50, 0}, {1, 90}}},
    {"window_decode", shapeOf(4, 2, 64, 16, 24), {{1, 90}, {1, 300}}},
    {"softcap", shapeOf(4, 4, 64, 0, 0, 5.0), {{20, 3}}},
};

class AttendTest : public testing::TestWithParam<std::tuple<Case, const Level *>> {};

TEST_P(AttendTest, MatchesDoubleReference) {
  const auto &[test, level] = GetParam();
  std::string assembly;
  auto image = buildImage(test.shape, *level, assembly);
  ASSERT_TRUE(bool(image)) << llvm::toString(image.takeError());
  EXPECT_EQ(assembly.find("call"), std::string::npos) << "a kernel calls a function";
  if (!rt::supportsLevel(level->name.str(), rt::detectCpuFeatures()))
    GTEST_SKIP() << "this CPU has no " << level->name.str();
  MappedImage code(*image);
  Step step(test);
  const AttendShape &shape = test.shape;
  int64_t width = shape.splits ? shape.heads * shape.splits * (shape.headDim + 2) : shape.heads * shape.headDim;
  uint64_t stride = rt::rowStrideBytes(width * 4) / 4;
  for (uint32_t workers : {1u, 3u}) {
    std::vector<float> result((step.batch.tokens + 16) * stride, std::nanf(""));
    std::vector<char> scratch(workers * attendScratchBytes(shape), char(0xff)); // NaN: nothing may leak from it
    uint64_t words[5] = {reinterpret_cast<uint64_t>(step.query.data()),
                         reinterpret_cast<uint64_t>(step.base() + Step::kLayer * shape.layerBytes()),
                         reinterpret_cast<uint64_t>(&step.batch), reinterpret_cast<uint64_t>(result.data()),
                         reinterpret_cast<uint64_t>(scratch.data())};
    for (uint32_t w = 0; w < workers; ++w)
      ASSERT_EQ(code.function(*image, "attend")(words, w, workers), 0);
    for (int token = 0; token < step.batch.tokens; ++token)
      for (int64_t head = 0; head < shape.heads; ++head) {
        auto want = step.expected(token, head);
        const float *row = result.data() + token * stride;
        auto parts = shape.splits ? merged(row, shape, head) : std::vector<double>();
        for (int64_t d = 0; d < shape.headDim; ++d) {
          double got = shape.splits ? parts[d] : row[head * shape.headDim + d];
          ASSERT_NEAR(got, want[d], 3e-5) << "token " << token << " head " << head << " d " << d;
        }
      }
    for (uint64_t i = step.batch.tokens * stride; i < result.size(); ++i)
      ASSERT_TRUE(std::isnan(result[i])) << "wrote past the last token";
  }
}

std::vector<const Level *> levels() {
  std::vector<const Level *> all;
  for (const Level &level : cpuLevels())
    all.push_back(&level);
  return all;
}

std::string caseName(const testing::TestParamInfo<std::tuple<Case, const Level *>> &info) {
  std::string name = std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param)->name.str();
  for (char &c : name)
    if (!isalnum(c))
      c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(AllLevels, AttendTest,
                         testing::Combine(testing::ValuesIn(kCases), testing::ValuesIn(levels())), caseName);

} // namespace
} // namespace llmc
