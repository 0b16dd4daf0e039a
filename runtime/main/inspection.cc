// --check, --selftest and --tokenize: what can be asked of an engine without a prompt.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "runtime/base/checked.h"
#include "runtime/device/memory.h"
#include "runtime/format/cuda_check.h"
#include "runtime/main/generator.h"
#include "runtime/main/json_output.h"
#include "runtime/main/modes.h"
#include "runtime/main/output.h"
#include "runtime/main/prompt.h"
#include "runtime/main/session.h"

namespace llmc::rt {
namespace {

using Json = nlohmann::ordered_json;

/// Between CPU levels sums run in another order (1e-5 in a logit of SmolLM2) and an int8 rounding may flip: a token
/// whose logit leads by less may change.
constexpr double kSureMargin = 0.1;

struct GoldenTokens {
  std::vector<int32_t> prompt, expected;
  std::vector<double> margins;  ///< lead of each expected token's logit; empty: unknown
  std::string level;            ///< that made them: there every token must come again
};

/// How many of the tokens must come again on `level`. After one that may differ all others may.
size_t sureTokens(const GoldenTokens& golden, const std::string& level) {
  if (golden.margins.empty() || golden.level == level) return golden.expected.size();
  size_t sure = 0;
  while (sure < golden.expected.size() && golden.margins[sure] >= kSureMargin) ++sure;
  return sure;
}

Result<GoldenTokens> readGolden(const EngineFile& engine) {
  if (engine.plans().size() > 1 && isCuda(engine.plan()))
    return Status::error(ErrorKind::kMismatch, "EN_SELFTEST", "the engine's golden tokens are those of the CPU",
                         "add --device cpu; --check verifies the bytes of both targets");
  const std::string_view text = engine.text(SectionKind::kSelftest);
  if (text.empty())
    return Status::error(ErrorKind::kMissing, "EN_SELFTEST", "the engine holds no golden tokens",
                         isCuda(engine.plan()) ? "engines for CUDA are built without; --check verifies their bytes"
                                               : "build it with --selftest-tokens");
  const auto bad = Status::error(ErrorKind::kBadInput, "EN_SELFTEST",
                                 "the engine's golden tokens cannot be read: an object with lists of ids was expected",
                                 "build the engine again");
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return bad;
  GoldenTokens golden;
  for (auto [name, out] : {std::pair{"prompt_ids", &golden.prompt}, std::pair{"token_ids", &golden.expected}}) {
    const auto entry = json.find(name);
    if (entry == json.end() || !entry->is_array() || entry->empty()) return bad;
    for (const auto& id : *entry) {
      const auto fits = id.is_number_unsigned() ? checkedCast<int32_t>(id.get<uint64_t>()) : std::nullopt;
      if (!fits) return bad;
      out->push_back(*fits);
    }
  }
  if (const auto level = json.find("level"); level != json.end() && level->is_string()) golden.level = *level;
  if (const auto margins = json.find("margin"); margins != json.end()) {
    if (!margins->is_array() || margins->size() != golden.expected.size()) return bad;
    for (const auto& margin : *margins) {
      if (!margin.is_number()) return bad;
      golden.margins.push_back(margin.get<double>());
    }
  }
  return golden;
}

/// A line for people: what was compared, how much of it is equal, how much has to be, and why no more. `same` tokens
/// are equal from the first one on, `required` of them had to be; this machine runs `level`.
std::string selftestText(const GoldenTokens& golden, size_t same, size_t required, const std::string& level) {
  const size_t compared = golden.expected.size();
  std::string text = "ok: " + std::to_string(same) + " of " + std::to_string(compared) +
                     " greedy tokens equal those that the build stored, level " + level;
  if (required == compared) return text + "; all were required\n";
  char why[160];
  std::snprintf(why, sizeof why,
                ": token %zu led by %.3f in its logit, and a lead below %g may go to the other token on another level",
                required + 1, golden.margins[required], kSureMargin);
  return text + " (stored on " + escaped(golden.level) + "); " +
         (required == 0 ? "none was" : "the first " + std::to_string(required) + (required == 1 ? " was" : " were")) +
         " required" + why + "\n";
}

}  // namespace

Status runCheck(const Flags& flags) {
  auto engine = EngineFile::open(flags.engine, {.verify = Verify::kFull});
  LLMC_TRY(engine.status());
  std::string text;
  Json list = Json::array();
  for (const SectionEntry& section : engine->sections()) {
    const std::string kind(sectionKindName(section.kind));
    char line[160];
    std::snprintf(line, sizeof line, "%-12s offset %12llu  size %12llu (%s)\n", kind.c_str(),
                  static_cast<unsigned long long>(section.offset), static_cast<unsigned long long>(section.size),
                  formatBytes(section.size).c_str());
    text += line;
    list.push_back({{"kind", kind}, {"offset", section.offset}, {"size", section.size}});
  }
  if (!flags.json) return writeOutput(text + "ok: all " + std::to_string(engine->fileBytes()) + " bytes verified\n");
  Json json{{"ok", true}, {"bytes", engine->fileBytes()}, {"sections", list}};
  return writeOutput(json.dump() + "\n");
}

Status runSelftest(const Flags& flags) {
  auto opened = Session::open(flags, {.text = false});
  LLMC_TRY(opened.status());
  Session& session = **opened;
  auto golden = readGolden(session.engine());
  LLMC_TRY(golden.status());
  LLMC_TRY(checkPrompt(golden->prompt, session.executor().vocabulary(), session.context()));
  GenerationRequest request;
  request.prompt = golden->prompt;
  request.params.temperature = 0;
  request.maxTokens = static_cast<uint32_t>(golden->expected.size());
  const size_t sure = sureTokens(*golden, session.levelName());
  SequenceCache cache(session.kv(), session.context());
  auto generation = generate(session.executor(), cache, request);
  LLMC_TRY(generation.status());
  size_t same = 0;
  while (same < generation->ids.size() && same < golden->expected.size() &&
         generation->ids[same] == golden->expected[same])
    ++same;
  if (same < sure)
    return Status::error(
        ErrorKind::kInternal, "RT_SELFTEST",
        "token " + std::to_string(same + 1) + " of " + std::to_string(golden->expected.size()) + " is " +
            (same < generation->ids.size() ? std::to_string(generation->ids[same]) : "missing") + ", expected " +
            std::to_string(golden->expected[same]) + " (level " + session.levelName() + ")");
  if (!flags.json) return writeOutput(selftestText(*golden, same, sure, session.levelName()));
  Json json{{"ok", true},       {"compared", golden->expected.size()}, {"equal", same},
            {"required", sure}, {"level", session.levelName()},        {"stored_level", golden->level}};
  return writeOutput(json.dump() + "\n");
}

Status runTokenize(const Flags& flags) {
  auto engine = EngineFile::open(flags.engine, {.verify = Verify::kLazy});
  LLMC_TRY(engine.status());
  auto tokenizer = loadTokenizer(flags.engine);
  LLMC_TRY(tokenizer.status());
  auto ids = encodeRaw(*tokenizer, *engine->plan().model(), flags.tokenize);
  LLMC_TRY(ids.status());
  if (flags.json) return writeOutput(tokenizeJson(*ids));
  std::string text;
  for (const int32_t id : *ids)
    text += std::to_string(id) + "\t" + escaped(tokenizer->tokenBytes(id).value_or("")) + "\n";
  return writeOutput(text);
}

}  // namespace llmc::rt
