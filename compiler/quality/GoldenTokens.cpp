// Greedy generation on a fixed prompt.
#include "compiler/quality/GoldenTokens.h"

#include "compiler/quality/EngineRun.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace llmc {

/// A count goes on with wide margins in any trained model, so other float orders seldom change a token.
static constexpr char kPrompt[] = "1, 2, 3, 4, 5,";
static constexpr uint32_t kPromptTokens = 16;

static std::vector<int32_t> promptIds(const fb::Model &model, uint32_t vocabulary, std::string_view tokenizer) {
  std::vector<int32_t> ids;
  if (!tokenizer.empty())
    if (auto loaded = rt::Tokenizer::create(tokenizer))
      if (auto encoded = loaded->encode(kPrompt))
        ids = encoded.take();
  bool usable = !ids.empty();
  for (int32_t id : ids)
    usable = usable && id >= 0 && static_cast<uint32_t>(id) < vocabulary;
  if (!usable) {
    ids.clear();
    for (int32_t id = 1; id <= 8; ++id)
      ids.push_back(static_cast<int32_t>(static_cast<uint32_t>(id) % vocabulary));
  }
  if (model.add_bos() && model.bos_id() >= 0)
    ids.insert(ids.begin(), model.bos_id());
  ids.resize(std::min<size_t>({ids.size(), kPromptTokens, std::max<size_t>(model.max_positions() / 2, 1)}));
  return ids;
}

struct Choice {
  int32_t id = 0;
  double margin = 0;
};

static rt::Result<Choice> best(std::span<const float> logits) {
  Choice choice;
  float first = -INFINITY, second = -INFINITY;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!std::isfinite(logits[i]))
      return rt::Status::error(rt::ErrorKind::kInternal, "RT_LOGITS", "the engine's logits are not finite",
                               "the model may be damaged; --selftest-tokens 0 builds it all the same");
    if (logits[i] > first) {
      second = first;
      first = logits[i];
      choice.id = static_cast<int32_t>(i);
    } else {
      second = std::max(second, logits[i]);
    }
  }
  // A vocabulary of one token has no second.
  choice.margin = std::isfinite(second) ? std::floor((double(first) - second) * 100) / 100 : 0;
  return choice;
}

rt::Result<std::string> goldenTokens(const std::string &engine, const GoldenRequest &request) {
  auto pool = makePool(request.threads);
  if (!pool)
    return pool.takeStatus();
  auto opened = EngineRun::open(engine, request.level, **pool, kPromptTokens + request.tokens, kPromptTokens);
  if (!opened)
    return opened.takeStatus();
  EngineRun &run = **opened;
  std::vector<int32_t> prompt = promptIds(run.model(), run.vocabulary(), request.tokenizer);
  uint32_t room = run.model().max_positions() - std::min<uint32_t>(run.model().max_positions(), prompt.size());
  nlohmann::ordered_json ids = nlohmann::ordered_json::array(), margins = ids;
  std::vector<int32_t> next = prompt;
  for (uint32_t step = 0; step < std::min(request.tokens, room); ++step) {
    LLMC_TRY(run.forward(next, rt::RowChoice::kLast));
    auto choice = best(run.logits(0));
    if (!choice)
      return choice.takeStatus();
    ids.push_back(choice->id);
    margins.push_back(choice->margin);
    next = {choice->id};
  }
  nlohmann::ordered_json json{
      {"level", request.level}, {"prompt_ids", prompt}, {"token_ids", ids}, {"margin", margins}};
  return json.dump();
}

} // namespace llmc
