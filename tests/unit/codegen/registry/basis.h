// Whether what a row of a configuration table stands on is in the repository.
#pragma once

#include "codegen/registry/ConfigRow.h"
#include "gtest/gtest.h"
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace llmc {

inline const std::filesystem::path kRoot = std::filesystem::path(__FILE__).parent_path() / "../../../..";

/// Empty: what `basis` names is there.
inline std::string missing(const Basis &basis) {
  if (std::string_view(basis.text).empty())
    return "neither a measurement nor the bound that leaves no choice";
  if (std::string_view(basis.file).empty())
    return "";
  std::ifstream file(kRoot / basis.file);
  if (!file)
    return std::string(basis.file) + ": no such file";
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("#") && line.substr(line.find_first_not_of("# ")) == basis.text)
      return "";
  return std::string(basis.file) + " has no heading '" + basis.text + "'";
}

template <typename Table> void expectMeasured(const char *name, const Table &table) {
  for (size_t i = 0; i < std::size(table); ++i)
    EXPECT_EQ(missing(table[i].basis), "") << name << ", row " << i + 1;
}

} // namespace llmc
