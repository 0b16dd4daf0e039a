// Names of models from their metadata.
#include "compiler/import/ModelName.h"

#include "compiler/import/Utf8.h"

namespace llmc {
namespace {

constexpr size_t kLongestName = 200;
constexpr std::string_view kSpace = " \t\r\n";

bool isControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

std::string modelName(std::string_view given) {
  if (!validUtf8(given)) return "";
  while (!given.empty() && (given.back() == '/' || kSpace.find(given.back()) != kSpace.npos)) given.remove_suffix(1);
  // A name on a hub has its owner in front, a path its folders, which say nothing on another machine.
  given = given.substr(given.find_last_of('/') + 1);
  std::string name;
  bool gap = false;
  for (char c : given) {
    const bool space = kSpace.find(c) != kSpace.npos;
    if (!space && isControl(c)) return "";
    if (!space) name += (gap && !name.empty() ? "-" : "") + std::string(1, c);
    gap = space;
  }
  const bool isFolder = name == "." || name == "..";
  return name.size() > kLongestName || isFolder ? "" : name;
}

}  // namespace llmc
