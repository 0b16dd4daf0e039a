// Engines that cannot be opened here, and memory that does not suffice.
#include "runtime/main/session.h"

#include <sched.h>

#include <cstdlib>
#include <filesystem>

#include "runtime/device/cpu_topology.h"
#include "tests/unit/runtime/main/run_fixture.h"

namespace llmc::rt::test {
namespace {

TEST_F(Run, DamagedAndMissingEngines) {
  std::string bytes = letterEngine();
  engine_.write(bytes.substr(0, bytes.size() / 2));
  EXPECT_EQ(run({"--prompt-ids", "1"}), 65);
  bytes[bytes.size() / 2] ^= 1;
  engine_.write(bytes);
  EXPECT_EQ(run({"--check"}), 65);
  EXPECT_NE(err_.find("error[EN_DIGEST]"), std::string::npos) << err_;
  std::filesystem::remove(engine_.path());
  EXPECT_EQ(run({"--check"}), 66);
}

TEST_F(Run, AnEngineWithoutATokenizerTakesIdsAlone) {
  auto sections = tinySections(tinyPlan());
  sections.resize(kTinyTokenizer);
  engine_.write(assemble(sections));
  expectRefusals({{{"--prompt", "a"}, 65, "EN_TOKENIZER"},
                  {{"--prompt-ids", "1"}, 65, "EN_TOKENIZER"},  // its answer would be text
                  {{"--prompt-ids", "1", "--json", "--stop", "x"}, 65, "EN_TOKENIZER"},
                  {{"--tokenize", "a"}, 65, "EN_TOKENIZER"}});
  EXPECT_NE(err_.find("tiny.llmc holds no tokenizer"), std::string::npos) << err_;
  EXPECT_EQ(run({"--prompt-ids", "1", "--json", "--max-tokens", "1", "--threads", "1"}), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["token_ids"], std::vector<int>{0});
}

TEST_F(Run, MoreWorkersThanCpusAreTold) {
  const std::vector<int> all = allowedCpus();
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(all[0], &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  const int crowded = run({"--prompt", "a", "--max-tokens", "1", "--threads", "2"});
  const std::string said = err_;
  const int fits = run({"--prompt", "a", "--max-tokens", "1", "--threads", "1"});
  for (const int cpu : all) CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(crowded, 0);
  EXPECT_TRUE(said.starts_with("--threads 2 is more than the 1 CPU that this process may use: ")) << said;
  EXPECT_EQ(fits, 0);
  EXPECT_EQ(err_, "");
}

TEST_F(Run, AModelWithoutANameIsCalledAfterTheFile) {
  const auto nameOf = [&](const std::string& path) -> std::string {
    Flags flags;
    flags.engine = path;
    flags.threads = 1;
    auto session = Session::open(flags, {.text = false});
    return session ? modelName(**session, path) : session.status().toString();
  };
  const std::string folder = engine_.path().substr(0, engine_.path().find_last_of('/'));
  std::filesystem::rename(engine_.path(), folder + "/my.model.bin");
  EXPECT_EQ(nameOf(folder + "/my.model.bin"), "my.model");
  std::filesystem::rename(folder + "/my.model.bin", folder + "/.bin");
  EXPECT_EQ(nameOf(folder + "/.bin"), ".bin");
  auto plan = tinyPlan();
  plan.model->name = "Tiny-1";
  engine_.write(letterEngine({}, plan));
  EXPECT_EQ(nameOf(engine_.path()), "Tiny-1");
}

TEST_F(Run, AnotherMachineIsRefusedClearly) {
  setenv("LLMC_CPU_FEATURES", "none", 1);
  EXPECT_EQ(run({"--prompt", "a"}), 78);
  unsetenv("LLMC_CPU_FEATURES");
  EXPECT_NE(err_.find("error[EN_CPU_ARCH]"), std::string::npos) << err_;
  EXPECT_NE(err_.find("x86-64-v3, x86-64-v4"), std::string::npos) << err_;
  setenv("LLMC_CPU_LEVEL", "x86-64-v3", 1);
  EXPECT_EQ(run({"--selftest", "--json", "--threads", "1"}), 0) << err_;
  unsetenv("LLMC_CPU_LEVEL");
  EXPECT_EQ(nlohmann::json::parse(out_)["level"], "x86-64-v3");
}

TEST_F(Run, MemoryAndContextRefusals) {
  expectRefusals({{{"--prompt", "a", "--max-model-len", "129"}, 64, "RT_CONTEXT"},
                  {{"--prompt", "a", "--max-model-len", "128", "--kv-memory", "16K"}, 69, "RT_KV_MEMORY"},
                  {{"--prompt", "a", "--kv-memory", "1K"}, 69, "RT_KV_MEMORY"}});
}

}  // namespace
}  // namespace llmc::rt::test
