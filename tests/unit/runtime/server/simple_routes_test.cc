// Probes, models, metrics and tokens as vLLM answers them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "served.h"

namespace llmc::rt::server::test {
namespace {
using nlohmann::json;

TEST(SimpleRoutes, Probes) {
  Served served;
  for (const char* path : {"/health", "/ready", "/ping"}) {
    const Reply reply = served.get(path);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "");
  }
  served.server->setReady(false);
  EXPECT_EQ(served.get("/ready").status, 503);
  EXPECT_EQ(served.post("/v1/completions", R"({"prompt":[1]})").status, 503);
  EXPECT_EQ(json::parse(served.get("/load").body)["server_load"], 0);
  EXPECT_TRUE(json::parse(served.get("/version").body).contains("version"));
}

TEST(SimpleRoutes, AFailedEngineIsNeitherHealthyNorReady) {
  MockOptions failed;
  failed.works = false;
  const Served served(failed);
  EXPECT_EQ(served.get("/health").status, 503);
  EXPECT_EQ(json::parse(served.get("/health").body)["error"]["code"], "engine_failed");
  EXPECT_EQ(served.get("/ready").status, 503);
}

TEST(SimpleRoutes, Models) {
  Served served;
  const json list = json::parse(served.get("/v1/models").body);
  EXPECT_EQ(list["object"], "list");
  EXPECT_EQ(list["data"][1]["id"], "mock-alias");
  EXPECT_EQ(list["data"][0]["max_model_len"], 4096);
  EXPECT_EQ(json::parse(served.get("/v1/models/mock").body)["id"], "mock");
  EXPECT_EQ(served.get("/v1/models/../../etc/passwd").status, 404);
  EXPECT_EQ(served.get("/v1/models/").status, 404);
}

TEST(SimpleRoutes, NamesOfModelsAreFoundAsClientsWriteThem) {
  MockOptions named;
  named.names = {"org/model:8b", "n\u00e4me x", "50%"};
  const Served served(named);
  for (const char* path : {"org/model:8b", "org%2Fmodel%3A8b", "org%2fmodel:8b", "n%C3%A4me%20x", "50%", "50%25"})
    EXPECT_EQ(served.get(std::string("/v1/models/") + path).status, 200) << path;
  for (const char* path : {"org%252Fmodel:8b", "org%2", "%", "%zz", "%00", "org%2F..%2Forg%2Fmodel:8b", "50%2"})
    EXPECT_EQ(served.get(std::string("/v1/models/") + path).status, 404) << path;
}

TEST(SimpleRoutes, Tokens) {
  Served served;
  json body = json::parse(served.post("/tokenize", R"({"prompt":"hello","return_token_strs":true})").body);
  EXPECT_EQ(body["tokens"], json({263, 259}));
  EXPECT_EQ(body["count"], 2);
  EXPECT_EQ(body["max_model_len"], 4096);
  EXPECT_EQ(body["token_strs"][1], "hello");
  body = json::parse(served.post("/tokenize", R"({"messages":[{"role":"user","content":"hello"}]})").body);
  EXPECT_EQ(body["tokens"][0], 261);
  body = json::parse(served.post("/detokenize", R"({"tokens":[261,259,262]})").body);
  EXPECT_EQ(body["prompt"], "<|im_start|>hello<|im_end|>");
  EXPECT_EQ(served.post("/detokenize", R"({"tokens":[265]})").status, 400);
  EXPECT_EQ(served.post("/detokenize", R"({})").status, 400);
  EXPECT_EQ(served.post("/tokenize", R"({"model":"x","prompt":"a"})").status, 404);
  EXPECT_EQ(served.post("/tokenize", R"({})").status, 400);
  const std::string chat = R"({"messages":[{"role":"user","content":"hello"}],"tools":)";
  EXPECT_EQ(served.post("/tokenize", chat + "[]}").status, 200);
  EXPECT_EQ(json::parse(served.post("/tokenize", chat + "[{}]}").body)["error"]["param"], "tools");
  const Reply other = served.post("/tokenize", chat + R"([],"chat_template":"{{ 1 }}"})");
  EXPECT_EQ(json::parse(other.body)["error"]["param"], "chat_template") << "it would count other tokens";
}

TEST(SimpleRoutes, MetricsMove) {
  Served served;
  served.post("/v1/completions", R"({"prompt":[1,2],"max_tokens":5})");
  EXPECT_EQ(served.metric("vllm:prompt_tokens_total"), 2);
  EXPECT_EQ(served.metric("vllm:generation_tokens_total"), 5);
  EXPECT_EQ(served.metric("vllm:time_to_first_token_seconds_count"), 1);
  EXPECT_EQ(served.metric("vllm:inter_token_latency_seconds_count"), 4);
  EXPECT_EQ(served.metric("vllm:e2e_request_latency_seconds_count"), 1);
}

TEST(SimpleRoutes, AChoiceCountsAsARequestOfVllm) {
  Served served;
  served.post("/v1/completions", R"({"prompt":[[1,2,3],[4]],"n":3,"max_tokens":5})");
  for (const char* name : {"e2e_request_latency_seconds", "time_to_first_token_seconds", "request_queue_time_seconds",
                           "request_prefill_time_seconds", "request_prompt_tokens", "request_generation_tokens",
                           "request_params_max_tokens", "request_prefill_kv_computed_tokens"})
    EXPECT_EQ(served.metric("vllm:" + std::string(name) + "_count"), 6) << name;
  for (const char* name : {"request_params_n", "request_max_num_generation_tokens"})
    EXPECT_EQ(served.metric("vllm:" + std::string(name) + "_count"), 2) << name << ", once a prompt";
  EXPECT_EQ(served.metric("vllm:request_prompt_tokens_sum"), 3 * 3 + 3 * 1);
  EXPECT_EQ(served.metric("vllm:request_params_max_tokens_sum"), 6 * 5);
  EXPECT_EQ(served.metric("vllm:request_params_n_sum"), 2 * 3);
  EXPECT_EQ(served.metric("vllm:request_max_num_generation_tokens_sum"), 2 * 5);
}

TEST(SimpleRoutes, CountedTokensAreThoseOfTheAnswer) {
  Served served;
  const std::string chat = R"("system":"s","messages":[{"role":"user","content":"hello"}])";
  const json counted = json::parse(served.post("/v1/messages/count_tokens", "{" + chat + "}").body);
  const json answered = json::parse(served.post("/v1/messages", "{" + chat + R"(,"max_tokens":1})").body);
  EXPECT_GT(counted["input_tokens"], 5);
  EXPECT_EQ(counted["input_tokens"], answered["usage"]["input_tokens"]);
}

}  // namespace
}  // namespace llmc::rt::server::test
