// Names that models give themselves, as one word.
#include "compiler/import/ModelName.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

TEST(ModelName, IsOneWord) {
  EXPECT_EQ(modelName("Qwen3-0.6B"), "Qwen3-0.6B");
  EXPECT_EQ(modelName("HuggingFaceTB/SmolLM2-135M-Instruct"), "SmolLM2-135M-Instruct");
  EXPECT_EQ(modelName("/home/somebody/models/llama-3/"), "llama-3");
  EXPECT_EQ(modelName(" Smollm2 135M\t 8k \n"), "Smollm2-135M-8k");
  EXPECT_EQ(modelName("Modèle 七"), "Modèle-七");
}

TEST(ModelName, WhatIsNoNameGivesNone) {
  for (const char* given : {"", "/", "//", " ", ".", "..", "a/..", "./"}) EXPECT_EQ(modelName(given), "") << given;
  EXPECT_EQ(modelName("a\x1b[2Jb"), "");
  EXPECT_EQ(modelName("a\x7f"), "");
  EXPECT_EQ(modelName("a\xff"), "");
  EXPECT_EQ(modelName(std::string(200, 'a')), std::string(200, 'a'));
  EXPECT_EQ(modelName(std::string(201, 'a')), "");
}

}  // namespace
}  // namespace llmc
