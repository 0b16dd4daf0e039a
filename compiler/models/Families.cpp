// The list of families.
#include "compiler/models/FamilyList.h"

namespace llmc {
namespace {

const Family *findBy(std::string_view Family::*field, std::string_view value) {
  if (value.empty())
    return nullptr;
  for (const Family *family : families())
    if (family->*field == value)
      return family;
  return nullptr;
}

std::string listOf(std::string_view Family::*field) {
  std::string text;
  for (const Family *family : families())
    if (!(family->*field).empty())
      text += (text.empty() ? "" : ", ") + std::string(family->*field);
  return text;
}

} // namespace

std::span<const Family *const> families() { return kFamilies; }

const Family *findFamily(std::string_view name) { return findBy(&Family::name, name); }
const Family *familyOfArchitecture(std::string_view name) { return findBy(&Family::architecture, name); }
const Family *familyOfGguf(std::string_view name) { return findBy(&Family::ggufArchitecture, name); }
std::string supportedArchitectures() { return listOf(&Family::architecture); }
std::string supportedGgufArchitectures() { return listOf(&Family::ggufArchitecture); }

} // namespace llmc
