// The two kinds of model sources behind importModel.
#pragma once

#include <string>

#include "compiler/import/ImportedModel.h"

namespace llmc {

rt::Result<ImportedModel> importGguf(std::shared_ptr<const SourceFile> file, const ImportOptions& options);

/// `folder` holds config.json, tokenizer.json and so on; `weights` is one .safetensors, or empty: the folder's own,
/// with or without index.
rt::Result<ImportedModel> importHuggingFace(const std::string& folder, const std::string& weights,
                                            const ImportOptions& options);

/// Opens an input; in strict mode only when no symbolic link leads to it (IX_SYMLINK).
rt::Result<std::shared_ptr<const SourceFile>> openInput(const std::string& path, const ImportOptions& options);

/// Text of ImportedModel::provenanceJson.
std::string provenanceText(const std::string& source, const std::string& architecture);

}  // namespace llmc
