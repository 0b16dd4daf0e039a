// Attributes of llm.weight as packer structs.
#include "compiler/pipeline/WeightSpecs.h"

#include "dialects/LLM/LLMDialect.h"

namespace llmc {

using namespace mlir;

static RopeSpec ropeSpec(llm::RopeAttr rope, int64_t maxPositions) {
  RopeSpec spec;
  spec.theta = rope.getTheta();
  spec.dim = rope.getDim();
  spec.maxPositions = maxPositions;
  spec.factor = rope.getFactor();
  spec.lowFactor = rope.getLow();
  spec.highFactor = rope.getHigh();
  spec.original = static_cast<double>(rope.getOriginal());
  if (rope.getScaling() == llm::RopeScaling::Linear)
    spec.scaling = RopeSpec::Scaling::Linear;
  else if (rope.getScaling() == llm::RopeScaling::Llama3)
    spec.scaling = RopeSpec::Scaling::Llama3;
  return spec;
}

static Arrange arrangeOf(llm::Arrange arrange) {
  switch (arrange) {
  case llm::Arrange::None:
    return Arrange::None;
  case llm::Arrange::Concat:
    return Arrange::Concat;
  case llm::Arrange::Interleave16:
    return Arrange::Interleave16;
  }
  return Arrange::None;
}

std::vector<WeightSpec> weightSpecs(ModuleOp module, int64_t maxPositions) {
  std::vector<WeightSpec> specs;
  for (auto weight : module.getOps<llm::WeightOp>()) {
    WeightSpec spec;
    spec.name = weight.getSymName().str();
    spec.rows = weight.weightType().rows();
    spec.cols = weight.weightType().cols();
    auto layout = weight.getLayout().value_or("plain");
    spec.layout = layoutByName({layout.data(), layout.size()}).value_or(Layout::Plain);
    if (weight.weightType().getQuant().isInteger())
      spec.group = weight.weightType().getQuant().getGroup();
    spec.e4m3 = weight.weightType().getQuant().getKind() == llm::QuantKind::E4M3;
    spec.arrange = arrangeOf(weight.getArrange());
    if (auto rope = weight.getGeneratedAttr())
      spec.rope = ropeSpec(rope, maxPositions);
    for (auto source : weight.getSources().getAsRange<llm::SourceAttr>())
      spec.sources.push_back({source.getName().str(), source.getRows(), source.getUnpermute()});
    specs.push_back(std::move(spec));
  }
  return specs;
}

} // namespace llmc
