// Few and short beside a model's step: one lock.
#include "runtime/server/http_metrics.h"

#include <algorithm>

#include "runtime/server/metrics_text.h"

namespace llmc::rt::server {
namespace {

constexpr std::string_view kProbes[] = {"/health", "/ready", "/ping", "/load", "/version", "/metrics"};

bool isProbe(std::string_view handler) { return std::ranges::find(kProbes, handler) != std::end(kProbes); }

template <size_t N>
size_t binOf(const std::array<double, N>& bounds, double value) {
  return static_cast<size_t>(std::ranges::lower_bound(bounds, value) - bounds.begin());
}

void head(std::string& out, const std::string& name, std::string_view type, std::string_view help) {
  ((((out += "# HELP ") += name) += ' ') += help) += '\n';
  ((((out += "# TYPE ") += name) += ' ') += type) += '\n';
}

void line(std::string& out, const std::string& name, const std::string& labels, double value) {
  out += name;
  if (!labels.empty()) out += "{" + labels + "}";
  (((out += ' ') += numberText(value))) += '\n';
}

}  // namespace

std::string_view handlerLabel(std::string_view route, std::string_view path) {
  if (!route.empty()) return route;
  const auto* const probe = std::ranges::find(kProbes, path);
  return probe == std::end(kProbes) ? "none" : *probe;
}

std::string_view methodLabel(std::string_view method) {
  static constexpr std::string_view kMethods[] = {"GET",   "HEAD",    "POST",    "PUT",  "DELETE",
                                                  "PATCH", "OPTIONS", "CONNECT", "TRACE"};
  const auto* const known = std::ranges::find(kMethods, method);
  return known == std::end(kMethods) ? "other" : *known;
}

void HttpMetrics::count(const HttpAnswer& answer) {
  const std::string handler(answer.handler), method(answer.method);
  const std::lock_guard lock(mutex_);
  ++counts_[{handler, method, answer.status}];
  if (isProbe(answer.handler)) return;
  auto& coarse = latencies_[{handler, method}];
  ++coarse.counts[binOf(kBounds, answer.seconds)];
  coarse.sum += answer.seconds;
  ++latency_.counts[binOf(kFineBounds, answer.seconds)];
  latency_.sum += answer.seconds;
  Sizes& sizes = sizes_[handler];
  ++sizes.count;
  sizes.request += answer.requestBytes;
  sizes.response += answer.responseBytes;
}

template <size_t N>
void HttpMetrics::renderLatency(std::string& out, const std::string& name, const std::string& labels,
                                const std::array<double, N>& bounds, const Latency<N>& latency) {
  uint64_t count = 0;
  for (size_t bin = 0; bin <= N; ++bin) {
    count += latency.counts[bin];
    const std::string bound = bin < N ? numberText(bounds[bin]) : "+Inf";
    line(out, name + "_bucket", labels + (labels.empty() ? "" : ",") + "le=\"" + bound + "\"",
         static_cast<double>(count));
  }
  line(out, name + "_count", labels, static_cast<double>(count));
  line(out, name + "_sum", labels, latency.sum);
}

void HttpMetrics::renderCounts(std::string& out) const {
  std::map<std::string, uint64_t> groups;
  std::string exact;
  for (const auto& [key, count] : counts_) {
    const auto& [handler, method, status] = key;
    const std::string labels = "{handler=\"" + handler + "\",method=\"" + method + "\",";
    const std::string group{static_cast<char>('0' + status / 100), 'x', 'x'};
    if (!isProbe(handler)) groups[labels + "status=\"" + group + "\"}"] += count;
    exact += "llmc:http_responses_total" + labels + "code=\"" + std::to_string(status) + "\"} " +
             std::to_string(count) + "\n";
  }
  head(out, "http_requests_total", "counter",
       "Total number of requests by method, status and handler; without probes.");
  for (const auto& [name, count] : groups) out += "http_requests_total" + name + " " + std::to_string(count) + "\n";
  head(out, "llmc:http_responses_total", "counter", "The same by exact status, with probes; 499: the client left.");
  out += exact;
}

void HttpMetrics::renderSizes(std::string& out) const {
  for (const bool request : {true, false}) {
    const std::string name = request ? "http_request_size_bytes" : "http_response_size_bytes";
    head(out, name, "summary",
         request ? "Content length of incoming requests by handler." : "Bytes of answers by handler, heads included.");
    for (const auto& [handler, sizes] : sizes_) {
      const std::string labels = "handler=\"" + handler + "\"";
      line(out, name + "_count", labels, static_cast<double>(sizes.count));
      line(out, name + "_sum", labels, static_cast<double>(request ? sizes.request : sizes.response));
    }
  }
}

std::string HttpMetrics::render() const {
  std::string out;
  const std::lock_guard lock(mutex_);
  renderCounts(out);
  renderSizes(out);
  head(out, "http_request_duration_highr_seconds", "histogram", "Latency of all requests, many buckets.");
  renderLatency(out, "http_request_duration_highr_seconds", {}, kFineBounds, latency_);
  head(out, "http_request_duration_seconds", "histogram", "Latency by handler, few buckets.");
  for (const auto& [key, latency] : latencies_)
    renderLatency(out, "http_request_duration_seconds", "handler=\"" + key.first + "\",method=\"" + key.second + "\"",
                  kBounds, latency);
  return out;
}

}  // namespace llmc::rt::server
