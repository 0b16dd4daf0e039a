// Tensors of a GGUF under their model's names: row GG15 of the catalogue.
#include "compiler/import/GgufModel.h"
#include "tests/unit/compiler/import/gguf_models.h"

namespace llmc {
namespace {

TEST(GgufTensors, AMissingTensorHasTheFilesNameForIt) {
  const auto model = importGgufOf(tinyGguf([](GgufWriter& w, const std::string& name) {
    if (name != "llama.block_count") return false;
    w.u32(name, 2);  // the file has the tensors of one layer
    return true;
  }));
  ASSERT_EQ(codeOf(model), "MODEL_TENSOR");
  const std::string said = model.status().toString();
  EXPECT_NE(said.find("'blk.1.attn_norm.weight': tensor is missing"), std::string::npos) << said;
  EXPECT_EQ(said.find("shards"), std::string::npos) << said;
  const auto honest = importGgufOf(tinyGguf());
  ASSERT_TRUE(honest.isOk());
  for (const TensorInfo& tensor : honest->checkpoint->tensors())
    EXPECT_EQ(ggufTensorName(tensor.name, honest->config), tensor.sourceName);
}

TEST(GgufTensors, GG15_LayerNumbers) {
  for (const char* name :
       {"blk.536870912.attn_q.weight", "blk.1073741824.attn_q.weight", "blk.1.attn_q.weight", "blk.-1.attn_q.weight",
        "blk.00.attn_q.weight", "blk.99999999999999999999.x.weight", "blk.0"}) {
    GgufWriter w = tinyGguf();
    w.tensor(name, {8}, 0, std::string(32, '\0'));
    std::string code = codeOf(importGgufOf(w));
    EXPECT_TRUE(code == "GG_NAME" || code == "MODEL_TENSOR") << name << code;
  }
}

}  // namespace
}  // namespace llmc
