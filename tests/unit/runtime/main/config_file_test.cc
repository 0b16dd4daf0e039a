// Flags from YAML and JSON, what the command line overrides, and errors with their line.
#include "runtime/main/config_file.h"

#include <gtest/gtest.h>

#include "runtime/main/flags.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc::rt::test {
namespace {

using Texts = std::vector<std::string>;

Result<Texts> read(const std::string& text, const Texts& given = {}, Texts* notices = nullptr) {
  const TemporaryFile path(text);
  auto file = ConfigFile::open(path.path());
  if (!file) return file.takeStatus();
  FlagPlaces places;
  Texts unread;
  return file->arguments(given, places, notices ? *notices : unread);
}

TEST(ConfigFile, YamlAndJson) {
  const Texts wanted = {"--engine=e.bin", "--port=8001",       "--api-key=a",
                        "--api-key=b c",  "--no-prefix-cache", "--host=::1"};
  auto yaml = read(
      "# all of it\nmodel: e.bin\nport: 8001\napi_key:\n  - a\n  - 'b c'\nno-prefix-cache: true\nprofile: false\n"
      "enable-chunked-prefill: true\naccess-log: null\nhost: \"::1\"\n");
  ASSERT_TRUE(yaml) << yaml.status().toString();
  EXPECT_EQ(*yaml, wanted);
  auto json = read(R"({"engine": "e.bin", "port": 8001, "api-key": ["a", "b c"], "no-enable-prefix-caching": true,
                       "host": "::1"})");
  ASSERT_TRUE(json) << json.status().toString();
  EXPECT_EQ(*json, wanted);
}

TEST(ConfigFile, TheCommandLineHasTheLastWord) {
  auto got = read("port: 1\nmax-num-seqs: 2\nengine: e\n", {"port", "engine"});
  ASSERT_TRUE(got) << got.status().toString();
  EXPECT_EQ(*got, Texts{"--max-num-seqs=2"});
  const TemporaryFile file("port: 1\nmax-batched-tokens: 96\nengine: other\n");
  const std::string path = file.path();
  const char* const line[] = {"llmc-run", "e", "--config", path.c_str(), "--port", "2"};
  auto flags = parseFlags(std::size(line), line);
  ASSERT_TRUE(flags) << flags.status().toString();
  EXPECT_EQ(flags->port, 2u);
  EXPECT_EQ(flags->maxBatchedTokens, 96u);
  EXPECT_EQ(flags->engine, "e");
}

TEST(ConfigFile, FalseIsTheNegationOfASwitch) {
  for (const auto& [text, wanted] : std::vector<std::pair<const char*, Texts>>{
           {R"({"enable-prefix-caching": false})", {"--no-prefix-cache"}},
           {"enable_prefix_caching: true\n", {}},
           {"no-enable-prefix-caching: false\n", {}},
           {"no-enable-prefix-caching: true\n", {"--no-prefix-cache"}},
           {"no-prefix-cache: false\n", {}},
           {"enable-log-requests: false\ndisable-log-requests: true\n", {}},
           {"enforce-eager: false\ndeterministic: false\n", {}},
           {"enable-chunked-prefill: null\nblock-size: 16\ndtype: auto\ntensor-parallel-size: null\n", {}},
           {"max_model_len: auto\n", {}}}) {
    auto got = read(text);
    ASSERT_TRUE(got) << text << got.status().toString();
    EXPECT_EQ(*got, wanted) << text;
  }
  auto kept = read("enable-prefix-caching: false\n", {"no-prefix-cache"});
  ASSERT_TRUE(kept);
  EXPECT_EQ(*kept, Texts{}) << "the command line said --enable-prefix-caching";
  const TemporaryFile file("enable-prefix-caching: false\nmodel: e.bin\n");
  const std::string path = file.path();
  const char* const line[] = {"llmc-run", "--config", path.c_str(), "--enable-prefix-caching"};
  auto flags = parseFlags(std::size(line) - 1, line);
  ASSERT_TRUE(flags) << flags.status().toString();
  EXPECT_FALSE(flags->prefixCache);
  EXPECT_EQ(flags->engine, "e.bin");
  flags = parseFlags(std::size(line), line);
  ASSERT_TRUE(flags) << flags.status().toString();
  EXPECT_TRUE(flags->prefixCache);
}

