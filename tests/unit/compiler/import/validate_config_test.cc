// Ranges and contradictions of configs: rows CF3, CF4, CF6 and CF7 of the catalogue.
#include "tests/unit/compiler/import/config_text.h"

namespace llmc {
namespace {

TEST(ValidateConfig, CF3_Ranges) {
  for (const char* value : {"0", "-64", "2147483648"}) EXPECT_EQ(configCode("hidden_size", value), "CF_RANGE") << value;
  for (const char* value : {"0", "1000000"}) EXPECT_EQ(configCode("num_hidden_layers", value), "CF_RANGE") << value;
  EXPECT_EQ(configCode("num_attention_heads", "0"), "CF_RANGE");
  EXPECT_EQ(configCode("num_key_value_heads", "0"), "CF_RANGE");
  EXPECT_EQ(configCode("vocab_size", "99999999999"), "CF_RANGE");
}

TEST(ValidateConfig, CF4_Contradictions) {
  EXPECT_EQ(configCode("num_attention_heads", "3"), "CF_INCONSISTENT");  // does not divide 64
  EXPECT_EQ(configCode("num_key_value_heads", "4"), "CF_INCONSISTENT");
  EXPECT_EQ(configCode("head_dim", "33"), "CF_INCONSISTENT");  // odd rotation
}

TEST(ValidateConfig, CF6_Numbers) {
  for (const char* value : {"0", "-1e-5", "2.0"}) EXPECT_EQ(configCode("rms_norm_eps", value), "CF_RANGE") << value;
  EXPECT_NE(parseConfig(configWith("rms_norm_eps", "0")).status().message().find(": 0 is not in 1e-"),
            std::string::npos)
      << parseConfig(configWith("rms_norm_eps", "0")).status().message();
  for (const char* value : {"0", "-1", "1e300"}) EXPECT_EQ(configCode("rope_theta", value), "CF_RANGE") << value;
  EXPECT_EQ(configCode("rms_norm_eps", "NaN"), "CF_JSON");
  EXPECT_EQ(configCode("rope_scaling", R"({"type":"yarn","factor":2})"), "CF_RANGE");
  EXPECT_EQ(configCode("rope_scaling", R"({"type":"linear","factor":1e30})"), "CF_RANGE");
  EXPECT_EQ(configCode("hidden_act", "\"mish\""), "CF_RANGE");
}

TEST(ValidateConfig, CF7_Positions) { EXPECT_EQ(configCode("max_position_embeddings", "2147483648"), "CF_RANGE"); }

TEST(ValidateConfig, WhateverTheSourceTheNameAndItsPlaceAreTold) {
  ModelConfig config = *parseConfig(tinyConfig());
  const auto offsetOf = [](std::string_view name) { return name == "hidden size" ? 77 : 0; };
  EXPECT_EQ(codeOf(validateConfig(config, "m.gguf", offsetOf)), "ok");
  config.hidden = -1;
  const auto status = validateConfig(config, "m.gguf", offsetOf);
  EXPECT_EQ(codeOf(status), "CF_RANGE");
  EXPECT_EQ(status.message().find("m.gguf: byte 77: 'hidden size'"), 0u) << status.message();
}

}  // namespace
}  // namespace llmc
