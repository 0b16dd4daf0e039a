// All facts are gathered once as JSON; the text for people is printed from that.
#include "compiler/tools/InspectCommand.h"

#include "codegen/registry/AttentionKey.h"
#include "codegen/registry/PackedLayout.h"
#include "compiler/pipeline/BuildEngine.h"
#include "compiler/tools/CommandLine.h"
#include "compiler/tools/ExplainCommand.h"
#include "compiler/tools/PredictCommand.h"
#include "runtime/exec/cuda/level_choice.h"
#include "runtime/exec/workspace.h"
#include "runtime/format/cuda_check.h"
#include "runtime/format/engine_reader.h"
#include "runtime/format/packed_code.h"
#include "llvm/ADT/STLExtras.h"
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cxxopts.hpp>
#include <nlohmann/json.hpp>
#include <set>

namespace llmc {

using Json = nlohmann::ordered_json;

namespace {

std::string text(const flatbuffers::String *string) { return string ? string->str() : std::string(); }

Json sectionFacts(const rt::EngineFile &engine) {
  Json list = Json::array();
  for (const rt::SectionEntry &section : engine.sections())
    list.push_back({{"kind", rt::sectionKindName(section.kind)},
                    {"offset", section.offset},
                    {"bytes", section.size},
                    {"padded_bytes", section.padded}});
  return list;
}

Json modelFacts(const fb::Engine &plan) {
  const fb::Model &model = *plan.model();
  Json eos = Json::array();
  if (model.eos_ids())
    for (int32_t id : *model.eos_ids())
      eos.push_back(id);
  const std::string name = text(model.name());
  return {{"name", name.empty() ? Json() : Json(name)}, // null: the model's files do not say
          {"family", text(model.family())},
          {"parameters", model.parameters()},
          {"scheme", text(model.scheme())},
          {"activations", text(model.activations())},
          {"layers", model.layers()},
          {"hidden_size", model.hidden_size()},
          {"heads", model.heads()},
          {"kv_heads", model.kv_heads()},
          {"head_dim", model.head_dim()},
          {"vocab_size", model.vocab_size()},
          {"max_positions", model.max_positions()},
          {"sliding_window", model.sliding_window()},
          {"bos_id", model.bos_id()},
          {"eos_ids", eos},
          {"add_bos", model.add_bos()}};
}

/// Of a level for CUDA also the most shared memory of a block: a device with less does not run it.
Json levelFacts(const rt::EngineFile &engine) {
  Json list = Json::array();
  const fb::Engine &plan = engine.plan();
  for (uint32_t i = 0; i < plan.levels()->size(); ++i) {
    const fb::Level &level = *plan.levels()->Get(i);
    const rt::SectionEntry &section = engine.sections()[level.section()];
    list.push_back({{"name", text(level.name())},
                    {"code_bytes", rt::codeBytes(level, section)},
                    {"packed_bytes", (section.flags & rt::kPacked) != 0 ? Json(section.size) : Json()}});
  }
  if (rt::isCuda(plan))
    for (const auto &[i, level] : llvm::enumerate(rt::cuda::codeLevels(plan)))
      list[i]["shared_bytes"] = level.sharedBytes;
  return list;
}

const char *dtypeName(fb::DType dtype) {
  static const char *const names[] = {"f32", "f16", "bf16", "i8", "i4", "i5", "i6", "e4m3"};
  size_t index = static_cast<size_t>(dtype);
  return index < std::size(names) ? names[index] : "unknown";
}

double hundredths(double value) { return std::round(value * 100) / 100; }

Json weightFacts(const fb::Engine &plan) {
  Json list = Json::array();
  for (const fb::Weight *weight : *plan.weights()) {
    std::string dtype = dtypeName(weight->dtype());
    if (weight->group())
      dtype += " g" + std::to_string(weight->group()) + (weight->symmetric() ? " sym" : " asym");
    if (auto layout = layoutByName(text(weight->layout())); layout && quantFormat(*layout).byteScales)
      dtype += " k256";
    Json shape = Json::array({weight->rows()});
    if (weight->cols() != 1)
      shape.push_back(weight->cols());
    list.push_back({{"name", text(weight->name())},
                    {"shape", shape},
                    {"dtype", dtype},
                    {"stored", text(weight->stored())},
                    {"layout", text(weight->layout())},
                    {"bytes", weight->size()},
                    {"bits", hundredths(8.0 * static_cast<double>(weight->size()) /
                                        static_cast<double>(weight->rows() * weight->cols()))}});
  }
  return list;
}

/// The target, and for CUDA the architectures, which other devices run its PTX, and the oldest driver; levels have the
/// bytes.
Json targetFacts(const fb::Engine &plan) {
  if (!rt::isCuda(plan))
    return {{"name", "cpu"}};
  Json archs = Json::array(), ptx;
  for (const fb::Level *level : *plan.levels()) {
    const std::string_view name = level->name()->string_view();
    if (name.starts_with(rt::cuda::kCubinLevel))
      archs.push_back(std::string(name.substr(rt::cuda::kTarget.size() + 1)));
    else if (name.starts_with(rt::cuda::kPtxLevel))
      ptx = "sm_" + std::string(name.substr(rt::cuda::kPtxLevel.size())) + " and later";
  }
  return {{"name", "cuda"},
          {"architectures", archs},
          {"ptx", ptx},
          {"driver", ">= " + std::to_string(rt::cuda::kDriverBranch)}};
}

/// Arena bytes of a program with T = `tokens`, S = `rows` and `workers`, by the runtime's own arithmetic.
uint64_t arenaBytes(const fb::Program &program, uint32_t tokens, uint32_t rows, uint32_t workers) {
  rt::StepLimits limits;
  limits.maxTokens = tokens;
  limits.maxRows = rows;
  return rt::programBytes(program, rt::unitCounts(program, limits, workers)).value_or(0);
}

Json memoryFacts(const rt::EngineFile &engine) {
  const fb::Engine &plan = engine.plan();
  std::set<uint32_t> sections;
  for (const fb::Weight *weight : *plan.weights())
    sections.insert(weight->section());
  uint64_t weights = 0;
  for (uint32_t section : sections)
    weights += engine.sections()[section].size;
  Json programs = Json::array();
  for (const fb::Program *program : *plan.programs()) {
    auto regions = program->region_bytes();
    uint32_t tokens = program->t_max() ? program->t_max() : 512;
    Json examples = Json::array();
    for (auto [t, s, w] : {std::array<uint32_t, 3>{1, 1, 1}, {tokens, 1, 8}, {tokens, std::min(tokens, 16u), 64}})
      examples.push_back({{"tokens", t}, {"rows", s}, {"workers", w}, {"bytes", arenaBytes(*program, t, s, w)}});
    programs.push_back({{"name", text(program->name())},
                        {"max_tokens", program->t_max()},
                        {"max_tokens_per_sequence", program->q_max()},
                        {"phases", program->phases()->size()},
                        {"fixed_bytes", regions->Get(0)},
                        {"bytes_per_token", regions->Get(1)},
                        {"bytes_per_row", regions->Get(2)},
                        {"bytes_per_worker", regions->Get(3)},
                        {"examples", examples}});
  }
  uint64_t page = plan.kv()->page_bytes(), pageTokens = plan.kv()->page_tokens();
  uint64_t pages = (plan.model()->max_positions() + pageTokens - 1) / pageTokens;
  return {{"weights_bytes", weights},
          {"kv_dtype", spelledCache(dtypeName(plan.kv()->dtype()))},
          {"kv_bytes_per_token", page / pageTokens},
          {"kv_page_tokens", pageTokens},
          {"kv_page_bytes", page},
          {"kv_bytes_at_max_positions", pages * page},
          {"programs", programs}};
}

/// A section that holds JSON; its raw text when that cannot be parsed, null when there is none.
Json parsedSection(const rt::EngineFile &engine, rt::SectionKind kind) {
  std::string_view content = engine.text(kind);
  if (content.empty())
    return nullptr;
  Json parsed = Json::parse(content, nullptr, /*allow_exceptions=*/false);
  return parsed.is_discarded() ? Json(rt::escaped(content, 2000)) : parsed;
}

/// What is of the target in use alone.
Json targetPart(const rt::EngineFile &engine) {
  const fb::Engine &plan = engine.plan();
  return {{"abi_version", plan.abi_version()},
          {"target", targetFacts(plan)},
          {"model", modelFacts(plan)},
          {"levels", levelFacts(engine)},
          {"kernels", plan.kernels()->size()},
          {"memory", memoryFacts(engine)},
          {"quality", nullptr},
          {"weights", weightFacts(plan)}};
}

/// Moves the member `name` of `provenance` to where a target's quality is shown.
void takeQuality(Json &provenance, const char *name, Json &quality) {
  if (!provenance.is_object() || !provenance.contains(name))
    return;
  quality = provenance[name];
  provenance.erase(name);
}

/// One target: its facts beside those of the file. Two: a list of them, as "targets".
Json gatherFacts(rt::EngineFile &engine) {
  Json facts = {{"file_bytes", engine.fileBytes()}, {"compiler_version", text(engine.plan().compiler_version())}};
  Json provenance = parsedSection(engine, rt::SectionKind::kProvenance), targets = Json::array();
  for (uint32_t i = 0; i < engine.plans().size(); ++i) {
    engine.usePlan(i);
    targets.push_back(targetPart(engine));
    takeQuality(provenance, i == 0 ? kQuality : kCudaQuality, targets.back()["quality"]);
  }
  Json weights;
  if (targets.size() == 1) {
    weights = targets[0]["weights"];
    targets[0].erase("weights");
    facts.update(targets[0]);
  } else {
    facts["targets"] = targets;
  }
  facts.update({{"sampling_defaults", parsedSection(engine, rt::SectionKind::kDefaults)},
                {"provenance", provenance},
                {"golden_tokens", parsedSection(engine, rt::SectionKind::kSelftest)},
                {"sections", sectionFacts(engine)}});
  if (!weights.is_null())
    facts["weights"] = weights;
  return facts;
}

std::string show(const Json &value) {
  return value.is_string() ? rt::escaped(value.get<std::string>()) : value.is_null() ? "none" : value.dump();
}

std::string column(const Json &value, int width) {
  std::string cell = show(value);
  size_t want = static_cast<size_t>(std::abs(width));
  if (cell.size() < want)
    cell.insert(width < 0 ? 0 : cell.size(), want - cell.size(), ' ');
  return cell + "  ";
}

/// "key  value" lines of an object, indented.
std::string pairs(const Json &object) {
  std::string out;
  for (const auto &[key, value] : object.items())
    out += "  " + column(key, 18) + show(value) + "\n";
  return out;
}

std::string memoryText(const Json &memory) {
  auto number = [](const Json &value) { return value.dump(); };
  std::string out = "memory (bytes) = weights + largest workspace + KV pages\n";
  out += "  weights   " + number(memory["weights_bytes"]) + "\n";
  for (const Json &program : memory["programs"]) {
    bool any = program["max_tokens"] == 0;
    out += "  " + column(program["name"], 8) + number(program["fixed_bytes"]) + " + " +
           number(program["bytes_per_token"]) + " (T+16) + " + number(program["bytes_per_row"]) + " (S+16) + " +
           number(program["bytes_per_worker"]) + " workers, " +
           (any ? "any T" : "T <= " + number(program["max_tokens"])) +
           (program["max_tokens_per_sequence"] == 0
                ? ""
                : ", at most " + number(program["max_tokens_per_sequence"]) + " of a sequence") +
           ", " + number(program["phases"]) + " phases\n";
    for (const Json &example : program["examples"])
      out += "            T=" + number(example["tokens"]) + " S=" + number(example["rows"]) +
             " workers=" + number(example["workers"]) + ": " + number(example["bytes"]) + "\n";
  }
  out += "  KV        " + number(memory["kv_bytes_per_token"]) + " a token (" + memory["kv_dtype"].get<std::string>() +
         "), in pages of " + number(memory["kv_page_tokens"]) + " tokens; " +
         number(memory["kv_bytes_at_max_positions"]) + " at the longest context\n";
  return out + "  T: tokens of a step; S: rows of logits of a step (at most T)\n";
}

/// How far the engine is from the model it was made from; nothing when it stores what the model's file holds.
std::string qualityText(const Json &facts) {
  const Json &quality = facts["quality"];
  return quality.is_object() ? "\nquality against the unquantized model (KL in nats)\n" + pairs(quality) : "";
}

std::string weightsText(const Json &weights) {
  std::string out =
      "\nweights (type in the model file, layout in the engine, bytes, bits an element with scales and padding)\n";
  for (const Json &weight : weights)
    out += "  " + column(weight["name"], 36) + column(weight["shape"], 14) + column(weight["dtype"], 17) +
           column(weight["stored"], 5) + column(weight["layout"], 14) + column(weight["bytes"], -12) +
           column(weight["bits"], -5) + "\n";
  return out;
}

/// Of one target all but its weights.
std::string targetText(const Json &facts) {
  std::string out = "\ntarget\n" + pairs(facts["target"]) + "\nmodel\n" + pairs(facts["model"]);
  out += "\nlevels (bytes of code)\n";
  for (const Json &level : facts["levels"])
    out += "  " + column(level["name"], 22) + column(level["code_bytes"], -10) +
           (level["packed_bytes"].is_null() ? "" : "packed: " + level["packed_bytes"].dump()) +
           (level.contains("shared_bytes") ? "  " + level["shared_bytes"].dump() + " of shared memory a block" : "") +
           "\n";
  return out + "\n" + memoryText(facts["memory"]) + qualityText(facts);
}

std::string kernelsText(const Json &facts) {
  return "kernel ABI " + facts["abi_version"].dump() + ", " + facts["kernels"].dump() + " kernels";
}

std::string factsText(const Json &facts, const std::string &path) {
  const Json targets = facts.value("targets", Json::array({facts}));
  std::string out = path + ": " + facts["file_bytes"].dump() + " bytes, llmc " + show(facts["compiler_version"]);
  for (const Json &target : targets)
    out += (targets.size() == 1 ? ", " : "; " + show(target["target"]["name"]) + ": ") + kernelsText(target);
  out += "\n";
  for (const Json &target : targets)
    out += targetText(target);
  if (const Json &defaults = facts["sampling_defaults"];
      defaults.is_object() && !defaults.value("do_sample", defaults.contains("temperature")))
    out += "\nllmc-run --prompt and --chat are greedy unless they are told otherwise: the model " +
           std::string(defaults.contains("do_sample") ? "says do_sample false" : "names no temperature") +
           "; a server then samples at temperature " + show(defaults.value("temperature", Json(1.0))) + "\n";
  for (auto [key, title] : {std::pair{"sampling_defaults", "sampling defaults"}, std::pair{"provenance", "provenance"}})
    if (facts[key].is_object())
      out += "\n" + std::string(title) + "\n" + pairs(facts[key]);
    else
      out += "\n" + std::string(title) + ": " + show(facts[key]) + "\n";
  out += "\nsections (bytes)\n";
  for (const Json &section : facts["sections"])
    out += "  " + column(section["kind"], 12) + column(section["bytes"], -14) + "at " + section["offset"].dump() + "\n";
  for (const Json &target : targets)
    out += weightsText(target["weights"]);
  return out;
}

cxxopts::Options flagsOf(const std::string &command) {
  bool explain = command == "explain";
  cxxopts::Options flags("llmc " + command, explain
                                                ? "For each kernel: where it came from, its configurations, what was "
                                                  "fused, what was not and why, and its size."
                                                : "What is in an engine: model, levels, memory, sections, weights.");
  if (explain)
    flags.add_options()("kernel", "only this kernel (default: all)", cxxopts::value<std::string>(), "NAME")(
        "predict", "CUDA: instead, how long usual steps take by the model of the kernels' costs (default: off)");
  flags.add_options()("json", "print one JSON object instead of text; sizes in bytes")("h,help", "show this text")(
      "engine", "", cxxopts::value<std::vector<std::string>>());
  flags.parse_positional({"engine"});
  return flags;
}

rt::Result<std::string> answer(const std::string &command, const cxxopts::ParseResult &parsed) {
  auto engines = parsed.count("engine") ? parsed["engine"].as<std::vector<std::string>>() : std::vector<std::string>();
  if (engines.size() != 1)
    return usageError("expected one engine, found " + std::to_string(engines.size()), "llmc help " + command);
  // What explain shows is in the plan and beside it; weights and code of an engine of 15 GiB took 12 s to read.
  auto engine =
      rt::EngineFile::open(engines[0], {.verify = command == "explain" ? rt::Verify::kText : rt::Verify::kFull});
  if (!engine)
    return engine.takeStatus();
  bool json = parsed.count("json") > 0;
  if (parsed.count("predict") && parsed.count("kernel"))
    return usageError("--predict is of whole steps; leave --kernel away", "llmc help explain");
  if (parsed.count("predict"))
    return predictEngine(*engine, json);
  if (command == "explain")
    return explainEngine(*engine, parsed.count("kernel") ? parsed["kernel"].as<std::string>() : std::string(), json);
  Json facts = gatherFacts(*engine);
  return json ? facts.dump() + "\n" : factsText(facts, engines[0]);
}

} // namespace

rt::Status printText(const std::string &text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    return stdoutError(errno);
  return rt::Status::ok();
}

std::string inspectHelp(const std::string &command) {
  return helpText(flagsOf(command), "engine", "engine.bin [FLAG]...");
}

int runInspect(int argc, char **argv) {
  std::string command = argv[0];
  cxxopts::Options flags = flagsOf(command);
  auto parsed = parseCommandLine(flags, "engine", argc, argv);
  if (!parsed)
    return report(parsed.takeStatus());
  auto text = parsed->count("help") ? rt::Result<std::string>(inspectHelp(command)) : answer(command, *parsed);
  if (!text)
    return report(text.takeStatus());
  rt::Status printed = printText(*text);
  return printed ? 0 : report(printed);
}

} // namespace llmc
