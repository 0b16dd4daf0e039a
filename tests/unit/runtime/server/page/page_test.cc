// What GET / says besides the page: who may ask, what a browser may keep, what the page may do.
#include "runtime/server/page/page.h"

#include <gtest/gtest.h>

#include "../served.h"

namespace llmc::rt::server::test {
namespace {

HttpRequest asking(const std::string& tags) {
  HttpRequest request;
  if (!tags.empty()) request.headers = {{"if-none-match", tags}};
  return request;
}

TEST(Page, IsOneDocumentWithoutFilesOfItsOwn) {
  EXPECT_TRUE(kPage.text.starts_with("<!doctype html>"));
  EXPECT_TRUE(kPage.text.ends_with("</html>\n"));
  EXPECT_EQ(kPage.text.find("src=\""), std::string_view::npos);
  EXPECT_EQ(kPage.text.find("rel=\"stylesheet\""), std::string_view::npos);
  EXPECT_EQ(kPage.text.find("innerHTML"), std::string_view::npos);
  EXPECT_GT(kPage.text.size(), 20'000u);
  EXPECT_LT(kPage.text.size(), 200'000u);
}

TEST(Page, ItsPolicyNamesEachScriptAndStyleByHash) {
  const auto count = [](std::string_view text, std::string_view part) {
    size_t found = 0;
    for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count(kPage.hashes, "'sha256-"), count(kPage.text, "<script>") + count(kPage.text, "<style>"));
  // 32 bytes in base64 end with one filler.
  EXPECT_EQ(count(kPage.hashes, "='"), count(kPage.hashes, "'sha256-"));
  for (const auto& [name, value] : pageResponse({}).headers)
    if (name == "Content-Security-Policy") {
      EXPECT_EQ(value.find("unsafe"), std::string::npos) << value;
      EXPECT_TRUE(value.starts_with("default-src 'none'; script-src 'sha256-")) << value;
      EXPECT_NE(value.find("frame-ancestors 'none'"), std::string::npos) << value;
      return;
    }
  ADD_FAILURE() << "no policy";
}

TEST(Page, ABrowserThatHasItGetsNoBody) {
  const std::string tag(kPage.tag);
  for (const std::string& tags : {tag, "W/" + tag, "\"a\", " + tag, "\"a\" ,\t" + tag + " , \"b\"", std::string("*")}) {
    const HttpResponse response = pageResponse(asking(tags));
    EXPECT_EQ(response.status, 304) << tags;
    EXPECT_TRUE(response.body.empty());
    EXPECT_EQ(response.headers.front(), (std::pair<std::string, std::string>("ETag", tag)));
  }
  for (const std::string& tags : {std::string(), std::string("\"a\""), tag.substr(1), std::string(","), "x" + tag})
    EXPECT_EQ(pageResponse(asking(tags)).status, 200) << tags;
}

TEST(Page, NeedsNoKeyButAHost) {
  ServerOptions options;
  options.apiKeys = {"key"};
  Served guarded({}, options);
  EXPECT_EQ(guarded.get("/").status, 200);
  EXPECT_EQ(guarded.get("/?x=1").status, 200);
  EXPECT_EQ(guarded.get("/metrics").status, 401);
  Served open;
  Client client(open.server->port());
  client.send("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  EXPECT_EQ(client.read().status, 403);
}

TEST(Page, A304KeepsTheConnectionInStep) {
  Served served;
  Client client(served.server->port());
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: " + std::string(kPage.tag) + "\r\n\r\n");
  const Reply reply = client.read(/*head=*/true);
  EXPECT_EQ(reply.status, 304);
  EXPECT_FALSE(reply.headers.contains("content-length"));
  EXPECT_EQ(reply.headers.at("cache-control"), "no-cache");
  client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const Reply head = client.read(/*head=*/true);
  EXPECT_EQ(head.headers.at("content-length"), std::to_string(kPage.text.size()));
  client.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.read().status, 200) << "no byte of a page came behind the heads";
}

}  // namespace
}  // namespace llmc::rt::server::test
