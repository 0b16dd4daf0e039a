// Opening of safetensors checkpoints, alone or as shards named by an index.
#include "compiler/import/ShardIndex.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "compiler/import/ImportError.h"
#include "compiler/import/ModelSource.h"
#include "compiler/import/Safetensors.h"
#include "compiler/import/StrictJson.h"
#include "runtime/base/limits.h"

namespace llmc {
namespace {

namespace limits = rt::limits;

bool plainFileName(const std::string& name) {
  bool special = name.empty() || name == "." || name == ".." || name.size() > 255;
  return !special && name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
}

/// Files, readable and unreadable tensors of several shards, with shard numbers.
struct Collected {
  std::vector<std::shared_ptr<const SourceFile>> files;
  std::vector<TensorInfo> tensors;
  std::vector<UnreadableTensor> unreadable;
  std::unordered_map<std::string, uint32_t> shardOf;
};

rt::Status addShard(std::shared_ptr<const SourceFile> file, Collected& all) {
  auto header = readSafetensors(*file);
  if (!header) return header.takeStatus();
  auto number = static_cast<uint32_t>(all.files.size());
  auto claim = [&](const std::string& name) {
    if (all.shardOf.emplace(name, number).second) return rt::Status::ok();
    return importError("IX_CONFLICT", {file->name(), -1, name}, "tensor is in two shards");
  };
  for (TensorInfo& tensor : header->tensors) {
    LLMC_TRY(claim(tensor.name));
    tensor.file = number;
    all.tensors.push_back(std::move(tensor));
  }
  for (UnreadableTensor& tensor : header->unreadable) {
    LLMC_TRY(claim(tensor.name));
    all.unreadable.push_back(std::move(tensor));
  }
  if (all.shardOf.size() > limits::kTensors)
    return importError("ST_TOO_MANY", {file->name()}, "more than 200000 tensors in all shards");
  all.files.push_back(std::move(file));
  return rt::Status::ok();
}

std::unique_ptr<Checkpoint> finish(Collected&& all, const ImportOptions& options) {
  auto checkpoint =
      std::make_unique<Checkpoint>(std::move(all.files), std::move(all.tensors), std::move(all.unreadable));
  checkpoint->allowNonFinite(options.allowNonFinite);
  return checkpoint;
}

}  // namespace

rt::Result<ShardIndex> parseShardIndex(const std::string& text, const std::string& file) {
  auto json = parseStrictJson(text, file, "IX");
  if (!json) return json.takeStatus();
  auto map = json->is_object() ? json->find("weight_map") : json->end();
  if (!json->is_object() || map == json->end() || !map->is_object() || map->empty())
    return importError("IX_JSON", {file}, "has no weight_map object");
  std::set<std::string> names;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string()) return importError("IX_JSON", {file, -1, tensor}, "the shard's name is not a string");
    const auto& name = shard.get_ref<const std::string&>();
    if (!plainFileName(name))
      return importError("IX_PATH", {file, -1, name.empty() ? tensor : name},
                         "a shard must be a plain file name in the same folder");
    names.insert(name);
  }
  if (names.size() > limits::kShards) return importError("IX_TOO_LARGE", {file}, "more than 4096 shards");
  ShardIndex index;
  index.shards.assign(names.begin(), names.end());
  for (const auto& [tensor, shard] : map->items()) {
    auto it = std::lower_bound(index.shards.begin(), index.shards.end(), shard.get_ref<const std::string&>());
    index.tensors.emplace_back(tensor, static_cast<uint32_t>(it - index.shards.begin()));
  }
  return index;
}

rt::Result<std::unique_ptr<Checkpoint>> openShards(const std::string& folder, const ShardIndex& index,
                                                   const ImportOptions& options) {
  Collected all;
  for (const std::string& shard : index.shards) {
    auto file = openInput(folder + "/" + shard, options);
    if (!file) return file.takeStatus();
    LLMC_TRY(addShard(std::move(*file), all));
  }
  for (const auto& [name, shard] : index.tensors) {
    auto it = all.shardOf.find(name);
    if (it == all.shardOf.end() || it->second != shard)
      return importError("IX_CONFLICT", {index.shards[shard], -1, name},
                         "the index places this tensor here, but it is not in the shard");
  }
  if (index.tensors.size() != all.shardOf.size())
    return importError("IX_CONFLICT", {index.shards[0]}, "the shards hold tensors that the index does not name");
  return finish(std::move(all), options);
}

rt::Result<std::unique_ptr<Checkpoint>> openSingle(const std::string& path, const ImportOptions& options) {
  auto file = openInput(path, options);
  if (!file) return file.takeStatus();
  Collected all;
  LLMC_TRY(addShard(std::move(*file), all));
  return finish(std::move(all), options);
}

}  // namespace llmc
