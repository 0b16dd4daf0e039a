// Joins the EXPLAIN section with the plan: the plan says what is there, EXPLAIN why.
#include "compiler/tools/ExplainCommand.h"

#include "compiler/tools/CommandLine.h"
#include "compiler/tools/LaunchText.h"
#include "runtime/base/counted.h"
#include "runtime/format/cuda_check.h"
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace llmc {

using Json = nlohmann::ordered_json;

namespace {

/// What each tag of the fusion table means, in one line.
const std::map<std::string, const char *> &fusionMeanings() {
  static const std::map<std::string, const char *> meanings = {
      {"F1", "the norm with what is around it (residual add, int8 quantization) in one pass over the rows"},
      {"F2", "norm recomputed by every worker before the product: one barrier less"},
      {"F3", "products of one input concatenated (q, k and v rows)"},
      {"F4", "gate and up in one product, with the activation on its registers"},
      {"F5",
       "norms of heads, ropes and the write of k and v into the cache, where possible as epilogue of the product"},
      {"F6", "attention: parts of the context merged by the kernel that needs them, or rows quantized by the item that "
             "makes them"},
      {"F7", "residual add on the product's registers"},
      {"F8", "only the rows that are sampled are read; logits meet their argmax in registers"},
      {"F9", "bias, activation, scale or cap on the product's registers"},
      {"F10", "the embedding row, its scale and the first norm in one pass"},
      {"F12", "integer weights expanded in registers, never in memory"}};
  return meanings;
}

/// "layers.12.mlp" -> "layers.*.mlp".
std::string withoutLayer(std::string place) {
  size_t at = place.find("layers.");
  if (at == std::string::npos)
    return place;
  size_t end = place.find_first_not_of("0123456789", at + 7);
  return place.replace(at + 7, (end == std::string::npos ? place.size() : end) - at - 7, "*");
}

rt::Status disagree(const std::string &what) {
  return rt::Status::error(rt::ErrorKind::kBadInput, "EN_EXPLAIN",
                           "the explanation does not agree with the plan: " + what, "build the engine again");
}

/// The plan's variants of a kernel in the form of the EXPLAIN section. m_max is the plan's: its last class takes any
/// number of rows that the programs let through, whatever it was generated for.
Json planVariants(const fb::Engine &plan, const fb::Kernel &kernel) {
  Json list = Json::array();
  for (const fb::Variant *variant : *kernel.variants()) {
    Json bytes = Json::object(), launch = Json::object();
    for (uint32_t level = 0; level < plan.levels()->size(); ++level) {
      const std::string name = plan.levels()->Get(level)->name()->str();
      const fb::CodeRange &code = *variant->code()->Get(level);
      bytes[name] = code.size();
      if (code.launch())
        launch[name] = launchFacts(*code.launch());
    }
    list.push_back({{"m_max", variant->m_max()},
                    {"symbol", variant->config() ? variant->config()->str() : std::string()},
                    {"bytes", bytes}});
    if (!launch.empty())
      list.back()["launch"] = launch;
  }
  return list;
}

/// {"decode": 30, "mixed": 0}: launches of kernel `index` by program.
Json launchCounts(const fb::Engine &plan, uint32_t index) {
  Json counts = Json::object();
  for (const fb::Program *program : *plan.programs()) {
    uint64_t count = 0;
    for (const fb::Phase *phase : *program->phases())
      for (const fb::Launch *launch : *phase->launches())
        count += launch->kernel() == index;
    counts[program->name() ? program->name()->str() : std::string()] = count;
  }
  return counts;
}

/// Symbols and code bytes of both lists are equal.
bool sameVariants(const Json &explained, const Json &planned) {
  auto same = [](const Json &a, const Json &b) {
    return a.is_object() && a.value("symbol", Json()) == b["symbol"] && a.value("bytes", Json()) == b["bytes"];
  };
  return explained.is_array() && std::equal(explained.begin(), explained.end(), planned.begin(), planned.end(), same);
}

bool isStrings(const Json &value) {
  return value.is_array() && std::all_of(value.begin(), value.end(), [](const Json &item) { return item.is_string(); });
}

bool wellFormed(const Json &root) {
  if (!root.is_object() || !root.contains("kernels") || !root["kernels"].is_array() || !root.contains("refused") ||
      !root["refused"].is_array())
    return false;
  for (const Json &kernel : root["kernels"])
    if (!kernel.is_object() || !kernel.contains("name") || !kernel["name"].is_string() || !kernel.contains("origin") ||
        !isStrings(kernel["origin"]) || !kernel.contains("fused") || !isStrings(kernel["fused"]) ||
        !kernel.contains("family") || !kernel["family"].is_string() || !kernel.contains("variants"))
      return false;
  for (const Json &refused : root["refused"])
    if (!refused.is_object() || !refused.contains("remark") || !refused["remark"].is_string() ||
        !refused.contains("places") || !refused["places"].is_number_unsigned())
      return false;
  return true;
}

/// "F2", "fusion", ... and the program ("" before programs were split) of "place: missed F2 in @mixed: reason".
std::pair<std::string, std::string> tagAndProgram(const std::string &remark) {
  size_t from = remark.find("missed ") + 7, end = remark.find(':', from);
  std::string what = remark.substr(from, end == std::string::npos ? end : end - from);
  size_t at = what.find(" in @");
  return {what.substr(0, at), at == std::string::npos ? "" : what.substr(at + 5)};
}

/// Kernels that no hero took are told that, and only they; the rest hear of fusions into them, in programs that launch
/// them.
bool concerns(const Json &kernel, const std::string &remark) {
  auto [tag, program] = tagAndProgram(remark);
  bool pointwise = kernel["family"] == "pointwise";
  if (pointwise != (tag == "fusion") || (!program.empty() && kernel["launches"].value(program, 0) == 0))
    return false;
  bool ofProduct = tag == "F2" || tag == "F3" || tag == "F4" || tag == "F7" || tag == "F9";
  return !ofProduct || kernel["family"] == "linear";
}

/// Gives each kernel the refusals that name one of its places; the rest stay under "refused".
void distributeRefusals(Json &root) {
  Json rest = Json::array();
  std::vector<std::set<std::string>> places;
  for (Json &kernel : root["kernels"]) {
    kernel["refused"] = Json::array();
    places.emplace_back();
    for (const Json &origin : kernel["origin"])
      places.back().insert(withoutLayer(origin.get<std::string>()));
  }
  for (const Json &refused : root["refused"]) {
    std::string remark = refused["remark"].get<std::string>();
    std::string place = remark.substr(0, remark.find(": "));
    bool owned = false;
    for (size_t i = 0; i < places.size(); ++i)
      if (places[i].count(place) && concerns(root["kernels"][i], remark)) {
        root["kernels"][i]["refused"].push_back(refused);
        owned = true;
      }
    if (!owned)
      rest.push_back(refused);
  }
  root["refused"] = rest;
}

} // namespace

rt::Result<Json> readExplanation(const rt::EngineFile &engine) {
  std::string_view content = engine.text(rt::SectionKind::kExplain);
  if (content.empty())
    return rt::Status::error(rt::ErrorKind::kMissing, "EN_EXPLAIN", "the engine holds no explanation");
  Json root = Json::parse(content, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded() || !wellFormed(root))
    return rt::Status::error(rt::ErrorKind::kBadInput, "EN_EXPLAIN", "the engine's explanation cannot be read",
                             "build the engine again");
  const fb::Engine &plan = engine.plan();
  if (root["kernels"].size() != plan.kernels()->size())
    return disagree(std::to_string(root["kernels"].size()) + " kernels, expected " +
                    std::to_string(plan.kernels()->size()));
  for (Json &entry : root["kernels"]) {
    std::string name = entry["name"].get<std::string>();
    uint32_t index = 0;
    while (index < plan.kernels()->size() && plan.kernels()->Get(index)->name()->str() != name)
      ++index;
    if (index == plan.kernels()->size())
      return disagree("kernel '" + rt::escaped(name) + "' is not in it");
    Json planned = planVariants(plan, *plan.kernels()->Get(index));
    if (!sameVariants(entry["variants"], planned))
      return disagree("variants of kernel '" + rt::escaped(name) + "'");
    for (size_t i = 0; i < planned.size(); ++i)
      for (const char *key : {"config", "cost"})
        if (const Json &variant = entry["variants"][i]; variant.contains(key))
          planned[i][key] = variant[key];
    entry["variants"] = planned;
    entry["launches"] = launchCounts(plan, index);
  }
  distributeRefusals(root);
  return root;
}

namespace {

/// "layers.{0-29}.mlp.down" lines: places that differ only in the layer are one line.
std::string originText(const Json &origins) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<long>> layers;
  for (const Json &origin : origins) {
    std::string place = origin.get<std::string>(), key = withoutLayer(place);
    if (!layers.count(key))
      order.push_back(key);
    auto &list = layers[key];
    if (size_t at = place.find("layers."); at != std::string::npos)
      list.push_back(std::strtol(place.c_str() + at + 7, nullptr, 10));
  }
  std::string out;
  for (const std::string &key : order) {
    auto &list = layers[key];
    std::sort(list.begin(), list.end());
    std::string numbers;
    for (size_t i = 0; i < list.size();) {
      size_t last = i;
      while (last + 1 < list.size() && list[last + 1] == list[last] + 1)
        ++last;
      numbers +=
          (numbers.empty() ? "" : ",") + std::to_string(list[i]) + (last > i ? "-" + std::to_string(list[last]) : "");
      i = last + 1;
    }
    out += "    from     " + rt::escaped(key) + (numbers.empty() ? "" : "  layers " + numbers) + "\n";
  }
  return out;
}

std::string refusedText(const Json &refused, const char *indent) {
  std::string out;
  for (const Json &entry : refused)
    out += indent + rt::escaped(entry["remark"].get<std::string>(), 400) + " (" +
           rt::counted(entry["places"].get<uint64_t>(), "place", "places") + ")\n";
  return out;
}

/// A line for each configuration, with the levels that have it; for each launch, on CUDA.
std::string configText(const Json &variant) {
  std::map<std::string, std::string> levels;
  if (!variant.contains("config") || !variant["config"].is_object())
    return "";
  const Json launches = variant.value("launch", Json::object());
  for (const auto &[level, config] : variant["config"].items())
    if (config.is_string()) {
      std::string text = config.get<std::string>();
      if (launches.contains(level))
        text += "; " + launchText(launches[level]);
      std::string &list = levels[text];
      list += (list.empty() ? "" : ", ") + rt::escaped(level);
    }
  std::string out;
  for (const auto &[config, list] : levels)
    out += "             " + rt::escaped(config, 500) + " (" + list + ")\n";
  return out;
}

std::string kernelText(const Json &kernel) {
  std::string out = rt::escaped(kernel["name"].get<std::string>()) + "\n    family   " +
                    rt::escaped(kernel["family"].get<std::string>()) + "; launches a step:";
  for (const auto &[program, count] : kernel["launches"].items())
    out += " " + rt::escaped(program) + " " + count.dump();
  out += "\n" + originText(kernel["origin"]);
  for (const Json &tag : kernel["fused"]) {
    auto meaning = fusionMeanings().find(tag.get<std::string>());
    out += "    fused    " + rt::escaped(tag.get<std::string>()) +
           (meaning == fusionMeanings().end() ? "" : ": " + std::string(meaning->second)) + "\n";
  }
  out += refusedText(kernel["refused"], "    refused  ");
  for (const Json &variant : kernel["variants"]) {
    out += "    rows     " + (variant["m_max"] == 0 ? std::string("any ") : "<= " + variant["m_max"].dump()) + ": " +
           rt::escaped(variant["symbol"].get<std::string>()) + ", code bytes";
    for (const auto &[level, bytes] : variant["bytes"].items())
      out += " " + rt::escaped(level) + "=" + bytes.dump();
    out += "\n" + configText(variant);
  }
  return out;
}

} // namespace

