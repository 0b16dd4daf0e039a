// Logits of all prompt positions in a file, and files that cannot be written.
#include "tests/unit/runtime/main/run_fixture.h"

#include <filesystem>

namespace llmc::rt::test {
namespace {

TEST_F(Run, DumpsLogitsOfAllPositions) {
  const std::string path = file("logits.f32", "");
  ASSERT_EQ(
      run({"--prompt-ids", "1,2,3,4,5,6,7", "--dump-logits", path, "--max-batched-tokens", "3", "--threads", "1"}), 0)
      << err_;
  EXPECT_EQ(std::filesystem::file_size(path), 7u * 32 * 4);
  EXPECT_EQ(run({"--prompt-ids", "1", "--dump-logits", "/nowhere/file", "--threads", "1"}), 74);
  EXPECT_EQ(run({"--prompt-ids", "1", "--dump-logits", "/dev/full", "--threads", "1"}), 74);
  EXPECT_NE(err_.find("/dev/full"), std::string::npos) << err_;
}

TEST_F(Run, LogitsReplaceNoModel) {
  const std::string engine = file("e.bin", "LLMCENG\nrest"), model = file("m.gguf", "GGUF and the rest");
  for (const std::string& path : {engine, model}) {
    const auto size = std::filesystem::file_size(path);
    EXPECT_EQ(run({"--prompt-ids", "1", "--dump-logits", path, "--threads", "1"}), 64);
    EXPECT_NE(err_.find("is there and a model"), std::string::npos) << err_;
    EXPECT_EQ(std::filesystem::file_size(path), size);
  }
  EXPECT_EQ(run({"--prompt-ids", "1", "--dump-logits", "-", "--threads", "1"}), 64);
}

}  // namespace
}  // namespace llmc::rt::test
