// "1 file", "2 files": a number and the word that goes with it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace llmc::rt {

/// `number` in digits, then `one` when it is 1, else `many`.
inline std::string counted(uint64_t number, std::string_view one, std::string_view many) {
  return std::to_string(number) + " " + std::string(number == 1 ? one : many);
}

}  // namespace llmc::rt
