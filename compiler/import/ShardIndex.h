// model.safetensors.index.json: which shard holds which tensor.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "compiler/import/Checkpoint.h"
#include "compiler/import/ImportedModel.h"

namespace llmc {

struct ShardIndex {
  std::vector<std::string> shards;                        ///< file names in the index's folder, sorted
  std::vector<std::pair<std::string, uint32_t>> tensors;  ///< name and place in `shards`, sorted by name
};

/// Parses the index; names of shards that lead out of the folder give IX_PATH.
rt::Result<ShardIndex> parseShardIndex(const std::string& text, const std::string& file);

/// Reads all shards and checks that index and shards agree (IX_CONFLICT).
rt::Result<std::unique_ptr<Checkpoint>> openShards(const std::string& folder, const ShardIndex& index,
                                                   const ImportOptions& options);

/// One .safetensors as a checkpoint.
rt::Result<std::unique_ptr<Checkpoint>> openSingle(const std::string& path, const ImportOptions& options);

}  // namespace llmc
