// llm-evaluate: the oracle as a pass, so that a lit test can show that what ran before it changed nothing.
#include "dialects/Reference/EvaluatePass.h"

#include "dialects/Kern/KernDialect.h"
#include "dialects/Reference/Interpreter.h"
#include "dialects/Reference/RandomWeights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/Format.h"

#include <algorithm>
#include <cmath>

namespace llmc::reference {
using namespace mlir;

namespace {

/// The cache of the function's !llm.kv argument; an empty one without.
KvCache makeCache(func::FuncOp func, int64_t pages) {
  for (Type type : func.getArgumentTypes())
    if (auto kv = ::llvm::dyn_cast<llm::KvType>(type))
      return KvCache(kv.getLayers(), kv.getHeads(), kv.getDim(), kv.getPage(), pages);
  return {};
}

/// Rows of the table that the first llm.embed reads; token ids stay below.
int64_t vocabulary(ModuleOp module) {
  int64_t size = 16;
  module.walk([&](llm::EmbedOp embed) {
    size = embed.getTable().getType().rows();
    return WalkResult::interrupt();
  });
  return size;
}

/// Fixed precision without a negative zero, so that the last bits of a sum do not show.
void printNumber(double value, int digits = 5) {
  if (std::abs(value) < 0.5 * std::pow(10.0, -digits)) value = 0;
  ::llvm::outs() << " " << ::llvm::format("%.*f", digits, value);
}

void printFull(const Tensor& tensor, int digits) {
  for (int64_t t = 0; t < tensor.rows; ++t) {
    ::llvm::outs() << "//  ";
    for (int64_t j = 0; j < tensor.cols; ++j) printNumber(tensor.at(t, j), digits);
    ::llvm::outs() << "\n";
  }
}

/// First values of each row, and sum and norm of all.
void printDigest(const Tensor& tensor) {
  double sum = 0, squares = 0;
  for (double v : tensor.data) {
    sum += v;
    squares += v * v;
  }
  for (int64_t t = 0; t < tensor.rows; ++t) {
    ::llvm::outs() << "//   row " << t << ":";
    for (int64_t j = 0; j < std::min<int64_t>(tensor.cols, 4); ++j) printNumber(tensor.at(t, j));
    ::llvm::outs() << "\n";
  }
  ::llvm::outs() << "//   sum";
  printNumber(sum);
  ::llvm::outs() << " norm";
  printNumber(std::sqrt(squares));
  ::llvm::outs() << "\n";
}

struct EvaluatePass : PassWrapper<EvaluatePass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(EvaluatePass)
  EvaluatePass() = default;
  EvaluatePass(const EvaluatePass& other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "llm-evaluate"; }
  StringRef getDescription() const final {
    return "run a function in double precision on seeded weights and a small ragged batch, and print its results as "
           "comments";
  }

  Option<std::string> function{*this, "function", ::llvm::cl::init("forward"), ::llvm::cl::desc("func.func to run")};
  Option<unsigned> seed{*this, "seed", ::llvm::cl::init(1), ::llvm::cl::desc("of the weights")};
  Option<int> tokens{*this, "tokens", ::llvm::cl::init(3),
                     ::llvm::cl::desc("first step: sequence s gets tokens + s tokens")};
  Option<int> sequences{*this, "sequences", ::llvm::cl::init(2), ::llvm::cl::desc("sequences in the batch")};
  Option<int> steps{*this, "steps", ::llvm::cl::init(2),
                    ::llvm::cl::desc("steps; after the first each sequence gets one token")};
  Option<int> past{*this, "past", ::llvm::cl::init(0),
                   ::llvm::cl::desc("position of the first token; earlier cache entries are zero")};
  Option<bool> exact{*this, "exact", ::llvm::cl::init(true),
                     ::llvm::cl::desc("keep quantize, cast and the cache in doubles")};
  Option<bool> full{*this, "full", ::llvm::cl::init(false), ::llvm::cl::desc("print every value, not a digest")};
  Option<int> digits{*this, "digits", ::llvm::cl::init(5), ::llvm::cl::desc("decimals of each value that full prints")};
  Option<bool> sampleAll{*this, "sample-all", ::llvm::cl::init(false), ::llvm::cl::desc("rows to sample: every token")};

  /// Token i of sequence s: a fixed formula that a reader can follow.
  int32_t tokenId(int64_t s, int64_t i, int64_t vocab) const {
    return static_cast<int32_t>((7 * s + 5 * i + 3) % vocab);
  }

  /// Pages of different sequences alternate, so that no context is contiguous.
  Batch stepBatch(int step, int64_t vocab, int64_t pageTokens) const {
    std::vector<Sequence> all;
    for (int s = 0; s < sequences; ++s) {
      Sequence sequence;
      int first = step == 0 ? 0 : tokens + s + step - 1, count = step == 0 ? tokens + s : 1;
      sequence.past = past + first;
      for (int i = 0; i < count; ++i) sequence.tokenIds.push_back(tokenId(s, first + i, vocab));
      for (int p = 0; p * pageTokens < sequence.past + count; ++p) sequence.pages.push_back(p * sequences + s);
      all.push_back(std::move(sequence));
    }
    return makeBatch(all, sampleAll);
  }

  void runOnOperation() final {
    ModuleOp module = getOperation();
    auto func = module.lookupSymbol<func::FuncOp>(function);
    if (!func) {
      module.emitError() << "llm-evaluate: expected a func.func named '" << function << "', found none";
      return signalPassFailure();
    }
    for (Type type : func.getResultTypes()) {
      if (isa<RankedTensorType, llm::QActType>(type)) continue;
      func.emitOpError("expected rows of numbers as its results, found ") << type;
      return signalPassFailure();
    }
    int64_t longest = past + tokens + sequences + steps;
    KvCache cache = makeCache(func, sequences * (longest / 16 + 1) * 16);
    Interpreter interpreter(module, randomWeights(seed), {.roundActivations = !exact, .roundCache = !exact});
    int64_t vocab = vocabulary(module);
    for (int step = 0; step < steps; ++step) {
      Batch batch = stepBatch(step, vocab, cache.pageTokens);
      FailureOr<std::vector<Tensor>> results = interpreter.run(function, batch, cache);
      if (failed(results)) return signalPassFailure();
      for (auto [i, tensor] : ::llvm::enumerate(*results)) {
        ::llvm::outs() << "// " << function << " step " << step << " result " << i << " [" << tensor.rows << ", "
                       << tensor.cols << "]\n";
        full ? printFull(tensor, digits) : printDigest(tensor);
      }
    }
    markAllAnalysesPreserved();
  }
};

}  // namespace

void registerEvaluatePass() { PassRegistration<EvaluatePass>(); }

}  // namespace llmc::reference
