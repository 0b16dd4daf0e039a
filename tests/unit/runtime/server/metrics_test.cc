// Names, labels and buckets are those of vLLM's boards.
#include "runtime/server/metrics.h"

#include <gtest/gtest.h>

namespace llmc::rt::server {
namespace {

TEST(Metrics, HistogramsAreCumulative) {
  Metrics metrics("m", 4096, 2, {});
  metrics.observe(0, Histogram::kTimeToFirstToken, 0.003);
  metrics.observe(1, Histogram::kTimeToFirstToken, 0.005);
  metrics.observe(1, Histogram::kTimeToFirstToken, 1e9);
  const std::string text = metrics.render({});
  const std::string name = "vllm:time_to_first_token_seconds_bucket{engine=\"0\",model_name=\"m\",le=";
  EXPECT_NE(text.find(name + "\"0.001\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find(name + "\"0.005\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find(name + "\"2560\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find(name + "\"+Inf\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("vllm:time_to_first_token_seconds_count{engine=\"0\",model_name=\"m\"} 3\n"), std::string::npos);
}

TEST(Metrics, HasTheNamesOfTheReferenceBoard) {
  Metrics metrics("m", 4096, 1, {"vllm", /*oldNames=*/true});
  BackendStats engine;
  engine.running = 3;
  engine.swapped = 2;
  engine.kvUsage = 0.5;
  engine.hostUsage = 0.25;
  const std::string text = metrics.render(engine);
  EXPECT_NE(text.find("vllm:num_requests_swapped{engine=\"0\",model_name=\"m\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("vllm:cpu_cache_usage_perc{engine=\"0\",model_name=\"m\"} 0.25\n"), std::string::npos);
  for (const char* name : {"num_requests_running",
                           "num_requests_waiting",
                           "kv_cache_usage_perc",
                           "gpu_cache_usage_perc",
                           "prompt_tokens_total",
                           "generation_tokens_total",
                           "request_success_total",
                           "num_preemptions_total",
                           "prefix_cache_queries_total",
                           "prefix_cache_hits_total",
                           "time_to_first_token_seconds_bucket",
                           "inter_token_latency_seconds_bucket",
                           "time_per_output_token_seconds_bucket",
                           "e2e_request_latency_seconds_bucket",
                           "request_prompt_tokens_bucket",
                           "request_generation_tokens_bucket",
                           "request_queue_time_seconds_sum",
                           "request_prefill_time_seconds_sum",
                           "request_decode_time_seconds_sum",
                           "request_inference_time_seconds_sum",
                           "request_max_num_generation_tokens_bucket",
                           "request_params_n_bucket",
                           "request_params_max_tokens_bucket",
                           "request_time_per_output_token_seconds_bucket",
                           "request_num_preemptions_bucket",
                           "iteration_tokens_total_bucket"})
    EXPECT_NE(text.find("vllm:" + std::string(name) + "{"), std::string::npos) << name;
  EXPECT_NE(text.find("vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("vllm:request_success_total{engine=\"0\",model_name=\"m\",finished_reason=\"stop\"} 0\n"),
            std::string::npos);
}

TEST(Metrics, EachNameIsDescribedOnce) {
  Metrics metrics("m\"x", 1 << 20, 1, {"llmc", true});
  metrics.http().count({"/v1/models", "GET", 200});
  const std::string text = metrics.render({});
  EXPECT_EQ(text.find("vllm:"), std::string::npos);
  EXPECT_NE(text.find("model_name=\"m\\\"x\""), std::string::npos);
  std::map<std::string, int> types;
  for (size_t at = text.find("# TYPE "); at != std::string::npos; at = text.find("# TYPE ", at + 1))
    ++types[text.substr(at, text.find(' ', at + 7) - at)];
  for (const auto& [name, count] : types) EXPECT_EQ(count, 1) << name;
  EXPECT_NE(text.find("http_requests_total{handler=\"/v1/models\",method=\"GET\",status=\"2xx\"} 1"),
            std::string::npos);
}

TEST(Metrics, SourcesOfPromptTokensAddUp) {
  Metrics metrics("m", 4096, 2, {});
  metrics.add(0, Counter::kPromptTokens, 100);
  metrics.add(1, Counter::kPromptTokens, 20);
  metrics.add(1, Counter::kCachedTokens, 50);
  BackendStats engine;
  const std::string without = metrics.render(engine);
  EXPECT_EQ(without.find("cache_config_info"), std::string::npos) << "a backend without pages says nothing of them";
  engine.kvPages = 9;
  engine.kvPageTokens = 16;
  engine.prefixCache = true;
  engine.recomputedTokens = 7;
  engine.waiting = 5;
  engine.deferred = 2;
  const std::string text = metrics.render(engine);
  const std::string labels = "{engine=\"0\",model_name=\"m\",";
  for (const std::string& line :
       {"vllm:prompt_tokens_by_source_total" + labels + "source=\"local_compute\"} 70",
        "vllm:prompt_tokens_by_source_total" + labels + "source=\"local_cache_hit\"} 50",
        "vllm:cache_config_info" + labels +
            "block_size=\"16\",enable_prefix_caching=\"True\",kv_cache_max_concurrency=\"0.03515625\","
            "kv_cache_size_tokens=\"144\",num_cpu_blocks=\"0\",num_gpu_blocks=\"9\"} 1",
        "vllm:num_requests_waiting_by_reason" + labels + "reason=\"capacity\"} 3",
        "vllm:num_requests_waiting_by_reason" + labels + "reason=\"deferred\"} 2",
        std::string("vllm:prompt_tokens_recomputed_total{engine=\"0\",model_name=\"m\"} 7"),
        "vllm:engine_sleep_state" + labels + "sleep_state=\"awake\"} 1"})
    EXPECT_NE(text.find('\n' + line + '\n'), std::string::npos) << line;
}

}  // namespace
}  // namespace llmc::rt::server
