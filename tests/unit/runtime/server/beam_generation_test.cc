// Beam search over HTTP on the mock, whose token of rank 0 goes on with the alphabet and whose others are 64 + rank.
#include "runtime/server/beam_generation.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "served.h"

namespace llmc::rt::server::test {
namespace {
using nlohmann::json;

const char* const kBeamPath = "/v1/completions";

TEST(BeamGeneration, AnswersItsBestBeamsAndCountsTheirTokens) {
  Served served;
  const json body = json::parse(
      served.post(kBeamPath, R"({"prompt":[[1],[2]],"n":2,"use_beam_search":true,"max_tokens":3,"logprobs":1})").body);
  ASSERT_EQ(body["choices"].size(), 4u) << body;
  // The sum of prompt and beam decides the next letter: 1 -> 'b', 1 + 98 -> 'v', 99 + 118 -> 'j'.
  EXPECT_EQ(body["choices"][0]["text"], "bvj");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(body["choices"][0]["logprobs"]["token_logprobs"], json({-0.25, -0.25, -0.25}));
  EXPECT_EQ(body["choices"][0]["logprobs"]["top_logprobs"][0].size(), 1u);
  double second = 0;
  for (const json& one : body["choices"][1]["logprobs"]["token_logprobs"]) second += one.get<double>();
  EXPECT_EQ(second, -3.5) << "once the second best token, at -3";
  EXPECT_EQ(body["usage"]["prompt_tokens"], 2);
  EXPECT_EQ(body["usage"]["completion_tokens"], 12);
  EXPECT_EQ(served.backend.submitted(), 10u) << "one beam at first, then two";
  EXPECT_TRUE(eventually([&] { return json::parse(served.get("/load").body)["server_load"] == 0; }));
}

TEST(BeamGeneration, OneBeamIsTheGreedyAnswer) {
  Served served;
  const json body = json::parse(served.post(kBeamPath, R"({"prompt":[1],"use_beam_search":true,"max_tokens":3})").body);
  EXPECT_EQ(body["choices"].size(), 1u);
  EXPECT_EQ(body["choices"][0]["text"], "bvj");
  EXPECT_FALSE(served.backend.last().goesOn && served.backend.submitted() == 1);
  EXPECT_TRUE(served.backend.last().goesOn) << "no full queue may refuse a later step";
}

TEST(BeamGeneration, AnEndIsShownOnlyIfTheRequestWantsIt) {
  MockOptions mock;
  mock.eosId = 'v';
  Served served(mock);
  const std::string ask = R"({"prompt":[1],"use_beam_search":true,"max_tokens":3,"return_token_ids":true)";
  json choice = json::parse(served.post(kBeamPath, ask + "}").body)["choices"][0];
  EXPECT_EQ(choice["text"], "b");
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["stop_reason"], 'v');
  EXPECT_EQ(choice["token_ids"], json({98}));
  choice = json::parse(served.post(kBeamPath, ask + R"(,"include_stop_str_in_output":true})").body)["choices"][0];
  EXPECT_EQ(choice["token_ids"], json({98, 118}));
  EXPECT_EQ(choice["stop_reason"], 'v');
  choice = json::parse(served.post(kBeamPath, ask + R"(,"ignore_eos":true})").body)["choices"][0];
  EXPECT_EQ(choice["text"], "bvj");
  EXPECT_EQ(choice["finish_reason"], "length");
}

TEST(BeamGeneration, AClientThatLeavesEndsTheSearch) {
  MockOptions mock;
  mock.step = std::chrono::milliseconds(2);
  Served served(mock);
  Client client(served.server->port());
  client.send(postText(kBeamPath, R"({"prompt":[1],"n":4,"use_beam_search":true,"max_tokens":4000})"));
  ASSERT_TRUE(eventually([&] { return served.backend.submitted() > 20; }));
  client.close();
  // Nothing runs between two steps of a search either: it has ended when nothing new comes.
  EXPECT_TRUE(eventually([&] {
    const uint64_t submitted = served.backend.submitted();
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    return served.backend.submitted() == submitted && served.backend.stats().running == 0;
  }));
  EXPECT_LT(served.backend.submitted(), 4000u) << "a quarter of the search";
}

TEST(BeamGeneration, FaultsOfAStepAreThoseOfTheAnswer) {
  Served served;
  const auto status = [&](const std::string& salt) {
    return served.post(kBeamPath, R"({"prompt":[1],"n":2,"use_beam_search":true,"cache_salt":"mock:)" + salt + "\"}")
        .status;
  };
  EXPECT_EQ(status("full"), 429);
  EXPECT_EQ(status("kv"), 400);
  EXPECT_EQ(status("nan@0"), 500);
  const Reply gaveUp = served.post(kBeamPath, R"({"prompt":[1],"use_beam_search":true,"cache_salt":"mock:abort@0"})");
  EXPECT_EQ(json::parse(gaveUp.body)["choices"][0]["finish_reason"], "abort");
}

}  // namespace
}  // namespace llmc::rt::server::test
