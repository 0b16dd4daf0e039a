// --check, --selftest, --tokenize.
#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

TEST_F(Run, ChecksSelftestsAndTokenizes) {
  EXPECT_EQ(run({"--check"}), 0) << err_;
  EXPECT_NE(out_.find("bytes verified"), std::string::npos);
  EXPECT_EQ(run({"--check", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["ok"], true);
  EXPECT_EQ(run({"--selftest", "--threads", "1"}), 0) << err_;
  EXPECT_NE(out_.find("ok: 3 of 3 greedy tokens equal those that the build stored, level "), std::string::npos);
  EXPECT_EQ(run({"--tokenize", "abF", "--json"}), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["token_ids"], (std::vector<int>{0, 1, 31}));
}

TEST_F(Run, GoldenTokensThatDifferFailTheSelftest) {
  auto sections = tinySections(tinyPlan());
  sections.push_back({SectionKind::kSelftest, R"({"prompt_ids": [3], "token_ids": [0, 9]})", 64});
  engine_.write(assemble(sections));
  EXPECT_EQ(run({"--selftest", "--threads", "1"}), 70);
  EXPECT_NE(err_.find("error[RT_SELFTEST] token 2 of 2 is 0, expected 9"), std::string::npos) << err_;
  // Of another level: required up to the first near tie, here none and then one.
  sections.back().bytes = R"({"level": "x", "prompt_ids": [3], "token_ids": [0, 9], "margin": [2.5, 0.09]})";
  engine_.write(assemble(sections));
  EXPECT_EQ(run({"--selftest", "--threads", "1"}), 0) << err_;
  EXPECT_NE(out_.find("ok: 1 of 2 greedy tokens equal those that the build stored, level "), std::string::npos) << out_;
  EXPECT_NE(out_.find(" (stored on x); the first 1 was required: token 2 led by 0.090 in its logit, and a lead below "
                      "0.1 may go to the other token on another level\n"),
            std::string::npos)
      << out_;
  EXPECT_EQ(run({"--selftest", "--threads", "1", "--json"}), 0) << err_;
  auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["compared"], 2);
  EXPECT_EQ(json["equal"], 1);
  EXPECT_EQ(json["required"], 1);
  EXPECT_EQ(json["stored_level"], "x");
  sections.back().bytes = R"({"level": "x", "prompt_ids": [3], "token_ids": [9, 9], "margin": [0.01, 0.09]})";
  engine_.write(assemble(sections));
  EXPECT_EQ(run({"--selftest", "--threads", "1"}), 0) << err_;
  EXPECT_NE(out_.find("ok: 0 of 2"), std::string::npos) << out_;
  EXPECT_NE(out_.find("; none was required: token 1 led by 0.010 "), std::string::npos) << out_;
  sections.back().bytes = R"({"level": "x", "prompt_ids": [3], "token_ids": [0, 9], "margin": [2.5, 0.1]})";
  engine_.write(assemble(sections));
  EXPECT_EQ(run({"--selftest", "--threads", "1"}), 70);
  sections.back().bytes = R"({"level": "x", "prompt_ids": [3], "token_ids": [0, 9], "margin": [2.5]})";
  engine_.write(assemble(sections));
  expectRefusals({{{"--selftest", "--threads", "1"}, 65, "EN_SELFTEST"}});
}

TEST_F(Run, GoldenTokensThatCannotBeReadAreRefused) {
  auto sections = tinySections(tinyPlan());
  sections.push_back({SectionKind::kSelftest, "", 64});
  for (const char* text :
       {"{", "[]", R"({"prompt_ids": "x"})", R"({"prompt_ids": [3]})", R"({"prompt_ids": [], "token_ids": [0]})",
        R"({"prompt_ids": [3], "token_ids": [0.5]})", R"({"prompt_ids": [3], "token_ids": [0], "margin": ["x"]})",
        R"({"prompt_ids": [3], "token_ids": [4294967296]})",
        R"({"prompt_ids": [-9223372036854775808], "token_ids": [0]})"}) {
    sections.back().bytes = text;
    engine_.write(assemble(sections));
    SCOPED_TRACE(text);
    expectRefusals({{{"--selftest", "--threads", "1"}, 65, "EN_SELFTEST"}});
  }
  // Ids that are numbers but no tokens of the model.
  sections.back().bytes = R"({"prompt_ids": [32], "token_ids": [0]})";
  engine_.write(assemble(sections));
  expectRefusals({{{"--selftest", "--threads", "1"}, 65, "RT_TOKEN_ID"}});
  engine_.write(tinyEngine());
  expectRefusals({{{"--selftest", "--threads", "1"}, 66, "EN_SELFTEST"}});
}

}  // namespace
}  // namespace llmc::rt::test
