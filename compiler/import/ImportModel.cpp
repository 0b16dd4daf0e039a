// Tells the kinds of model sources apart.
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "compiler/import/ImportError.h"
#include "compiler/import/ModelSource.h"

namespace llmc {

rt::Result<std::shared_ptr<const SourceFile>> openInput(const std::string& path, const ImportOptions& options) {
  struct stat info;
  if (options.strict && ::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode))
    return importError("IX_SYMLINK", {path}, "is a symbolic link", "leave out --strict to follow it");
  return SourceFile::open(path);
}

std::string provenanceText(const std::string& source, const std::string& architecture) {
  return nlohmann::json{{"source", source}, {"architecture", architecture}}.dump();
}

rt::Result<ImportedModel> importModel(const std::string& path, const ImportOptions& options) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return importHuggingFace(path, "", options);
  auto file = openInput(path, options);
  if (!file) return file.takeStatus();
  if (path.ends_with(".gguf")) return importGguf(std::move(*file), options);
  if (path.ends_with(".safetensors")) {
    size_t slash = path.find_last_of('/');
    return importHuggingFace(slash == std::string::npos ? "." : path.substr(0, slash + 1), path, options);
  }
  // Content decides when the name does not.
  char magic[4] = {};
  if ((*file)->size() >= 4) LLMC_TRY((*file)->read(0, std::as_writable_bytes(std::span(magic))));
  if (std::memcmp(magic, "GGUF", 4) == 0) return importGguf(std::move(*file), options);
  return importError("IX_FORMAT", {(*file)->name(), 0}, "is no model file that is known",
                     "give a folder with config.json, a .safetensors or a .gguf");
}

}  // namespace llmc
