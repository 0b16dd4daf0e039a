// Fuzz target: config.json and the shard index.
#include "compiler/import/ModelConfig.h"
#include "compiler/import/ShardIndex.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> warnings;
  (void)llmc::parseHfConfig(text, "config.json", warnings).isOk();
  (void)llmc::parseShardIndex(text, "index.json").isOk();
  return 0;
}
