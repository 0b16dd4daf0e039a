// Collects names and numbers of a model.
#include "compiler/pipeline/ModelFacts.h"

#include "dialects/LLM/LLMDialect.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

namespace llmc {

using namespace mlir;

/// "i4 g32 asym + i8 g32 sym": storages of matrices, most parameters first.
static std::string schemeOf(ModuleOp module, int64_t &parameters) {
  llvm::MapVector<Attribute, int64_t> counts;
  for (auto weight : module.getOps<llm::WeightOp>()) {
    if (weight.getGeneratedAttr())
      continue;
    llm::WeightType type = weight.weightType();
    int64_t count = type.rows() * type.cols();
    parameters += count;
    if (type.isMatrix())
      counts[type.getQuant()] += count;
  }
  auto sorted = counts.takeVector();
  llvm::stable_sort(sorted, [](const auto &a, const auto &b) { return a.second > b.second; });
  std::string text;
  for (auto &[attr, count] : sorted) {
    text += (text.empty() ? "" : " + ") + cast<llm::QuantAttr>(attr).describe();
  }
  return text;
}

std::string productInputs(ModuleOp module) {
  std::string found = "f32";
  module.walk([&](Operation *op) {
    auto linear = dyn_cast<llm::LinearOp>(op);
    if (isa<llm::QuantizeOp>(op))
      found = "int8";
    else if (linear && linear.getBf16Products() && found != "int8")
      found = "bf16";
  });
  return found;
}

DictionaryAttr modelFacts(ModuleOp module, const ImportedModel &model, const std::string &activations) {
  const ModelConfig &config = model.config;
  Builder builder(module.getContext());
  NamedAttrList facts;
  auto number = [&](llvm::StringRef key, int64_t value) { facts.set(key, builder.getI64IntegerAttr(value)); };
  int64_t parameters = 0;
  facts.set("scheme", builder.getStringAttr(schemeOf(module, parameters)));
  facts.set("family", builder.getStringAttr(llvm::StringRef(config.family->name)));
  facts.set("name", builder.getStringAttr(config.name));
  facts.set("activations", builder.getStringAttr(activations));
  facts.set("eos_ids", builder.getDenseI64ArrayAttr(config.eosIds));
  number("vocab_size", config.vocab);
  number("hidden_size", config.hidden);
  number("layers", config.layers);
  number("heads", config.heads);
  number("kv_heads", config.kvHeads);
  number("head_dim", config.headDim);
  number("max_positions", config.maxPositions);
  number("sliding_window", config.slidingWindow);
  number("parameters", parameters);
  number("bos_id", config.bosId);
  number("add_bos", config.addBos ? 1 : 0);
  return facts.getDictionary(module.getContext());
}

} // namespace llmc
