// GGUF metadata as a config: rows GG16 and CF9 of the catalogue.
#include "tests/unit/compiler/import/gguf_models.h"

namespace llmc {
namespace {

TEST(GgufConfig, TheNameIsTheMetadatas) {
  GgufWriter named = tinyGguf(), wrong = tinyGguf();
  named.string("general.name", "Tiny Llama");
  wrong.u32("general.name", 7);
  EXPECT_EQ(importGgufOf(named)->config.name, "Tiny-Llama");
  EXPECT_EQ(importGgufOf(wrong)->config.name, "");
  EXPECT_EQ(importGgufOf(tinyGguf())->config.name, "");
}

TEST(GgufConfig, LlamaWithAWindowIsMistral) {
  auto model = importGgufOf(tinyGguf([](GgufWriter& w, const std::string& name) {
    if (name == "llama.context_length") w.u32("llama.attention.sliding_window", 16);
    return false;
  }));
  ASSERT_TRUE(model.isOk()) << model.status().toString();
  EXPECT_EQ(model->config.family->name, "mistral");
  EXPECT_EQ(model->config.slidingWindow, 16);
  EXPECT_TRUE(model->checkpoint->lookup("model.layers.0.self_attn.q_proj.weight")->ropeInterleaved);
}

TEST(GgufConfig, GG16_SizesOutOfRange) {
  for (const char* key : {"llama.block_count", "llama.context_length", "llama.embedding_length",
                          "llama.feed_forward_length", "llama.attention.head_count", "llama.attention.head_count_kv"})
    for (uint32_t value : {0u, UINT32_MAX}) EXPECT_EQ(ggufModelCodeWithNumber(key, value), "CF_RANGE") << key << value;
  EXPECT_EQ(ggufModelCode("llama.block_count", [](auto& w) { w.string("llama.block_count", "1"); }), "CF_TYPE");
  EXPECT_EQ(ggufModelCode("llama.block_count", [](auto&) {}), "CF_MISSING");
  EXPECT_EQ(ggufModelCode("general.architecture", [](auto& w) { w.string("general.architecture", "mamba"); }),
            "CF_ARCH");
}

}  // namespace
}  // namespace llmc
