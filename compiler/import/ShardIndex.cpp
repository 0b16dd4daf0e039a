// Opening of safetensors checkpoints, alone or as shards named by an index.
#include "compiler/import/ShardIndex.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "compiler/import/ImportError.h"
#include "compiler/import/JsonPlaces.h"
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
  auto claim = [&](const std::string& name, int64_t at) {
    auto [first, isNew] = all.shardOf.emplace(name, number);
    if (isNew) return rt::Status::ok();
    return importError("IX_CONFLICT", {file->name(), at, name},
                       "tensor is also in " + rt::escaped(all.files[first->second]->name()));
  };
  for (TensorInfo& tensor : header->tensors) {
    LLMC_TRY(claim(tensor.name, static_cast<int64_t>(tensor.offset)));
    tensor.file = number;
    all.tensors.push_back(std::move(tensor));
  }
  for (UnreadableTensor& tensor : header->unreadable) {
    LLMC_TRY(claim(tensor.name, tensor.at));
    tensor.file = number;
    all.unreadable.push_back(std::move(tensor));
  }
  if (all.shardOf.size() > limits::kTensors)
    return importError("ST_TOO_MANY", {file->name(), 8}, "more than 200000 tensors in all shards");
  all.files.push_back(std::move(file));
  return rt::Status::ok();
}

/// A tensor of the shards that the index does not name; there is one.
rt::Status unnamedTensor(const ShardIndex& index, const Collected& all) {
  std::unordered_set<std::string_view> named;
  for (const auto& [name, shard] : index.tensors) named.insert(name);
  for (const TensorInfo& tensor : all.tensors)
    if (!named.contains(tensor.name))
      return importError("IX_CONFLICT",
                         {all.files[tensor.file]->name(), static_cast<int64_t>(tensor.offset), tensor.name},
                         "the shard holds a tensor that the index does not name");
  for (const UnreadableTensor& tensor : all.unreadable)
    if (!named.contains(tensor.name))
      return importError("IX_CONFLICT", {all.files[tensor.file]->name(), tensor.at, tensor.name},
                         "the shard holds a tensor that the index does not name");
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
  const JsonPlaces places(text, file);
  auto map = json->is_object() ? json->find("weight_map") : json->end();
  if (!json->is_object() || map == json->end() || !map->is_object() || map->empty())
    return importError("IX_JSON", {file, std::max<int64_t>(0, places.offsetOf({"weight_map"})), "weight_map"},
                       "must be an object with a file name for each tensor");
  std::set<std::string> names;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string())
      return importError("IX_JSON", places.at({"weight_map", tensor}, tensor), "the shard's name is not a string");
    const auto& name = shard.get_ref<const std::string&>();
    if (!plainFileName(name))
      return importError("IX_PATH", places.at({"weight_map", tensor}, name.empty() ? tensor : name),
                         "a shard must be a plain file name in the same folder");
    names.insert(name);
  }
  if (names.size() > limits::kShards)
    return importError("IX_TOO_LARGE", places.atKey("weight_map"), "more than 4096 shards");
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
      return importError("IX_CONFLICT", {all.files[shard]->name(), 8, name},
                         "the index places this tensor here, but it is not in the shard");
  }
  if (index.tensors.size() != all.shardOf.size()) return unnamedTensor(index, all);
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
