// What a model calls itself.
#pragma once

#include <string>
#include <string_view>

namespace llmc {

/// The model's name as its files give it (`general.name` of a GGUF, `_name_or_path` of a config.json), as one word for
/// APIs and URLs: what follows the last slash, with '-' for white space. Empty when `given` has no such word, is not
/// UTF-8, holds a control character or has more than 200 bytes. Never from the name of a file or folder: an engine's
/// bytes follow from what the model's files hold.
std::string modelName(std::string_view given);

}  // namespace llmc
