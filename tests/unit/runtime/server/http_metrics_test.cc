// Names, labels and bounds are those that vLLM's instrumentator writes.
#include "runtime/server/http_metrics.h"

#include <gtest/gtest.h>

namespace llmc::rt::server {
namespace {

void expectLines(const std::string& text, std::initializer_list<std::string> lines) {
  for (const std::string& line : lines) EXPECT_NE(text.find('\n' + line + '\n'), std::string::npos) << line;
}

TEST(HttpMetrics, StatusesAreCountedExactlyAndInGroups) {
  HttpMetrics metrics;
  for (const int status : {200, 400, 400, 429}) metrics.count({"/v1/completions", "POST", status});
  const std::string labels = "{handler=\"/v1/completions\",method=\"POST\",";
  expectLines(metrics.render(), {"http_requests_total" + labels + "status=\"2xx\"} 1",
                                 "http_requests_total" + labels + "status=\"4xx\"} 3",
                                 "llmc:http_responses_total" + labels + "code=\"400\"} 2",
                                 "llmc:http_responses_total" + labels + "code=\"429\"} 1"});
}

TEST(HttpMetrics, ProbesAreNoRequests) {
  HttpMetrics metrics;
  for (const char* probe : {"/health", "/ready", "/ping", "/load", "/version", "/metrics"})
    metrics.count({probe, "GET", 503, 0, 100, 1});
  const std::string text = metrics.render();
  EXPECT_EQ(text.find("http_requests_total{"), std::string::npos) << "a drained replica would look broken";
  EXPECT_EQ(text.find("http_response_size_bytes_count{"), std::string::npos);
  expectLines(text, {"http_request_duration_highr_seconds_count 0",
                     "llmc:http_responses_total{handler=\"/ready\",method=\"GET\",code=\"503\"} 1"});
}

TEST(HttpMetrics, LabelsAreOfABoundedSet) {
  EXPECT_EQ(handlerLabel("/v1/models/{model}", "/v1/models/m"), "/v1/models/{model}");
  EXPECT_EQ(handlerLabel({}, "/v1/completions"), "none") << "a wrong method";
  EXPECT_EQ(handlerLabel({}, "/nowhere"), "none");
  EXPECT_EQ(handlerLabel({}, ""), "none");
  EXPECT_EQ(handlerLabel({}, "/health"), "/health") << "left out by its path";
  EXPECT_EQ(methodLabel("OPTIONS"), "OPTIONS");
  EXPECT_EQ(methodLabel("get"), "other");
  EXPECT_EQ(methodLabel(""), "other");
}

TEST(HttpMetrics, TimesAndSizes) {
  HttpMetrics metrics;
  metrics.count({"/v1/completions", "POST", 200, 100, 1000, .1});
  metrics.count({"/v1/completions", "POST", 200, 50, 500, .6});
  metrics.count({"/v1/chat/completions", "POST", 200, 7, 70, 100});
  const std::string by = "{handler=\"/v1/completions\",method=\"POST\"", fine = "http_request_duration_highr_seconds";
  expectLines(metrics.render(),
              {"http_request_duration_seconds_bucket" + by + ",le=\"0.1\"} 1",
               "http_request_duration_seconds_bucket" + by + ",le=\"0.5\"} 1",
               "http_request_duration_seconds_bucket" + by + ",le=\"1\"} 2",
               "http_request_duration_seconds_bucket" + by + ",le=\"+Inf\"} 2",
               "http_request_duration_seconds_sum" + by + "} 0.7", fine + "_bucket{le=\"0.075\"} 0",
               fine + "_bucket{le=\"0.1\"} 1", fine + "_bucket{le=\"60\"} 2", fine + "_bucket{le=\"+Inf\"} 3",
               fine + "_count 3", "http_request_size_bytes_count{handler=\"/v1/completions\"} 2",
               "http_request_size_bytes_sum{handler=\"/v1/completions\"} 150",
               "http_response_size_bytes_sum{handler=\"/v1/chat/completions\"} 70"});
}

}  // namespace
}  // namespace llmc::rt::server
