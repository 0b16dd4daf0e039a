// Sinks that count, submit what is due, and stop the loop at the end.
#include "tests/unit/runtime/serving/loop_runner.h"

#include <algorithm>

namespace llmc::rt::serving::test {

using server::FinishReason;

namespace {

struct Runner {
  std::unique_ptr<EngineLoop> loop;
  const std::vector<server::GenerationRequest>& requests;
  const std::vector<uint32_t>& when;
  const std::map<uint64_t, uint32_t>& cancelAfter;
  LoopResult result;
  size_t submitted = 0, open = 0;
  uint32_t tokens = 0;

  void submitDue();
  void ended() {
    --open;
    submitDue();
  }
};

class Sink final : public server::GenerationSink {
 public:
  Sink(Runner& runner, uint64_t id) : runner_(&runner), id_(id) {}
  void deliver(server::GenerationEvent event) override {
    Output& output = runner_->result.outputs[id_];
    if (auto* token = std::get_if<server::TokenEvent>(&event)) {
      ChoiceOutput& choice = output[token->choice];
      if (choice.end == "cancelled") return;
      choice.tokens.push_back(token->token);
      if (token->logprobs) {
        choice.logprobs.push_back(token->logprobs->logprob);
        for (const auto& [id, logprob] : token->logprobs->top) choice.logprobs.push_back(logprob);
      }
      ++runner_->tokens;
      const server::BackendStats now = runner_->loop->stats();
      runner_->result.mostSwapped = std::max(runner_->result.mostSwapped, now.swapped);
      runner_->result.mostHostUsage = std::max(runner_->result.mostHostUsage, now.hostUsage);
      if (token->finish != FinishReason::kNone) end(choice, token->finish == FinishReason::kStop ? "stop" : "length");
      const auto cancel = runner_->cancelAfter.find(id_);
      if (cancel != runner_->cancelAfter.end() && choice.tokens.size() == cancel->second && choice.end.empty()) {
        runner_->loop->cancel(id_, server::kAllChoices);
        end(choice, "cancelled");
      }
      runner_->submitDue();
    } else if (auto* prompt = std::get_if<server::PromptEvent>(&event)) {
      for (const server::PositionLogprobs& position : prompt->logprobs) output[0].logprobs.push_back(position.logprob);
    } else if (auto* finish = std::get_if<server::FinishEvent>(&event)) {
      end(output[finish->choice], "abort");
    } else if (auto* error = std::get_if<server::ErrorEvent>(&event)) {
      for (ChoiceOutput& choice : output)
        if (choice.end.empty()) end(choice, error->status.code());
    }
  }

 private:
  void end(ChoiceOutput& choice, const std::string& why) {
    EXPECT_TRUE(choice.end.empty()) << "ended twice";
    choice.end = why;
    runner_->ended();
  }
  Runner* runner_;
  uint64_t id_;
};

void Runner::submitDue() {
  const auto due = [this] { return submitted >= when.size() || when[submitted] <= tokens || open == 0; };
  while (submitted < requests.size() && due()) {
    const server::GenerationRequest& request = requests[submitted++];
    open += request.choices;
    result.outputs[request.id].resize(request.choices);
    const Status status = loop->submit(request, std::make_shared<Sink>(*this, request.id));
    if (status) continue;
    EXPECT_EQ(status.code(), "SV_BROKEN") << status.toString();
    open -= request.choices;
    for (ChoiceOutput& choice : result.outputs[request.id]) choice.end = status.code();
  }
  if (open == 0 && submitted == requests.size()) loop->stop();
}

}  // namespace

server::GenerationRequest requestOf(uint64_t id, std::vector<int32_t> prompt, uint32_t maxTokens) {
  server::GenerationRequest request;
  request.id = id;
  request.prompt = std::move(prompt);
  request.maxTokens = maxTokens;
  request.sampling.temperature = 0;
  request.sampling.logprobs = 1;
  return request;
}

LoopResult runLoop(const rt::test::FakeEngine& engine, const LoopSetup& setup,
                   const std::vector<server::GenerationRequest>& requests, const std::vector<uint32_t>& when) {
  auto pool = WorkerPool::create({.threads = setup.threads}).take();
  LoopMachine machine;
  if (setup.machine) {
    machine = setup.machine(setup, *pool);
  } else {
    machine.kv = KvStore::create(rt::test::FakeEngine::kPageBytes, setup.pages).take();
    machine.executor =
        Executor::create(engine.source(), *pool, setup.limits, {machine.kv->base(), setup.pages}, setup.numerics)
            .take();
  }
  SchedulerConfig config;
  config.limits = setup.limits;
  config.pages = setup.pages;
  config.prefixCache = setup.prefixCache;
  config.deterministic = setup.deterministic;
  config.prefillTokens = setup.prefillTokens;
  LoopExtras extras;
  extras.asyncScheduling = setup.asyncScheduling;
  if (setup.hostPages > 0) {
    config.preempt = PreemptMode::kSwap;
    extras.host = KvStore::create(rt::test::FakeEngine::kPageBytes, setup.hostPages).take();
  }
  if (!setup.trace.empty()) extras.trace = StepTrace::create(setup.trace).take();
  std::optional<MemoryAhead> memory;
  if (setup.memoryAhead) extras.memory = &memory.emplace(*pool, machine.executor->workspace(), *machine.kv, 0);
  server::ModelFacts facts;
  facts.names = {"fake"};
  facts.context = setup.limits.maxContext;
  std::vector<std::string> notices;
  extras.notice = [&](const std::string& text) { notices.push_back(text); };
  Runner runner{EngineLoop::create(*machine.executor, *machine.kv, facts, config, std::move(extras)).take(),
                requests,
                when,
                setup.cancelAfter,
                {}};
  runner.submitDue();
  runner.result.status = runner.loop->run();
  runner.result.stats = runner.loop->stats();
  if (memory) runner.result.kvReady = memory->kvReady();
  runner.result.notices = std::move(notices);
  return std::move(runner.result);
}

}  // namespace llmc::rt::serving::test
