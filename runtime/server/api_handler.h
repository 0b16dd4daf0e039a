// The routes: who may ask what, and which of it is quick enough for an I/O thread.
#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/server/access_log.h"
#include "runtime/server/answer.h"
#include "runtime/server/auth.h"
#include "runtime/server/event_inbox.h"
#include "runtime/server/http/exchange.h"
#include "runtime/server/metrics.h"

namespace llmc::rt::server {

/// What a handler is made of; all of it outlives the handler.
struct ApiServices {
  Backend& backend;
  const ModelText& text;
  Metrics& metrics;
  AccessLog& accessLog;
  const KeyRing& keys;
  bool loopback = true;  ///< only this machine can connect
  std::string version;
  int64_t created = 0;  ///< Unix time, of /v1/models
  uint32_t prepareThreads = 1;
  bool openMetrics = false;      ///< /metrics needs no key
  std::optional<uint64_t> seed;  ///< of requests that bring none; unset: random
};

/// handle() and finished() run on I/O threads; setReady(), drain() and load() on any.
class ApiHandler : public HttpHandler {
 public:
  /// `inboxes`: one an I/O thread, by index.
  ApiHandler(ApiServices services, std::vector<std::shared_ptr<EventInbox>> inboxes);
  ~ApiHandler() override;

  void handle(std::shared_ptr<Exchange> exchange) override;
  void finished(const Exchange& exchange) override;
  bool draining() const override { return draining_.load(std::memory_order_relaxed); }

  void setReady(bool ready) { ready_.store(ready); }
  void drain() { draining_.store(true); }
  uint32_t load() const { return load_.load(); }
  /// Waits for requests that are being prepared; no more are taken.
  void stopPreparing();

 private:
  using Respond = std::function<void(const std::shared_ptr<Exchange>&)>;
  struct Route {
    const char* method;
    const char* path;
    void (ApiHandler::*call)(const std::shared_ptr<Exchange>&);
    bool open = false;  ///< asked by probes and before a key is typed in
  };
  static std::span<const Route> routes();
  static bool leadsTo(const Route& route, std::string_view path);
  /// As the header Allow names them.
  static std::string allowedMethods(std::string_view path);
  static const Route* find(std::string_view path, std::string_view method, bool& pathKnown);
  ApiFault admit(Exchange& exchange, bool open) const;

  void page(const std::shared_ptr<Exchange>& exchange);
  void health(const std::shared_ptr<Exchange>& exchange);
  void ready(const std::shared_ptr<Exchange>& exchange);
  void versionText(const std::shared_ptr<Exchange>& exchange);
  void loadText(const std::shared_ptr<Exchange>& exchange);
  void metricsText(const std::shared_ptr<Exchange>& exchange);
  void models(const std::shared_ptr<Exchange>& exchange);
  void model(const std::shared_ptr<Exchange>& exchange);
  void chat(const std::shared_ptr<Exchange>& exchange) { generate(exchange, Api::kChat); }
  void completions(const std::shared_ptr<Exchange>& exchange) { generate(exchange, Api::kCompletions); }
  void messages(const std::shared_ptr<Exchange>& exchange) { generate(exchange, Api::kMessages); }
  void responses(const std::shared_ptr<Exchange>& exchange) { generate(exchange, Api::kResponses); }
  void countTokens(const std::shared_ptr<Exchange>& exchange);
  void tokenize(const std::shared_ptr<Exchange>& exchange);
  void detokenize(const std::shared_ptr<Exchange>& exchange);

  void generate(const std::shared_ptr<Exchange>& exchange, Api api);
  /// Runs `work` on a preparing thread for bodies of this size.
  void prepare(size_t bodyBytes, std::function<void()> work);
  /// Runs `work` on the body on a preparing thread and answers with its result.
  void answerLater(const std::shared_ptr<Exchange>& exchange, ApiFault (ApiHandler::*work)(const Json&, std::string&));
  ApiFault countTokensBody(const Json& body, std::string& out);
  ApiFault tokenizeBody(const Json& body, std::string& out);
  ApiFault detokenizeBody(const Json& body, std::string& out);
  std::string modelJson(const std::string& name) const;

  const ApiServices services_;
  const PromptEncoder encoder_;
  const std::function<void(std::function<void()>)> apart_;
  std::vector<std::shared_ptr<EventInbox>> inboxes_;
  std::atomic<bool> ready_{true}, draining_{false};
  std::atomic<uint64_t> nextGeneration_{1};
  std::atomic<uint32_t> load_{0};
  boost::asio::thread_pool preparing_, preparingLong_;
};

}  // namespace llmc::rt::server
