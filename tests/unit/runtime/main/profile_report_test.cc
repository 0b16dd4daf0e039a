// --bench --profile: the kernels of a step with their shares, as a table and as JSON.
#include "runtime/main/profile_report.h"

#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

TEST_F(Run, ProfileNamesKernelsAndTheirShares) {
  ASSERT_EQ(run({"--bench", "--profile", "--prompt-tokens", "20", "--output-tokens", "6", "--repeat", "2", "--json",
                 "--threads", "2"}),
            0)
      << err_;
  const auto json = nlohmann::json::parse(out_)["profile"];
  EXPECT_EQ(json["decode"]["steps"], 10);
  EXPECT_EQ(json["prefill"]["steps"], 2);
  double shares = json["decode"]["wait_share"].get<double>();
  for (const auto& kernel : json["decode"]["kernels"]) {
    EXPECT_FALSE(kernel["name"].get<std::string>().empty());
    EXPECT_GE(kernel["imbalance"].get<double>(), 1);
    shares += kernel["share"].get<double>();
  }
  EXPECT_NEAR(shares, 1, 1e-6);
}

TEST_F(Run, ProfileTableIsForPeople) {
  ASSERT_EQ(
      run({"--bench", "--profile", "--prompt-tokens", "4", "--output-tokens", "3", "--repeat", "1", "--threads", "1"}),
      0)
      << err_;
  EXPECT_NE(out_.find("waiting at barriers"), std::string::npos);
  EXPECT_NE(out_.find("kernel (rows at most)"), std::string::npos);
  EXPECT_EQ(run({"--prompt-ids", "1", "--profile"}), 64);
}

}  // namespace
}  // namespace llmc::rt::test
