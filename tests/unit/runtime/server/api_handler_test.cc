// Who gets in: keys, hosts, methods, media types (rows HT8, HT10 to HT13, EP1 to EP4).
#include "runtime/server/api_handler.h"

#include <gtest/gtest.h>

#include "served.h"

namespace llmc::rt::server::test {
namespace {

TEST(ApiHandler, AWrongKeyGetsNowhere) {
  ServerOptions options;
  options.apiKeys = {"first-key", "second-key"};
  Served served({}, options);
  for (const char* path : {"/v1/models", "/metrics", "/tokenize", "/detokenize", "/v1/completions", "/nowhere",
                           "/v1/models/../../etc/passwd", "//v1/models"})
    for (const std::string& headers :
         {std::string(), std::string("Authorization: Bearer first-ke\r\n"),
          std::string("Authorization: Bearer first-keyy\r\n"), std::string("Authorization: first-key\r\n"),
          std::string("Authorization: Basic first-key\r\n"), std::string("Authorization: Bearer \r\n"),
          "Authorization: Bearer " + std::string(10'000, 'k') + "\r\n"}) {
      const Reply reply = served.get(path, headers);
      EXPECT_EQ(reply.status, 401) << path << " " << headers;
      EXPECT_NE(reply.body.find("invalid_api_key"), std::string::npos);
    }
  EXPECT_EQ(served.get("/v1/models?api_key=first-key").status, 401);
  for (const char* path : {"/health", "/ready", "/ping", "/version", "/load"})
    EXPECT_EQ(served.get(path).status, 200) << path;
  EXPECT_EQ(served.post("/ping", "").status, 200);
  EXPECT_EQ(served.get("/v1/models", "Authorization: Bearer second-key\r\n").status, 200);
  EXPECT_EQ(served.get("/v1/models", "Host: elsewhere\r\nAuthorization: Bearer second-key\r\n").status, 400);
  served.post("/v1/completions", R"({"prompt":[1],"max_tokens":1})", "Authorization: bearer second-key\r\n");
  EXPECT_EQ(served.backend.last().apiKey, 1u);
}

TEST(ApiHandler, OpenMetricsOpenNothingElse) {
  ServerOptions options;
  options.apiKeys = {"first-key"};
  options.openMetrics = true;
  Served served({}, options);
  EXPECT_EQ(served.get("/metrics").status, 200);
  for (const char* path : {"/v1/models", "/tokenize", "/metrics/", "//metrics"})
    EXPECT_EQ(served.get(path).status, 401) << path;
}

TEST(ApiHandler, ForeignHostsAreRefusedWithoutAKey) {
  Served served;
  for (const auto& [host, status] :
       {std::pair{"evil.example", 403}, std::pair{"127.0.0.1.evil.example", 403}, std::pair{"localhost:80", 200},
        std::pair{"127.0.0.1:1", 200}, std::pair{"[::1]:80", 200}, std::pair{"", 403}}) {
    Client client(served.server->port());
    client.send("GET /v1/models HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
    EXPECT_EQ(client.read().status, status) << host;
  }
}

TEST(ApiHandler, PathsAndMethodsAreExact) {
  Served served;
  for (const char* path : {"/v1", "/v1/", "//v1/models", "/v1/../metrics", "/v1/%6dodels", "/metrics/", "/HEALTH"})
    EXPECT_EQ(served.get(path).status, 404) << path;
  const Reply reply = served.get("/v1/completions");
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.headers.at("allow"), "POST");
  for (const auto& [path, allowed] : {std::pair{"/health", "GET, HEAD"}, std::pair{"/v1/models/mock", "GET, HEAD"}}) {
    const Reply wrong = served.post(path, "{}");
    EXPECT_EQ(wrong.status, 405);
    EXPECT_EQ(wrong.headers.at("allow"), allowed);
  }
  Client client(served.server->port());
  client.send("PUT /ping HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.read().headers.at("allow"), "GET, HEAD, POST");
  EXPECT_EQ(served.post("/v1/models", "{}").status, 405);
}

TEST(ApiHandler, NothingIsGrantedToOtherOrigins) {
  Served served;
  Client client(served.server->port());
  client.send(
      "OPTIONS /v1/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil\r\n"
      "Access-Control-Request-Method: POST\r\n\r\n");
  const Reply preflight = client.read();
  EXPECT_EQ(preflight.status, 405);
  EXPECT_FALSE(preflight.headers.contains("access-control-allow-origin"));
  client.send(
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_EQ(client.read().status, 415);
}

TEST(ApiHandler, RequestIdsAreKeptIfHarmless) {
  Served served;
  EXPECT_EQ(served.get("/health", "X-Request-Id: abc-1.2\r\n").headers.at("x-request-id"), "abc-1.2");
  for (const std::string& id : {std::string("http://evil/"), std::string(10'000, 'a'), std::string("a b")})
    EXPECT_EQ(served.get("/health", "X-Request-Id: " + id + "\r\n").headers.at("x-request-id").size(), 32u);
  served.post("/v1/completions", R"({"prompt":[1],"max_tokens":1})",
              "X-Request-Id: mine\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n");
  EXPECT_EQ(served.backend.last().requestId, "mine");
  EXPECT_EQ(served.backend.last().traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

TEST(ApiHandler, ARequestIdOfTheBodyIsTheAnswers) {
  Served served;
  const std::string body = R"({"prompt":[1],"max_tokens":1,"request_id":"job-7"})";
  const Reply own = served.post("/v1/completions", body);
  EXPECT_NE(own.body.find(R"("id":"cmpl-job-7")"), std::string::npos) << own.body;
  EXPECT_EQ(own.headers.at("x-request-id"), "job-7");
  EXPECT_EQ(served.backend.last().requestId, "job-7");
  EXPECT_NE(served.post("/v1/completions", body, "X-Request-Id: outer\r\n").body.find(R"("id":"cmpl-outer")"),
            std::string::npos)
      << "the header's comes first";
  const Reply chat = served.post("/v1/chat/completions",
                                 R"({"messages":[{"role":"user","content":"x"}],"max_tokens":1,"request_id":"c"})");
  EXPECT_NE(chat.body.find(R"("id":"chatcmpl-c")"), std::string::npos);
}

TEST(ApiHandler, AbsoluteTargetsAreOfTheirOwnHost) {
  Served served;
  for (const auto& [target, host, status] : {std::tuple{"http://localhost/v1/models", "localhost", 200},
                                             std::tuple{"http://127.0.0.1:9", "evil.example", 200},
                                             std::tuple{"http://evil.example/v1/models", "localhost", 403}}) {
    Client client(served.server->port());
    client.send("GET " + std::string(target) + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    EXPECT_EQ(client.read().status, status) << target;
  }
}

TEST(ApiHandler, DrainingRefusesNewWork) {
  Served served;
  Client kept(served.server->port());
  kept.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(kept.read().status, 200);
  served.server->drain();
  EXPECT_TRUE(kept.ended()) << "idle connections close";
  EXPECT_EQ(served.get("/ready").status, 503);
  EXPECT_EQ(served.get("/health").status, 200);
  const Reply reply = served.post("/v1/completions", R"({"prompt":[1]})");
  EXPECT_EQ(reply.status, 503);
  EXPECT_TRUE(reply.headers.contains("retry-after"));
  EXPECT_EQ(reply.headers.at("connection"), "close");
}

TEST(ApiHandler, HeadIsGetWithoutABody) {
  Served served;
  Client client(served.server->port());
  for (const char* path :
       {"/", "/health", "/ready", "/ping", "/version", "/load", "/v1/models", "/v1/models/mock", "/metrics"}) {
    client.send("HEAD " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const Reply head = client.read(/*head=*/true), get = served.get(path);
    EXPECT_EQ(head.status, 200) << path;
    EXPECT_EQ(head.headers.contains("content-type"), get.headers.contains("content-type")) << path;
    EXPECT_EQ(head.headers.at("x-request-id").size(), 32u) << path;
    if (std::string_view(path) != "/metrics")  // which has grown meanwhile
      EXPECT_EQ(head.headers.at("content-length"), get.headers.at("content-length")) << path;
  }
}

TEST(ApiHandler, LabelsOfMetricsAreFixed) {
  Served served;
  served.get("/secret-path-of-a-user");
  for (const char* request :
       {"BREW /v1/models", "BRUISE /v1/models", "GET /v1/completions", "HEAD /v1/models", "BREW /health", "(no HTTP"}) {
    Client client(served.server->port());
    client.send(std::string(request) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_GE(client.read(/*head=*/true).status, 200) << request;
  }
  const std::string body = served.get("/metrics").body;
  for (const char* absent : {"secret-path", "BREW", "BRUISE", R"(http_requests_total{handler="/health")"})
    EXPECT_EQ(body.find(absent), std::string::npos) << absent;
  for (const char* line : {R"(http_requests_total{handler="none",method="GET",status="4xx"} 2)",
                           R"(http_requests_total{handler="none",method="other",status="4xx"} 3)",
                           R"(http_requests_total{handler="/v1/models",method="HEAD",status="2xx"} 1)",
                           R"(llmc:http_responses_total{handler="/health",method="other",code="405"} 1)"})
    EXPECT_NE(body.find(line), std::string::npos) << line << "\n"
                                                  << body.substr(body.find("# HELP http_requests_total"), 2000);
}

}  // namespace
}  // namespace llmc::rt::server::test