TEST(ConfigFile, ErrorsNameTheirLine) {
  struct Case {
    const char* text;
    const char* why;
  };
  for (const auto& [text, why] :
       {Case{"port: 1\nprot: 2\n", ":2: unknown key 'prot'"},
        Case{"{\"port\": 1,\n \"help\": true}", ":2: unknown key 'help'"},
        Case{"config: other.yaml\n", ":1: unknown key 'config'"},
        Case{"port: 1\n\nport: 2\n", ":3: 'port' is there twice"},
        Case{"max-batched-tokens: 1\nmax-num-batched-tokens: 2\n", ":2: 'max-num-batched-tokens' is there twice"},
        Case{"port: [1, 2]\n", ":1: 'port' takes one value"},
        Case{"port:\n  a: 1\n", ":2: 'port' must be a value"},
        Case{"api-key: [a, [b]]\n", ":1: 'api-key' must be a value"},
        Case{"port: true\n", ":1: 'port' needs a value (N)"},
        Case{"port: 1\nenable-chunked-prefill: false\n", ":2: --no-enable-chunked-prefill is not to be had: prompts"},
        Case{"enable-prefix-caching: maybe\n", ":1: 'enable-prefix-caching' must be true or false"},
        Case{"enable-prefix-caching: [true]\n", ":1: 'enable-prefix-caching' takes one value"},
        Case{"enable-prefix-caching: false\nno-prefix-cache: true\n", ":2: 'no-prefix-cache' is there twice"},
        Case{"gpu_memory_utilization: 0.9\ntool-call-parser: hermes\n",
             ":2: --tool-call-parser is not to be had: there are no tools"},
        Case{"uvicorn-log-level: info\nuvicorn_log_level: debug\n", ":2: 'uvicorn_log_level' is there twice"},
        Case{"block-size: 32\n", ":1: --block-size can only be 16, found '32': a KV page"},
        Case{"chat: maybe\n", ":1: 'chat' must be true or false"},
        Case{"chat: []\n", ":1: 'chat' takes one value"},
        Case{"chat: 'true'\n", ":1: 'chat' must be true or false"},
        Case{"[1]\n", ":1: this is not a map"},
        Case{"", ":1: this is not a map"},
        Case{"port: 1\n--- \nport: 2\n", "more than one document"},
        Case{"port: &a 1\n", ":1: anchors and aliases"},
        Case{"a: *b\n", ":1: anchors and aliases"},
        Case{"? [a]\n: 1\n", ":1: a key must be a word"},
        Case{"{\"port\": 1\n", "this is not YAML"},
        Case{"port: 1\n\tbad\n", ":2: this is not YAML"},
        Case{"port: \"\xff\"\n", "this is not YAML"}}) {
    auto got = read(text);
    ASSERT_FALSE(got) << text;
    EXPECT_EQ(got.status().code(), "CLI_CONFIG") << text;
    EXPECT_EQ(exitStatus(got.status().kind()), 65) << text;
    EXPECT_NE(got.status().message().find(why), std::string::npos) << text << got.status().message();
  }
}

TEST(ConfigFile, WhatHasNoEffectIsTold) {
  const char* const text = "gpu_memory_utilization: 0.9\ntrust-remote-code: true\nport: 1\n";
  Texts notices;
  auto got = read(text, {}, &notices);
  ASSERT_TRUE(got) << got.status().toString();
  EXPECT_EQ(*got, Texts{"--port=1"});
  ASSERT_EQ(notices.size(), 2u);
  EXPECT_TRUE(notices[0].starts_with("--gpu-memory-utilization has no effect here: --kv-memory says")) << notices[0];
  EXPECT_TRUE(notices[1].starts_with("--trust-remote-code has no effect here: ")) << notices[1];
  notices.clear();
  ASSERT_TRUE(read(text, {"gpu-memory-utilization"}, &notices));
  EXPECT_EQ(notices.size(), 1u) << "the command line said it, and was told";
}

TEST(ConfigFile, PlacesOfFlags) {
  const TemporaryFile path("port: 1\n\nengine:\n  e.bin\napi-key:\n  - a\n  - b\nmax-queue: 2\nchat: null\n");
  auto file = ConfigFile::open(path.path());
  ASSERT_TRUE(file);
  FlagPlaces places;
  Texts notices;
  ASSERT_TRUE(file->arguments({"max-queue"}, places, notices));
  EXPECT_EQ(places.at("port").where, path.path() + ":1");
  EXPECT_EQ(places.at("port").object, "");
  EXPECT_EQ(places.at("engine").where, path.path() + ":4");
  EXPECT_EQ(places.at("engine").object, "e.bin");
  EXPECT_EQ(places.at("api-key").where, path.path() + ":6");
  EXPECT_FALSE(places.contains("max-queue")) << "the command line's";
}

TEST(ConfigFile, AFlagIsKnownBeforeAMistake) {
  for (const auto& [text, value] :
       {std::pair{"log_format: json\nprot: 1\n", "json"}, std::pair{"{\"log-format\": \"json\", \"port\": [", "json"},
        std::pair{"prot: [\nlog-format: json\n", ""}, std::pair{"log-format: [json]\n", ""}}) {
    const TemporaryFile path(text);
    auto file = ConfigFile::open(path.path());
    ASSERT_TRUE(file);
    EXPECT_EQ(file->peek("log-format"), value) << text;
  }
}

TEST(ConfigFile, FilesThatCannotBeRead) {
  for (auto [path, status, why] :
       {std::tuple{"/nowhere/config.yaml", 66, "No such file"}, std::tuple{"/tmp", 74, "Is a directory"}}) {
    auto got = ConfigFile::open(path);
    ASSERT_FALSE(got);
    EXPECT_EQ(exitStatus(got.status().kind()), status);
    EXPECT_NE(got.status().message().find(std::string(path) + ": " + why), std::string::npos) << got.status().message();
  }
  EXPECT_EQ(read(std::string(9 << 20, ' ')).status().code(), "CLI_CONFIG") << "larger than the limit";
  EXPECT_FALSE(read(std::string(1 << 20, '[')));
}

}  // namespace
}  // namespace llmc::rt::test
