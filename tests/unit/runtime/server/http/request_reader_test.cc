// Framing: each hostile row is refused with its status, each sound request is read whatever its pieces (HT1 to HT14).
#include "runtime/server/http/request_reader.h"

#include <gtest/gtest.h>

#include <array>

namespace llmc::rt::server {
namespace {

using namespace std::string_literals;
using State = RequestReader::State;

/// Status of a refusal, 0 when more is needed, 200 when a request was read.
int statusOf(std::string bytes) {
  RequestReader reader;
  const State state = reader.feed(bytes);
  return state == State::kFailed ? reader.status() : state == State::kDone ? 200 : 0;
}

std::string head(const std::string& lines, const std::string& body = {}) {
  return "POST /x HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n" + body;
}

TEST(RequestReader, ReadsInAnyPieces) {
  const std::string one = head("Content-Length: 5\r\nX-A:  b \r\n", "hello");
  const std::string two = head("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nT: v\r\n\r\n");
  for (size_t piece = 1; piece < 40; ++piece) {
    RequestReader reader;
    std::string input, bodies;
    const std::string all = one + two + one;
    for (size_t i = 0; i < all.size(); i += piece) {
      input += all.substr(i, piece);
      while (reader.feed(input) == State::kDone) {
        HttpRequest request = reader.take();
        EXPECT_EQ(request.method, "POST");
        bodies += request.body + "|";
        if (request.body == "hello") EXPECT_EQ(request.header("x-a"), "b");
      }
      ASSERT_NE(reader.state(), State::kFailed) << reader.reason();
    }
    EXPECT_EQ(bodies, "hello|abcde|hello|") << piece;
  }
}

TEST(RequestReader, EmptyLinesBeforeARequestInAnyPieces) {
  for (size_t piece = 1; piece < 6; ++piece) {
    RequestReader reader;
    std::string input;
    const std::string all = "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for (size_t i = 0; i < all.size(); i += piece) reader.feed(input += all.substr(i, piece));
    EXPECT_EQ(reader.state(), State::kDone) << piece;
  }
  EXPECT_EQ(statusOf("\rGET / HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
}

TEST(RequestReader, SplitsTheTarget) {
  RequestReader reader;
  std::string input = "GET /a/../b?c=d?e HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  ASSERT_EQ(reader.feed(input), State::kDone);
  const HttpRequest request = reader.take();
  EXPECT_EQ(request.path, "/a/../b");
  EXPECT_EQ(request.query, "c=d?e");
  EXPECT_TRUE(request.http10 && request.keepAlive);
}

TEST(RequestReader, ConnectionHeadersAreOneList) {  // RFC 9110, 5.3; 9112, 9.3
  const auto staysOpen = [](const std::string& version, const std::string& lines) {
    RequestReader reader;
    std::string input = "GET / HTTP/" + version + "\r\nHost: h\r\n" + lines + "\r\n";
    EXPECT_EQ(reader.feed(input), State::kDone) << lines;
    return reader.take().keepAlive;
  };
  for (const char* lines : {"", "Connection: keep-alive\r\n", "Connection:\r\n", "Connection: x-close, closed,\r\n"})
    EXPECT_TRUE(staysOpen("1.1", lines)) << lines;
  for (const char* lines :
       {"Connection: close\r\n", "Connection: keep-alive\r\nConnection: close\r\n",
        "Connection: x\r\nConnection: Close\r\n", "Connection: keep-alive,close\r\n", "Connection: ,\tCLOSE ,x\r\n"})
    for (const char* version : {"1.0", "1.1"}) EXPECT_FALSE(staysOpen(version, lines)) << lines;
  EXPECT_FALSE(staysOpen("1.0", ""));
  EXPECT_TRUE(staysOpen("1.0", "Connection: x\r\nConnection: Keep-Alive\r\n"));
}

TEST(RequestReader, AbsoluteTargets) {  // RFC 9112, 3.2.2
  for (const auto& [target, path, query] :
       {std::array{"http://other:80/a/b?c=d", "/a/b", "c=d"}, std::array{"HTTPS://other:80?x", "/", "x"},
        std::array{"http://other:80", "/", ""}, std::array{"/a?u=http://h/", "/a", "u=http://h/"}}) {
    RequestReader reader;
    std::string input = "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    ASSERT_EQ(reader.feed(input), State::kDone) << target;
    const HttpRequest request = reader.take();
    EXPECT_EQ(request.path, path);
    EXPECT_EQ(request.query, query);
    EXPECT_EQ(request.count("host"), 1u);
    EXPECT_EQ(request.header("host"), target[0] == '/' ? "localhost" : "other:80");
  }
}

TEST(RequestReader, LengthsThatTwoParsersMayReadDifferently) {  // HT1
  for (const char* lines :
       {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n", "Content-Length: +5\r\n", "Content-Length: 0x5\r\n",
        "Content-Length: -1\r\n", "Content-Length: 5, 5\r\n", "Content-Length: \r\n", "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n"})
    EXPECT_EQ(statusOf(head(lines, "abcde")), 400) << lines;
  EXPECT_EQ(statusOf(head("Content-Length: 18446744073709551616\r\n")), 400);
  EXPECT_EQ(statusOf(head("Content-Length: 18446744073709551615\r\n")), 413);
  EXPECT_EQ(statusOf("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
}

TEST(RequestReader, BytesThatHeadsMayNotHold) {  // HT2
  for (const char* text : {"GET / HTTP/1.1\nHost: h\n\n\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
                           "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
                           "GET / HTTP/1.1\r\nHost: h\r\n\tfolded\r\n\r\n", "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
                           "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"})
    EXPECT_EQ(statusOf(text), 400) << text;
  EXPECT_EQ(statusOf("GET / HTTP/1.1\r\nHost: h\r\nX: a"s + '\0' + "b\r\n\r\n"), 400);
}

TEST(RequestReader, AHeadThatCannotEndIsRefusedAtOnce) {  // HT2: nothing follows that would end it
  for (const char* text :
       {"GET / HTTP/1.1\nHost: h\n\n", "GET / HTTP/1.1\rHost", "GET / HTTP/1.1\r\nHost: h\n",
        "GET / HTTP/1.1\r\nHost: h\r\r", "GET / HTTP/1.1\r\nHost: h\r\n ", "GET / HTTP/1.1\r\nX: \x7f"})
    EXPECT_EQ(statusOf(text), 400) << text;
  for (const char* text : {"GET / HTTP/1.1\r", "GET / HTTP/1.1\r\nHost: h\r", "GET / HTTP/1.1\r\nHost: h\r\n\r"})
    EXPECT_EQ(statusOf(text), 0) << text;
}

TEST(RequestReader, Chunks) {  // HT3
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  EXPECT_EQ(statusOf(head(chunked, "fffffffffffffffff\r\n")), 400);
  EXPECT_EQ(statusOf(head(chunked, "zz\r\n")), 400);
  EXPECT_EQ(statusOf(head(chunked, "5\r\nabcdeXX0\r\n\r\n")), 400);
  EXPECT_EQ(statusOf(head(chunked, "5;" + std::string(100'000, 'x'))), 400);
  EXPECT_EQ(statusOf(head(chunked, "5\r\nabc")), 0);
  std::string small = head(chunked);
  for (int i = 0; i < 1'000'000; ++i) small += "1\r\na\r\n";
  EXPECT_EQ(statusOf(small + "0\r\n\r\n"), 200);
  // One byte in thirty is body: more wire than any body is worth.
  std::string padded = head(chunked);
  for (int i = 0; i < 1'000'000; ++i) padded += "1;abcdefghijklmnopqrstuvw\r\na\r\n";
  EXPECT_EQ(statusOf(padded + "0\r\n\r\n"), 413);
}

TEST(RequestReader, TooLarge) {  // HT4, HT5
  EXPECT_EQ(statusOf("GET /" + std::string(1 << 20, 'a')), 414);
  EXPECT_EQ(statusOf("GET /" + std::string(8200, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n"), 414);
  EXPECT_EQ(statusOf(head("X: " + std::string(1 << 20, 'a'))), 431);
  std::string many;
  for (int i = 0; i < 101; ++i) many += "X" + std::to_string(i) + ": 1\r\n";
  EXPECT_EQ(statusOf(head(many)), 431);
  EXPECT_EQ(statusOf(head("Content-Length: 8388609\r\n")), 413);
  EXPECT_EQ(statusOf(head("Content-Length: 8388608\r\n", std::string(8 << 20, 'x'))), 200);
  const std::string mebibyte = "100000\r\n" + std::string(1 << 20, 'x') + "\r\n";
  std::string chunks = head("Transfer-Encoding: chunked\r\n");
  for (int i = 0; i < 9; ++i) chunks += mebibyte;
  EXPECT_EQ(statusOf(chunks), 413);
}

TEST(RequestReader, ExpectationsProtocolsAndHosts) {  // HT9, HT10, HT12, HT14
  EXPECT_EQ(statusOf(head("Expect: magic\r\n")), 417);
  EXPECT_EQ(statusOf(head("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n")), 400);
  EXPECT_EQ(statusOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400);
  EXPECT_EQ(statusOf("\x16\x03\x01\x02"), 400);
  EXPECT_EQ(statusOf("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(statusOf("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  for (const char* target : {"http://", "http:///x", "ftp://h/", "http://u:p@h/", "h:80", "*"})
    EXPECT_EQ(statusOf("GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n"), 400) << target;
  for (const std::string name : {"Authorization", "X-Api-Key", "Content-Type", "Content-Encoding"}) {
    const std::string one = name + ": identity\r\n";
    EXPECT_EQ(statusOf(head(one + one)), 400) << name;
    EXPECT_EQ(statusOf(head(one)), 200) << name;
  }
  EXPECT_EQ(statusOf(head("Content-Encoding: gzip\r\nContent-Length: 1\r\n", "x")), 415);
  RequestReader reader;
  std::string input = head("Expect: 100-continue\r\nContent-Length: 2\r\n");
  EXPECT_EQ(reader.feed(input), State::kBody);
  EXPECT_TRUE(reader.takeContinue());
  EXPECT_FALSE(reader.takeContinue());
}

}  // namespace
}  // namespace llmc::rt::server
