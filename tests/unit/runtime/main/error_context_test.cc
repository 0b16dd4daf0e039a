// Whose place an error gets, and in which form mistakes are told.
#include "runtime/main/error_context.h"

#include "runtime/main/flags.h"
#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

std::string messageOf(const std::string& message, const char* code = "CLI_FLAG") {
  const ErrorContext context{false, {{"port", {"c.yaml:3", ""}}, {"engine", {"c.yaml:1", "dir/e.bin"}}}};
  const Status status = placed(Status::error(ErrorKind::kUsage, code, message, "hint --port"), context);
  EXPECT_EQ(status.hint(), "hint --port");
  EXPECT_EQ(status.code(), code);
  return status.message();
}

TEST(ErrorContext, TheFirstFlagThatAFileSet) {
  EXPECT_EQ(messageOf("--port must be"), "c.yaml:3: --port must be");
  EXPECT_EQ(messageOf("--host goes with --port"), "c.yaml:3: --host goes with --port");
  EXPECT_EQ(messageOf("no file dir/e.bin"), "c.yaml:1: no file dir/e.bin");
  EXPECT_EQ(messageOf("--ports, -- and --"), "--ports, -- and --");
  EXPECT_EQ(messageOf("--port"), "c.yaml:3: --port");
  EXPECT_EQ(messageOf("c.yaml:9: not with --port", "CLI_CONFIG"), "c.yaml:9: not with --port");
  EXPECT_TRUE(placed(Status::ok(), {}));
}

TEST_F(Run, ValuesOfAConfigFileHaveTheirLine) {
  const auto refused = [this](const std::string& text, int status, const std::string& why) {
    const std::string path = file("serve.yaml", text);
    EXPECT_EQ(run({"--config", path}), status) << text << err_;
    EXPECT_NE(err_.find("] " + path + why), std::string::npos) << text << err_;
  };
  refused("host: 127.0.0.1\nport: 99999\n", 64, ":2: --port must be a whole number in [0, 65535], got '99999'");
  refused("{\"port\": 0,\n\n \"policy\":\n \"best\"}", 64, ":4: --policy must be");
  refused("max-num-batched-tokens: 2\n", 64, ":1: --max-num-batched-tokens 2 is less than --max-num-seqs 64");
  refused("\nhost: '300.1.1.1 '\n", 64, ":2: '300.1.1.1 ' is not an IP address");
  refused("api-key-file: /nowhere/keys\n", 66, ":1: cannot read the keys in /nowhere/keys");
  const std::string path = file("serve.yaml", "port: 1\n");
  EXPECT_EQ(run({"--config", path, "--port", "x"}), 64);
  EXPECT_EQ(err_.find(path), std::string::npos) << "the command line's " << err_;
}

TEST(ErrorContext, WhoAskedForJsonIsToldInJson) {
  const TemporaryFile json("log-format: json\nprot: 1\n"), text("log-format: text\nport: x\n");
  const std::string jsonPath = json.path(), textPath = text.path();
  using Line = std::vector<const char*>;
  for (const auto& [line, asked] : {std::pair{Line{"--log-format", "json", "--nonsense"}, true},
                                    {Line{"--log_format=json", "--ssl-keyfile", "k"}, true},
                                    {Line{"--log-format", "json", "--log-format", "text"}, false},
                                    {Line{"--nonsense"}, false},
                                    {Line{"--port", "x", "--log-format"}, false},
                                    {Line{"--config", jsonPath.c_str()}, true},
                                    {Line{"--config", jsonPath.c_str(), "--log-format", "text"}, false},
                                    {Line{"--config", textPath.c_str(), "--log-format=json"}, true}}) {
    Line whole{"llmc-run", "e.bin"};
    whole.insert(whole.end(), line.begin(), line.end());
    ErrorContext context;
    EXPECT_FALSE(parseFlags(static_cast<int>(whole.size()), whole.data(), &context));
    EXPECT_EQ(context.json, asked) << line[0] << " " << line[1];
  }
}

}  // namespace
}  // namespace llmc::rt::test