/// Leaves the kernel of that name, as far as it is there, and adds all names to `known`.
static void chooseKernel(Json &root, const std::string &kernel, std::string &known) {
  Json chosen = Json::array();
  for (const Json &entry : root["kernels"]) {
    known += (known.empty() ? "" : ", ") + entry["name"].get<std::string>();
    if (entry["name"] == kernel)
      chosen.push_back(entry);
  }
  root["kernels"] = chosen;
  root["refused"] = Json::array();
}

static std::string explanationText(const Json &root) {
  std::string out;
  for (const Json &entry : root["kernels"])
    out += kernelText(entry) + "\n";
  if (!root["refused"].empty())
    out += "refused elsewhere\n" + refusedText(root["refused"], "    ");
  return out;
}

rt::Result<std::string> explainEngine(rt::EngineFile &engine, const std::string &kernel, bool json) {
  std::vector<Json> roots;
  std::string known, out;
  for (uint32_t i = 0; i < engine.plans().size(); ++i) {
    engine.usePlan(i);
    auto root = readExplanation(engine);
    if (!root)
      return root.takeStatus();
    if (!kernel.empty())
      chooseKernel(*root, kernel, known);
    roots.push_back(root.take());
  }
  if (!kernel.empty() &&
      std::all_of(roots.begin(), roots.end(), [](const Json &root) { return root["kernels"].empty(); }))
    return usageError("no kernel '" + rt::escaped(kernel) + "' in this engine", "kernels: " + known);
  if (roots.size() == 1)
    return json ? roots[0].dump() + "\n" : explanationText(roots[0]);
  Json list = Json::array();
  for (uint32_t i = 0; i < roots.size(); ++i) {
    const std::string target = rt::isCuda(*engine.plans()[i]) ? "cuda" : "cpu";
    list.push_back({{"target", target}});
    list.back().update(roots[i]);
    if (const std::string text = explanationText(roots[i]); !text.empty())
      out += "target " + target + "\n\n" + text;
  }
  return json ? Json{{"targets", list}}.dump() + "\n" : out;
}

} // namespace llmc
