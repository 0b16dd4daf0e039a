// Implementation of the test-file writers.
#include "tests/unit/compiler/import/model_files.h"

#include <cstdlib>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace llmc {
namespace {

std::string aligned(std::string bytes, uint64_t alignment) {
  if (alignment) bytes.resize((bytes.size() + alignment - 1) / alignment * alignment, '\0');
  return bytes;
}

struct Shape {
  std::string hf, gguf;
  std::vector<uint64_t> dims;  // innermost first
};

const std::vector<Shape>& tinyShapes() {
  static const std::vector<Shape> shapes = {
      {"model.embed_tokens.weight", "token_embd.weight", {64, 8}},
      {"model.norm.weight", "output_norm.weight", {64}},
      {"model.layers.0.input_layernorm.weight", "blk.0.attn_norm.weight", {64}},
      {"model.layers.0.post_attention_layernorm.weight", "blk.0.ffn_norm.weight", {64}},
      {"model.layers.0.self_attn.q_proj.weight", "blk.0.attn_q.weight", {64, 64}},
      {"model.layers.0.self_attn.k_proj.weight", "blk.0.attn_k.weight", {64, 32}},
      {"model.layers.0.self_attn.v_proj.weight", "blk.0.attn_v.weight", {64, 32}},
      {"model.layers.0.self_attn.o_proj.weight", "blk.0.attn_output.weight", {64, 64}},
      {"model.layers.0.mlp.gate_proj.weight", "blk.0.ffn_gate.weight", {64, 32}},
      {"model.layers.0.mlp.up_proj.weight", "blk.0.ffn_up.weight", {64, 32}},
      {"model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight", {32, 64}},
  };
  return shapes;
}

uint64_t product(const std::vector<uint64_t>& dims) {
  uint64_t count = 1;
  for (uint64_t d : dims) count *= d;
  return count;
}

}  // namespace

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "llmc_import_XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}
TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}
std::string TempFolder::write(const std::string& name, const std::string& bytes) const {
  std::string path = path_ + "/" + name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::string safetensorsFile(const std::string& header, const std::string& data) {
  return bytesOf<uint64_t>(header.size()) + header + data;
}

void GgufWriter::strings(const std::string& key, const std::vector<std::string>& values) {
  std::string bytes = bytesOf<uint32_t>(8) + bytesOf<uint64_t>(values.size());
  for (const auto& value : values) bytes += text(value);
  raw(key, 9, bytes);
}
void GgufWriter::i32s(const std::string& key, const std::vector<int32_t>& values) {
  std::string bytes = bytesOf<uint32_t>(5) + bytesOf<uint64_t>(values.size());
  for (int32_t value : values) bytes += bytesOf(value);
  raw(key, 9, bytes);
}
void GgufWriter::f32s(const std::string& key, const std::vector<float>& values) {
  std::string bytes = bytesOf<uint32_t>(6) + bytesOf<uint64_t>(values.size());
  for (float value : values) bytes += bytesOf(value);
  raw(key, 9, bytes);
}

std::string GgufWriter::info(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type,
                             uint64_t offset) {
  std::string bytes = text(name) + bytesOf<uint32_t>(static_cast<uint32_t>(dims.size()));
  for (uint64_t d : dims) bytes += bytesOf(d);
  return bytes + bytesOf(type) + bytesOf(offset);
}
void GgufWriter::tensor(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type,
                        const std::string& bytes) {
  data = aligned(data, alignment);
  tensorInfos.push_back(info(name, dims, type, data.size()));
  data += bytes;
}
std::string GgufWriter::build() const {
  std::string bytes = bytesOf(magic) + bytesOf(version) +
                      bytesOf(tensorCount == UINT64_MAX ? tensorInfos.size() : tensorCount) +
                      bytesOf(keyCount == UINT64_MAX ? keyValues.size() : keyCount);
  for (const auto& part : keyValues) bytes += part;
  for (const auto& part : tensorInfos) bytes += part;
  if (data.empty()) return bytes;
  return aligned(bytes, alignment) + data;
}

GgufWriter tinyGguf(const std::function<bool(GgufWriter&, const std::string&)>& replace) {
  GgufWriter w;
  auto put = [&](const std::string& key, const std::function<void()>& honest) {
    if (!replace || !replace(w, key)) honest();
  };
  put("general.architecture", [&] { w.string("general.architecture", "llama"); });
  struct Number {
    const char* key;
    uint32_t value;
  };
  for (const Number& n : {Number{"llama.block_count", 1},
                          {"llama.context_length", 128},
                          {"llama.embedding_length", 64},
                          {"llama.feed_forward_length", 32},
                          {"llama.attention.head_count", 2},
                          {"llama.attention.head_count_kv", 1},
                          {"llama.rope.dimension_count", 32},
                          {"llama.vocab_size", 8},
                          {"tokenizer.ggml.eos_token_id", 7}})
    put(n.key, [&] { w.u32(n.key, n.value); });
  put("llama.attention.layer_norm_rms_epsilon", [&] { w.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f); });
  put("tokenizer.ggml.model", [&] { w.string("tokenizer.ggml.model", "gpt2"); });
  put("tokenizer.ggml.pre", [&] { w.string("tokenizer.ggml.pre", "smollm"); });
  put("tokenizer.ggml.tokens",
      [&] { w.strings("tokenizer.ggml.tokens", {"a", "b", "c", "d", "ab", "cd", "abcd", "<|end|>"}); });
  put("tokenizer.ggml.token_type", [&] { w.i32s("tokenizer.ggml.token_type", {1, 1, 1, 1, 1, 1, 1, 3}); });
  put("tokenizer.ggml.merges", [&] { w.strings("tokenizer.ggml.merges", {"a b", "c d", "ab cd"}); });
  for (const Shape& shape : tinyShapes())
    w.tensor(shape.gguf, shape.dims, 0, std::string(product(shape.dims) * 4, '\0'));
  return w;
}

