// A conversation from a script of lines.
#include "tests/unit/runtime/main/run_fixture.h"
#include "tests/unit/runtime/main/standard_input.h"

namespace llmc::rt::test {
namespace {

TEST_F(Run, ChatKeepsGoingAfterABadTurn) {
  engine_.write(letterEngine({{SectionKind::kTemplate, "{% for m in messages %}{{ m.content }}{% endfor %}", 64}}));
  const std::string script = file("turns", "ab\n/reset\n" + std::string(300, 'x') + "\nde\n/exit\nff\n");
  const StandardInput input(script);
  EXPECT_EQ(run({"--chat", "--max-tokens", "3", "--threads", "2"}), 0) << err_;
  EXPECT_EQ(out_, "aaa\naaa\n");
  EXPECT_NE(err_.find("error[RT_CONTEXT]"), std::string::npos) << err_;
}

TEST_F(Run, ChatNeedsATemplate) { expectRefusals({{{"--chat"}, 65, "EN_TEMPLATE"}}); }

}  // namespace
}  // namespace llmc::rt::test
