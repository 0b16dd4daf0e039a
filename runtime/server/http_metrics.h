// Requests by route, as vLLM's instrumentator (prometheus-fastapi-instrumentator) counts them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>

namespace llmc::rt::server {

/// An answered request. `handler`: the route's pattern, never what the client wrote.
struct HttpAnswer {
  std::string_view handler, method;
  int status = 0;
  uint64_t requestBytes = 0;  ///< what its Content-Length says
  uint64_t responseBytes = 0;
  double seconds = 0;  ///< from the request's last byte to the answer's
};

/// The label of a request that `route` (its pattern) answers. Without one, as of an unknown path or a wrong method, it
/// is "none"; a wrong method for a probe counts as that probe, whose requests the instrumentator leaves out by their
/// path.
std::string_view handlerLabel(std::string_view route, std::string_view path);

/// The request's method if it is one of HTTP's, else "other": what a client makes up is no label.
std::string_view methodLabel(std::string_view method);

/// Functions may be called by any thread.
class HttpMetrics {
 public:
  void count(const HttpAnswer& answer);
  /// Text exposition format 0.0.4. Probes (/health, /ready, /ping, /load, /version, /metrics) are in
  /// llmc:http_responses_total alone: boards that divide by all requests would show those of the load balancer.
  std::string render() const;

 private:
  static constexpr std::array<double, 3> kBounds{.1, .5, 1};
  static constexpr std::array<double, 21> kFineBounds{.01, .025, .05, .075, .1,  .25, .5,  .75, 1,  1.5, 2,
                                                      2.5, 3,    3.5, 4,    4.5, 5,   7.5, 10,  30, 60};
  template <size_t N>
  struct Latency {
    std::array<uint64_t, N + 1> counts{};  ///< of each bin, not cumulative
    double sum = 0;
  };
  struct Sizes {
    uint64_t count = 0, request = 0, response = 0;
  };
  template <size_t N>
  static void renderLatency(std::string& out, const std::string& name, const std::string& labels,
                            const std::array<double, N>& bounds, const Latency<N>& latency);
  void renderCounts(std::string& out) const;
  void renderSizes(std::string& out) const;

  mutable std::mutex mutex_;
  std::map<std::tuple<std::string, std::string, int>, uint64_t> counts_;              ///< by handler, method, status
  std::map<std::pair<std::string, std::string>, Latency<kBounds.size()>> latencies_;  ///< by handler, method
  Latency<kFineBounds.size()> latency_;
  std::map<std::string, Sizes, std::less<>> sizes_;  ///< by handler
};

}  // namespace llmc::rt::server
