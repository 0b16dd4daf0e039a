// Flags that stop the program before it opens anything.
#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

TEST_F(Run, FlagRefusals) {
  expectRefusals({{{"--prompt", "a", "--threads", "99999"}, 64, "CLI_NUMBER"},
                  {{"--prompt", "a", "--temperature", "warm"}, 64, "CLI_NUMBER"},
                  {{"--prompt", "a", "--stop", ""}, 64, "CLI_STOP"},
                  {{"--prompt", "a", "--chat"}, 64, "CLI_MODE"},
                  {{"--nonsense"}, 64, "CLI_FLAG"}});
}

TEST_F(Run, HelpAndVersionNeedNoEngine) {
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_NE(out_.find("--kv-memory SIZE"), std::string::npos);
  EXPECT_EQ(run({"--version"}), 0);
  EXPECT_TRUE(out_.starts_with("llmc-run "));
}

}  // namespace
}  // namespace llmc::rt::test
