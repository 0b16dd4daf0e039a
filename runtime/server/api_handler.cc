// One table of routes; everything a client sends is checked in the order in which it could do harm.
#include "runtime/server/api_handler.h"

#include <boost/asio/post.hpp>
#include <charconv>

#include "runtime/base/ascii.h"
#include "runtime/base/limits.h"
#include "runtime/server/api/json_body.h"
#include "runtime/server/api/json_text.h"
#include "runtime/server/error_response.h"
#include "runtime/server/request_id.h"

namespace llmc::rt::server {
namespace {

constexpr std::string_view kModelPrefix = "/v1/models/";

std::string mediaType(std::string_view header) {
  std::string out = asciiLower(header.substr(0, header.find(';')));
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

std::span<const ApiHandler::Route> ApiHandler::routes() {
  static constexpr Route kRoutes[] = {
      {"GET", "/", &ApiHandler::page, true},
      {"GET", "/health", &ApiHandler::health, true},
      {"GET", "/ready", &ApiHandler::ready, true},
      {"GET", "/ping", &ApiHandler::health, true},
      {"POST", "/ping", &ApiHandler::health, true},
      {"GET", "/version", &ApiHandler::versionText, true},
      {"GET", "/load", &ApiHandler::loadText, true},
      {"GET", "/metrics", &ApiHandler::metricsText},
      {"GET", "/v1/models", &ApiHandler::models},
      {"GET", "/v1/models/{model}", &ApiHandler::model},
      {"POST", "/v1/chat/completions", &ApiHandler::chat},
      {"POST", "/v1/completions", &ApiHandler::completions},
      {"POST", "/v1/messages", &ApiHandler::messages},
      {"POST", "/v1/messages/count_tokens", &ApiHandler::countTokens},
      {"POST", "/v1/responses", &ApiHandler::responses},
      {"POST", "/tokenize", &ApiHandler::tokenize},
      {"POST", "/detokenize", &ApiHandler::detokenize},
  };
  return kRoutes;
}

bool ApiHandler::leadsTo(const Route& route, std::string_view path) {
  return path == route.path || (path.starts_with(kModelPrefix) && std::string_view(route.path) == "/v1/models/{model}");
}

std::string ApiHandler::allowedMethods(std::string_view path) {
  std::string out;
  for (const Route& route : routes())
    if (leadsTo(route, path))
      (out += out.empty() ? "" : ", ") += std::string_view(route.method) == "GET" ? "GET, HEAD" : route.method;
  return out;
}

const ApiHandler::Route* ApiHandler::find(std::string_view path, std::string_view method, bool& pathKnown) {
  const Route* found = nullptr;
  pathKnown = false;
  for (const Route& route : routes()) {
    if (!leadsTo(route, path)) continue;
    pathKnown = true;
    if (method == route.method || (method == "HEAD" && std::string_view(route.method) == "GET")) found = &route;
  }
  return found;
}

ApiHandler::ApiHandler(ApiServices services, std::vector<std::shared_ptr<EventInbox>> inboxes)
    : services_(std::move(services)),
      encoder_(services_.backend.facts(), services_.text),
      apart_([this](std::function<void()> work) { boost::asio::post(preparingLong_, std::move(work)); }),
      inboxes_(std::move(inboxes)),
      preparing_(services_.prepareThreads),
      preparingLong_(1) {}

ApiHandler::~ApiHandler() { stopPreparing(); }

void ApiHandler::stopPreparing() {
  preparingLong_.stop();  // those that wait behind a long one get no answer
  preparing_.join();
  preparingLong_.join();
}

/// Long bodies have a thread of their own: any number of them costs the short ones nothing but its CPU.
void ApiHandler::prepare(size_t bodyBytes, std::function<void()> work) {
  boost::asio::post(bodyBytes > limits::kShortBodyBytes ? preparingLong_ : preparing_, std::move(work));
}

ApiFault ApiHandler::admit(Exchange& exchange, bool open) const {
  const HttpRequest& request = exchange.request;
  // Without a key the browser's same-origin rule is the guard, and DNS rebinding walks around it.
  if (services_.keys.empty() && services_.loopback && !isLoopbackHostHeader(request.header("host")) &&
      request.count("host") > 0)
    return ApiError{403, "host_not_allowed", "the Host header names another machine; use 127.0.0.1 or localhost", {}};
  if (open) return std::nullopt;
  const auto key = services_.keys.check(request.header("authorization"), request.header("x-api-key"));
  if (!key)
    return ApiError{401,
                    "invalid_api_key",
                    "the API key is missing or wrong; send 'Authorization: Bearer KEY' or 'x-api-key: KEY'",
                    {}};
  exchange.apiKey = *key;
  return std::nullopt;
}

void ApiHandler::handle(std::shared_ptr<Exchange> exchange) {
  const HttpRequest& request = exchange->request;
  exchange->requestId = requestIdFor(request.header("x-request-id"));
  bool pathKnown = false;
  const Route* route = find(request.path, request.method, pathKnown);
  const bool open = route && (route->open || (services_.openMetrics && route->call == &ApiHandler::metricsText));
  ApiFault fault = admit(*exchange, open);
  if (!fault && !pathKnown)
    fault = ApiError{404,
                     "not_found",
                     "no such path; see /v1/models, /v1/chat/completions, /v1/completions, /v1/responses, /v1/messages",
                     {}};
  if (!fault && !route) fault = ApiError{405, "method_not_allowed", "this path has another method", {}};
  if (!fault && request.method == "POST" && route->call != &ApiHandler::health &&
      mediaType(request.header("content-type")) != "application/json")
    fault = ApiError{415, "unsupported_media_type", "send 'Content-Type: application/json'", {}};
  if (fault) {
    HttpResponse response = errorResponse(*exchange, *fault);
    if (fault->status == 405) response.headers.emplace_back("Allow", allowedMethods(request.path));
    return exchange->respond(response);
  }
  (this->*route->call)(exchange);
}

void ApiHandler::finished(const Exchange& exchange) {
  const HttpRequest& request = exchange.request;
  bool pathKnown = false;
  const Route* route = find(request.path, request.method, pathKnown);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - exchange.arrived;
  uint64_t length = 0;
  const std::string_view header = request.header("content-length");
  std::from_chars(header.data(), header.data() + header.size(), length);
  services_.metrics.http().count({handlerLabel(route ? route->path : std::string_view{}, request.path),
                                  methodLabel(request.method), exchange.status, length, exchange.bytesOut,
                                  took.count()});
  services_.accessLog.write(exchange, took.count());
}

void ApiHandler::generate(const std::shared_ptr<Exchange>& exchange, Api api) {
  if (draining() || !ready_.load())
    return exchange->respond(errorResponse(
        *exchange, {503, "draining", "this server takes no more requests; send it to another replica", {}, 1}));
  struct Work {
    std::string body;
    GenerateRequest request;
    std::vector<GenerationRequest> generations;
    ApiFault fault;
  };
  auto work = std::make_shared<Work>();
  work->body = std::move(exchange->request.body);
  const size_t bytes = work->body.size();
  load_.fetch_add(1);  // a drain waits for it, too
  prepare(bytes, [this, exchange, work, api] {
    Json json;
    work->fault = parseBody(work->body, json);
    if (!work->fault) work->fault = readGenerateRequest(json, api, services_.backend.facts(), work->request);
    if (!work->fault) work->fault = encoder_.prepare(work->request, work->generations);
    work->body = {};
    exchange->io().post([this, exchange, work] {
      const bool left = !exchange->open();  // the client, meanwhile
      if (left || work->fault) load_.fetch_sub(1);
      if (left) return;
      if (work->fault) return exchange->respond(errorResponse(*exchange, *work->fault));
      // As in vLLM the header's comes first.
      if (!work->request.requestId.empty() && !isSafeRequestId(exchange->request.header("x-request-id")))
        exchange->requestId = work->request.requestId;
      const AnswerServices services{services_.backend, services_.text, services_.metrics, nextGeneration_, load_,
                                    services_.seed,    apart_};
      const auto answer = std::make_shared<Answer>(services, exchange, std::move(work->request),
                                                   std::move(work->generations));  // counts itself from here on
      load_.fetch_sub(1);
      answer->start(*inboxes_[exchange->io().index()]);
    });
  });
}

void ApiHandler::answerLater(const std::shared_ptr<Exchange>& exchange,
                             ApiFault (ApiHandler::*work)(const Json&, std::string&)) {
  auto body = std::make_shared<std::string>(std::move(exchange->request.body));
  prepare(body->size(), [this, exchange, body, work] {
    Json json;
    auto out = std::make_shared<std::string>();
    ApiFault fault = parseBody(*body, json);
    if (!fault) fault = (this->*work)(json, *out);
    exchange->io().post([exchange, fault, out] {
      if (fault) return exchange->respond(errorResponse(*exchange, *fault));
      HttpResponse response;
      response.body = std::move(*out);
      exchange->respond(response);
    });
  });
}

}  // namespace llmc::rt::server
