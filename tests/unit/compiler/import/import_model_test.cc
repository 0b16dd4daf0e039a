// Whole models: folders, single files, odd paths, and the real model when it is at hand.
#include "compiler/import/ImportedModel.h"

#include <sys/stat.h>

#include <cstdlib>

#include "tests/unit/compiler/import/model_files.h"

namespace llmc {
namespace {

TEST(ImportModel, FolderAndFileGiveTheSame) {
  TempFolder folder;
  writeTinyFolder(folder);
  auto whole = importModel(folder.path()), single = importModel(folder.path() + "/model.safetensors");
  ASSERT_TRUE(whole.isOk()) << whole.status().toString();
  ASSERT_TRUE(single.isOk()) << single.status().toString();
  EXPECT_EQ(whole->provenanceJson, single->provenanceJson);
  EXPECT_EQ(whole->provenanceJson.find(folder.path()), std::string::npos);
  EXPECT_EQ(whole->defaultsJson, R"({"eos_token_ids":[7]})");
  EXPECT_EQ(whole->checkpoint->tensors().size(), 11u);
}
TEST(ImportModel, OddPaths) {
  TempFolder folder;
  EXPECT_EQ(codeOf(importModel(folder.path() + "/none.gguf")), "IX_MISSING");
  EXPECT_EQ(codeOf(importModel(folder.path())), "IX_MISSING");
  EXPECT_EQ(codeOf(importModel("")), "IX_PATH");
  EXPECT_EQ(codeOf(importModel(folder.write("x.bin", "hello"))), "IX_FORMAT");
  EXPECT_EQ(codeOf(importModel(folder.write("m", tinyGguf().build()))), "ok");
  std::string fifo = folder.path() + "/f.gguf";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(codeOf(importModel(fifo)), "IX_NOT_REGULAR");
}
TEST(ImportModel, EveryBitFlipOfATinyGgufIsHandled) {
  TempFolder folder;
  std::string bytes = tinyGguf().build();
  size_t metadata = bytes.size() - 11 * 32 - 64 * 8 * 4;
  for (size_t i = 0; i < std::min<size_t>(metadata, 1400); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    auto model = importModel(folder.write("m.gguf", flipped));
    if (!model) EXPECT_FALSE(model.status().code().empty());
  }
}
TEST(ImportModel, RealModel) {
  const char* path = std::getenv("LLMC_TEST_GGUF");
  if (!path) GTEST_SKIP() << "set LLMC_TEST_GGUF to SmolLM2-135M-Instruct.Q4_1.gguf";
  auto model = importModel(path);
  ASSERT_TRUE(model.isOk()) << model.status().toString();
  EXPECT_EQ(model->config.layers, 30);
  EXPECT_EQ(model->config.vocab, 49152);
  EXPECT_EQ(model->config.ropeTheta, 100000.0);
  EXPECT_FALSE(model->config.addBos);
  EXPECT_EQ(model->checkpoint->tensors().size(), 272u);
  EXPECT_EQ(model->chatTemplate.size(), 368u);
}

}  // namespace
}  // namespace llmc