std::string tinyConfig() {
  return R"({"architectures":["LlamaForCausalLM"],"hidden_size":64,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,)"
         R"("intermediate_size":32,"vocab_size":8,"max_position_embeddings":128,"rms_norm_eps":1e-05,"rope_theta":10000.0,"tie_word_embeddings":true,)"
         R"("bos_token_id":null,"eos_token_id":7,"torch_dtype":"float32","hidden_act":"silu"})";
}
std::string tinyTokenizer() {
  return R"({"version":"1.0","added_tokens":[{"id":7,"content":"<|end|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],)"
         R"("normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},)"
         R"("post_processor":null,"decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"d":3,"ab":4,"cd":5,"abcd":6},)"
         R"("merges":["a b",["c","d"],"ab cd"]}})";
}
std::string tinySafetensors(const std::string& without) {
  nlohmann::json header = nlohmann::json::object();
  uint64_t offset = 0;
  for (const Shape& shape : tinyShapes()) {
    if (shape.hf == without) continue;
    uint64_t end = offset + product(shape.dims) * 4;
    header[shape.hf] = {{"dtype", "F32"},
                        {"shape", std::vector<uint64_t>(shape.dims.rbegin(), shape.dims.rend())},
                        {"data_offsets", {offset, end}}};
    offset = end;
  }
  return safetensorsFile(header.dump(), std::string(offset, '\0'));
}
void writeTinyFolder(const TempFolder& folder) {
  folder.write("config.json", tinyConfig());
  folder.write("tokenizer.json", tinyTokenizer());
  folder.write("model.safetensors", tinySafetensors());
}

void expectPlace(const rt::Status& status, const std::string& file, uint64_t size) {
  const std::string start = file + ": byte ", &message = status.message();
  const size_t at = message.find(start);
  ASSERT_NE(at, std::string::npos) << status.toString();
  const std::string folder = message.substr(0, at);
  ASSERT_TRUE(folder.empty() || (folder.front() == '/' && folder.back() == '/')) << status.toString();
  char* end = nullptr;
  EXPECT_LE(std::strtoull(message.c_str() + at + start.size(), &end, 10), size) << message;
  EXPECT_EQ(std::string(end, 2), ": ") << message;
}

}  // namespace llmc
