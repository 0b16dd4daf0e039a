// The list of families, and what each of them is: found by every name, with its parts and no others.
// Tests: Llama.cpp, Mistral.cpp, Qwen2.cpp, Qwen3.cpp.
#include "compiler/models/Family.h"

#include <gtest/gtest.h>

#include <set>

namespace llmc {

extern const Family kLlama, kMistral, kQwen2, kQwen3;

namespace {

TEST(Families, EachIsFoundByItsNamesAndNoOther) {
  std::set<std::string_view> names, architectures;
  for (const Family* family : families()) {
    EXPECT_EQ(findFamily(family->name), family);
    EXPECT_EQ(familyOfArchitecture(family->architecture), family);
    if (!family->ggufArchitecture.empty()) EXPECT_EQ(familyOfGguf(family->ggufArchitecture), family);
    if (!family->ggufWindowed.empty()) EXPECT_NE(findFamily(family->ggufWindowed), nullptr);
    EXPECT_TRUE(names.insert(family->name).second) << family->name;
    EXPECT_TRUE(architectures.insert(family->architecture).second) << family->architecture;
    EXPECT_NE(supportedArchitectures().find(family->architecture), std::string::npos);
  }
  for (const Family* family : {&kLlama, &kMistral, &kQwen2, &kQwen3}) EXPECT_TRUE(names.contains(family->name));
  for (const char* unknown : {"", "mamba", "LlamaForCausalLM2"}) {
    EXPECT_EQ(findFamily(unknown), nullptr);
    EXPECT_EQ(familyOfArchitecture(unknown), nullptr);
    EXPECT_EQ(familyOfGguf(unknown), nullptr);
  }
}

TEST(Families, LlamaHasBiasesWhereTheConfigSaysAndNoWindow) {
  EXPECT_EQ(familyOfArchitecture("LlamaForCausalLM"), &kLlama);
  EXPECT_EQ(kLlama.qkvBias, Bias::ByConfig);
  EXPECT_EQ(kLlama.window, Window::Never);
  EXPECT_TRUE(kLlama.ggufRotatesPairs);
  EXPECT_FALSE(kLlama.headNorm);
}

TEST(Families, MistralIsALlamaWithAWindow) {
  EXPECT_EQ(familyOfArchitecture("MistralForCausalLM"), &kMistral);
  EXPECT_EQ(findFamily(kLlama.ggufWindowed), &kMistral) << "GGUF calls both llama";
  EXPECT_EQ(kMistral.window, Window::Always);
  EXPECT_EQ(kMistral.qkvBias, Bias::Never);
  EXPECT_TRUE(kMistral.ggufRotatesPairs);
}

TEST(Families, Qwen2HasBiasesOfQkvAlone) {
  EXPECT_EQ(familyOfGguf("qwen2"), &kQwen2);
  EXPECT_EQ(kQwen2.qkvBias, Bias::Always);
  EXPECT_EQ(kQwen2.outputBias, Bias::Never);
  EXPECT_EQ(kQwen2.window, Window::Switched);
  EXPECT_FALSE(kQwen2.headNorm);
  EXPECT_FALSE(kQwen2.ggufRotatesPairs);
}

TEST(Families, Qwen3HasNormsOfHeadsOf128) {
  EXPECT_EQ(familyOfGguf("qwen3"), &kQwen3);
  EXPECT_TRUE(kQwen3.headNorm);
  EXPECT_EQ(kQwen3.headDim, 128);
  EXPECT_NE(kQwen3.qkvBias, Bias::Always);
}

}  // namespace
}  // namespace llmc
