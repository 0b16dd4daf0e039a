// Adds up the launches of a step, each with its variant's cost from the EXPLAIN section.
#include "compiler/tools/PredictCommand.h"

#include "codegen/cuda/KernelCost.h"
#include "compiler/tools/CommandLine.h"
#include "compiler/tools/ExplainCommand.h"
#include "runtime/base/counted.h"
#include "runtime/format/cuda_check.h"
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace llmc {

using Json = nlohmann::ordered_json;

namespace {

/// `sequences` with `tokens` new ones each, the last of which meets `context` keys.
struct Workload {
  const char *name;
  double sequences, tokens, context;
};
constexpr Workload kWorkloads[] = {
    {"decode, 1 sequence, context 1,024", 1, 1, 1024},
    {"prefill, 2,048 tokens", 1, 2048, 2048},
    {"decode, 32 sequences, context 4,096", 32, 1, 4096},
    {"decode, 256 sequences, context 1,500", 256, 1, 1500},
};
/// Of 256 streams, 1,000 tokens in and 1,000 out: the last is their mean step, prompts cost what a long one does.
constexpr size_t kPrefill = 1, kManyStreams = 3;

double number(const Json &object, const char *key) {
  return object.is_object() && object.contains(key) && object[key].is_number() ? object[key].get<double>() : 0;
}

const char *limitOf(const Json &name) {
  for (const char *known : {"memory", "L2", "tensor cores"})
    if (name == known)
      return known;
  return "";
}

KernelCost costOf(const Json &json) {
  KernelCost cost;
  cost.launchBytes = number(json, "launch_bytes"), cost.rowBytes = number(json, "row_bytes");
  cost.keyBytes = number(json, "key_bytes"), cost.rowFlops = number(json, "row_flops");
  cost.pairFlops = number(json, "pair_flops"), cost.rowBlocks = number(json, "row_blocks");
  cost.blockBytes = number(json, "block_bytes"), cost.residentBlocks = number(json, "resident_blocks");
  cost.window = number(json, "window"), cost.tflops = number(json, "tflops");
  if (json.is_object() && json.contains("times") && json["times"].is_array())
    for (const Json &time : json["times"])
      if (time.is_array() && time.size() == 3 && time[0].is_number() && time[1].is_number())
        cost.times.push_back({time[0].get<double>(), time[1].get<double>(), limitOf(time[2])});
  return cost;
}

/// The variant that runs `rows` rows, or null where it has no cost for the level.
const Json *variantFor(const Json &kernel, const std::string &level, double rows) {
  for (const Json &variant : kernel["variants"])
    if (const double most = number(variant, "m_max"); most == 0 || rows <= most)
      return variant.contains("cost") && variant["cost"].contains(level) ? &variant["cost"][level] : nullptr;
  return nullptr;
}

const fb::Program *programFor(const fb::Engine &plan, const Workload &work) {
  for (const fb::Program *program : *plan.programs())
    if ((program->t_max() == 0 || work.sequences * work.tokens <= program->t_max()) &&
        (program->q_max() == 0 || work.tokens <= program->q_max()))
      return program;
  return nullptr;
}

KernelStep stepOf(const Workload &work, const KernelCost &cost, bool onRows) {
  const double most = cost.window > 0 ? cost.window : work.context;
  const double before = work.context - work.tokens; // keys that the first new token does not make
  KernelStep step;
  step.rows = work.sequences * (onRows ? 1 : work.tokens);
  step.keys = work.sequences * std::min(work.context, most + work.tokens - 1);
  step.pairs = work.sequences * work.tokens * std::min(before + (work.tokens + 1) / 2, most);
  return step;
}

rt::Status noCosts() {
  return rt::Status::error(rt::ErrorKind::kBadInput, "EN_EXPLAIN", "the engine's explanation has no costs of kernels",
                           "build the engine again");
}

/// One step: its launches by kernel, what they take together.
class StepPrediction {
public:
  StepPrediction(const Json &explained, const fb::Engine &plan, std::string level, const Gpu &gpu)
      : plan_(plan), level_(std::move(level)), gpu_(gpu) {
    for (const fb::Kernel *kernel : *plan.kernels())
      for (const Json &entry : explained["kernels"])
        if (entry["name"] == kernel->name()->str())
          kernels_.push_back(&entry);
  }

  rt::Result<Json> of(const Workload &work) const {
    const fb::Program *program = programFor(plan_, work);
    if (!program || kernels_.size() != plan_.kernels()->size())
      return noCosts();
    std::vector<double> launches(kernels_.size());
    for (const fb::Phase *phase : *program->phases())
      for (const fb::Launch *launch : *phase->launches())
        ++launches[launch->kernel()];
    Json kernels = Json::array();
    KernelTime all, attention;
    for (size_t i = 0; i < launches.size(); ++i) {
      if (launches[i] == 0)
        continue;
      const bool onRows = plan_.kernels()->Get(static_cast<uint32_t>(i))->dim() == fb::Dim::Row;
      const Json *json = variantFor(*kernels_[i], level_, work.sequences * (onRows ? 1 : work.tokens));
      if (!json)
        return noCosts();
      const KernelCost cost = costOf(*json);
      const KernelTime time = kernelTime(gpu_, cost, stepOf(work, cost, onRows));
      add(all, time, launches[i]);
      if (cost.keyBytes > 0)
        add(attention, time, launches[i]);
      kernels.push_back(facts(time, launches[i]));
      kernels.back()["name"] = (*kernels_[i])["name"];
      kernels.back()["limit"] = time.limit;
    }
    std::sort(kernels.begin(), kernels.end(), [](const Json &a, const Json &b) {
      return a["us"] != b["us"] ? a["us"] > b["us"] : a["name"] < b["name"];
    });
    Json step = {{"name", work.name}, {"program", program->name() ? program->name()->str() : ""}};
    step.update(facts(all, 1));
    step["tokens_per_s"] = work.sequences * work.tokens / all.us * 1e6;
    step["attention"] = facts(attention, 1);
    step["kernels"] = kernels;
    return step;
  }

private:
  static void add(KernelTime &sum, const KernelTime &time, double times) {
    sum.us += times * time.us, sum.bytes += times * time.bytes, sum.flops += times * time.flops;
  }

  /// Shares: of what memory moves and bf16 products reach in that time.
  Json facts(const KernelTime &time, double launches) const {
    const double us = std::max(time.us, 1e-9), products = gpu_.arch == "sm_90a" ? kWarpgroupTflops : gpu_.bf16Tflops;
    return {{"launches", launches},
            {"us", launches * time.us},
            {"bytes", launches * time.bytes},
            {"flops", launches * time.flops},
            {"memory_share", time.bytes / (gpu_.memoryGBs * 1e3) / us},
            {"product_share", time.flops / (products * 1e6) / us}};
  }

  const fb::Engine &plan_;
  const std::string level_;
  const Gpu &gpu_;
  std::vector<const Json *> kernels_; ///< by index in the plan
};

/// Tokens a second of many streams, each of which reads its prompt once.
double servedTokens(const Json &steps) {
  const double step = number(steps[kManyStreams], "us"), prefill = number(steps[kPrefill], "us");
  const Workload &streams = kWorkloads[kManyStreams], &prompt = kWorkloads[kPrefill];
  const double prompts = streams.sequences * prefill / prompt.tokens; // for each token of the answers
  return streams.sequences / (step + prompts) * 1e6;
}

std::string line(const Json &facts, const std::string &name, const std::string &end) {
  char text[256];
  std::snprintf(text, sizeof(text), "  %-40s %10.1f %9.3f %9.3f %8.0f%% %9.0f%%  %s\n", name.c_str(),
                number(facts, "us"), number(facts, "bytes") / 1e9, number(facts, "flops") / 1e12,
                100 * number(facts, "memory_share"), 100 * number(facts, "product_share"), end.c_str());
  return text;
}

/// Kernels that take a hundredth of the step and more.
std::string stepText(const Json &step) {
  char rate[64];
  std::snprintf(rate, sizeof(rate), "%.0f tokens/s", number(step, "tokens_per_s"));
  std::string out = line(step, step["name"].get<std::string>(), rate);
  out += line(step["attention"], "  attention of it", "");
  for (const Json &kernel : step["kernels"])
    if (number(kernel, "us") >= 0.01 * number(step, "us"))
      out += line(kernel,
                  "    " + rt::escaped(kernel["name"].get<std::string>()) + " x " +
                      std::to_string(static_cast<int>(number(kernel, "launches"))),
                  kernel["limit"].get<std::string>());
  return out;
}

std::string predictionText(const Json &prediction, const Gpu &gpu) {
  char head[320];
  std::snprintf(head, sizeof(head),
                "%s, predicted for an %s by its data sheet (%lld multiprocessors, %.0f GB/s); nothing is measured\n"
                "  %-40s %10s %9s %9s %9s %10s\n",
                rt::escaped(prediction["level"].get<std::string>()).c_str(), gpu.device.str().c_str(),
                static_cast<long long>(gpu.multiprocessors), gpu.memoryGBs, "step", "us", "GB", "TFLOP", "of memory",
                "of bf16");
  std::string out = head;
  for (const Json &step : prediction["steps"])
    out += stepText(step);
  char served[96];
  std::snprintf(served, sizeof(served), "  256 streams, 1,000 tokens in and 1,000 out: %.0f tokens/s\n",
                number(prediction, "served_tokens_per_s"));
  return out + served + "\n";
}

/// Adds the predictions for the plan in use.
rt::Status predictPlan(const rt::EngineFile &engine, Json &all, std::string &text) {
  auto explained = readExplanation(engine);
  if (!explained)
    return explained.takeStatus();
  for (const fb::Level *level : *engine.plan().levels()) {
    const std::string name = level->name()->str();
    const Arch *arch = findArch(llvm::StringRef(name).split(':').second);
    if (!arch)
      continue; // PTX
    const Gpu &gpu = gpuOf(*arch);
    const StepPrediction prediction(*explained, engine.plan(), name, gpu);
    Json entry = {{"level", name}, {"device", gpu.device.str()}, {"steps", Json::array()}};
    for (const Workload &work : kWorkloads) {
      auto step = prediction.of(work);
      if (!step)
        return step.takeStatus();
      entry["steps"].push_back(step.take());
    }
    entry["served_tokens_per_s"] = servedTokens(entry["steps"]);
    text += predictionText(entry, gpu);
    all.push_back(std::move(entry));
  }
  return rt::Status::ok();
}

} // namespace

rt::Result<std::string> predictEngine(rt::EngineFile &engine, bool json) {
  Json all = Json::array();
  std::string text;
  for (uint32_t i = 0; i < engine.plans().size(); ++i) {
    if (!rt::isCuda(*engine.plans()[i]))
      continue;
    engine.usePlan(i);
    if (rt::Status status = predictPlan(engine, all, text); !status)
      return status;
  }
  if (all.empty())
    return usageError("--predict is for kernels of CUDA devices, and this engine has none", "llmc inspect");
  return json ? Json{{"predictions", all}}.dump() + "\n" : text;
}

} // namespace llmc
