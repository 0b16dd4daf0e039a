// Rope table of an engine: cosines and sines of positions split as 256 a + b, generated in double precision.
#pragma once

#include <cstdint>
#include <vector>

namespace llmc {

/// Rotary embedding of `dim` elements a head. Frequencies: theta^(-2i/dim), then scaled, then divided by `factors`.
struct RopeSpec {
  enum class Scaling : uint8_t { None, Linear, Llama3 };
  double theta = 10000.0;
  int64_t dim = 0;           ///< even
  int64_t maxPositions = 0;  ///< positions [0, maxPositions) are covered
  Scaling scaling = Scaling::None;
  double factor = 1.0;                                          ///< Linear, Llama3
  double lowFactor = 1.0, highFactor = 4.0, original = 8192.0;  ///< Llama3
  std::vector<double> factors;                                  ///< dim/2 divisors (GGUF rope_freqs), empty: none
};

/// Rows of the table: ceil(maxPositions / 256) coarse rows, then 256 fine ones.
constexpr int64_t ropeTableRows(int64_t maxPositions) { return (maxPositions + 255) / 256 + 256; }

/// dim/2 angular frequencies, radians a position.
std::vector<double> ropeFrequencies(const RopeSpec& spec);

/// The table [ropeTableRows][dim]: a row is [cos_0 .. cos_{h-1}, sin_0 .. sin_{h-1}], h = dim/2; coarse row a has the
/// angles 256 a f_i, fine row b the angles b f_i.
std::vector<float> ropeTable(const RopeSpec& spec);

}  // namespace llmc
