// A number of a kernel's configuration that was measured on some machine.
#pragma once

#include <cstdint>
#include <string>

namespace llmc {

/// By its name in databases and in the IR: those of matmulNumberNames() for the CPU, of productNumbers() and
/// attendNumbers() for CUDA.
struct TunedNumber {
  std::string name;
  int64_t value = 0;
  friend bool operator==(const TunedNumber &, const TunedNumber &) = default;
};

} // namespace llmc
