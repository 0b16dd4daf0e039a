// Walks kern.funcs and remarks.
#include "codegen/cpu/KernelEmitter.h"
#include "codegen/registry/WeightLayout.h"
#include "compiler/pipeline/ExplainJson.h"
#include "runtime/base/counted.h"

#include <map>
#include <nlohmann/json.hpp>

namespace llmc {

using namespace mlir;
using Json = nlohmann::ordered_json;

static Json names(ArrayAttr array) {
  Json list = Json::array();
  if (array)
    for (auto attr : array.getAsRange<StringAttr>())
      list.push_back(attr.str());
  return list;
}

/// "layers.12.mlp.down: missed F2: ..." -> place and reason with the layer's number replaced by *.
static std::string withoutLayer(const std::string &remark) {
  size_t at = remark.find("layers.");
  if (at == std::string::npos)
    return remark;
  size_t begin = at + 7, end = begin;
  while (end < remark.size() && isdigit(static_cast<unsigned char>(remark[end])))
    ++end;
  return remark.substr(0, begin) + "*" + remark.substr(end);
}

static Json refusals(const std::vector<std::string> &remarks) {
  std::map<std::string, int64_t> counts;
  for (const std::string &remark : remarks)
    if (remark.find("missed ") != std::string::npos)
      ++counts[withoutLayer(remark)];
  Json list = Json::array();
  for (auto &[text, count] : counts)
    list.push_back({{"remark", text}, {"places", count}});
  return list;
}

/// What `llmc explain --predict` computes with.
static Json costJson(const KernelCost &cost) {
  Json times = Json::array();
  for (const KernelCost::Time &time : cost.times)
    times.push_back({time.rows, time.us, time.limit});
  return {{"launch_bytes", cost.launchBytes},
          {"row_bytes", cost.rowBytes},
          {"key_bytes", cost.keyBytes},
          {"row_flops", cost.rowFlops},
          {"pair_flops", cost.pairFlops},
          {"row_blocks", cost.rowBlocks},
          {"block_bytes", cost.blockBytes},
          {"resident_blocks", cost.residentBlocks},
          {"window", cost.window},
          {"tflops", cost.tflops},
          {"times", times}};
}

/// By level; of PTX nobody knows what device will run it.
static Json costsJson(ArrayRef<CudaLevel> levels, size_t variant) {
  Json costs = Json::object();
  for (const CudaLevel &level : levels)
    if (findArch(llvm::StringRef(level.name).split(':').second))
      costs[level.name] = costJson(level.variants[variant].kernel.cost);
  return costs;
}

std::string explainJson(ModuleOp module, const CompiledKernels &kernels, const std::vector<std::string> &remarks) {
  Json root;
  root["kernels"] = Json::array();
  for (auto kernel : module.getOps<kern::FuncOp>()) {
    Json entry;
    entry["name"] = kernel.getSymName().str();
    entry["family"] = kernel.getHero().str();
    if (std::optional<CudaProduct> product = kernels.cuda.empty() ? std::nullopt : cudaProductOf(kernel))
      entry["product"] = cudaProductKey(*product); // what llmc tune knows it by
    if (std::optional<CudaAttention> attention = kernels.cuda.empty() ? std::nullopt : cudaAttentionOf(kernel))
      entry["attention"] = attentionKey(*attention); // the same
    entry["origin"] = names(kernel.getOriginAttr());
    entry["fused"] = names(kernel.getFusedAttr());
    entry["variants"] = Json::array();
    for (const auto &[i, variant] : llvm::enumerate(kernels.variants)) {
      if (variant.kernel != kernel.getSymName())
        continue;
      Json bytes = Json::object(), config = Json::object();
      for (size_t level = 0; level < kernels.levels.size(); ++level) {
        std::string name = kernels.levels[level]->name.str();
        bytes[name] = kernels.images[level].symbols.lookup(variant.symbol).size;
        config[name] = describeKernel(kernel, variant.mMax, *kernels.levels[level]);
      }
      for (const CudaLevel &level : kernels.cuda) {
        bytes[level.name] = level.variants[i].size;
        config[level.name] = level.variants[i].kernel.config;
      }
      entry["variants"].push_back(
          {{"m_max", variant.mMax}, {"symbol", variant.symbol}, {"bytes", bytes}, {"config", config}});
      if (!kernels.cuda.empty())
        entry["variants"].back()["cost"] = costsJson(kernels.cuda, i);
    }
    root["kernels"].push_back(std::move(entry));
  }
  root["refused"] = refusals(remarks);
  return root.dump();
}

std::string fusedRemark(kern::FuncOp kernel) {
  std::string text;
  for (Attribute tag : kernel.getFusedAttr() ? kernel.getFusedAttr().getValue() : ArrayRef<Attribute>())
    text += (text.empty() ? "" : ", ") + cast<StringAttr>(tag).getValue().str();
  if (text.empty())
    return "";
  const size_t ops = kernel.getOriginAttr() ? kernel.getOriginAttr().size() : 0;
  return "@" + kernel.getSymName().str() + " (" + kernel.getHero().str() + "): fused " + text + ", from " +
         rt::counted(ops, "op", "ops") + "\n";
}

} // namespace llmc
