// Texts of small kernels for the emulator: types by width, one function around a body.
#pragma once

#include <cstdint>
#include <string>

namespace llmc {

/// "tensor<?xNxf32, #llm.dims<[T, N]>>"
inline std::string rowsOf(int64_t columns, const char *element = "f32", const char *rows = "T") {
  std::string n = std::to_string(columns);
  return "tensor<?x" + n + "x" + element + ", #llm.dims<[" + rows + ", " + n + "]>>";
}
/// "!llm.weight<[N], #llm.q<f32>>"
inline std::string vectorOf(int64_t length) { return "!llm.weight<[" + std::to_string(length) + "], #llm.q<f32>>"; }

/// A kernel with the arguments and results given as text: "%x: !x, %b: !llm.batch", "(!x, !y)".
inline std::string kernelText(const std::string &types, const std::string &arguments, const std::string &results,
                              const std::string &body, const char *hero = "pointwise") {
  return types + "\nkern.func @k(" + arguments + ") -> " + results + " attributes {hero = \"" + hero + "\"} {\n" +
         body + "\n}\n";
}

} // namespace llmc
