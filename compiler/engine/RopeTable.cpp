// Rotary frequencies with linear or llama3 scaling, and the split table of their angles.
#include "compiler/engine/RopeTable.h"

#include <cmath>
#include <numbers>

namespace llmc {
namespace {

/// Llama 3: long waves are stretched by `factor`, short ones kept, those between blended.
double scaleLlama3(const RopeSpec& spec, double frequency) {
  double wavelength = 2.0 * std::numbers::pi / frequency;
  double longest = spec.original / spec.lowFactor, shortest = spec.original / spec.highFactor;
  if (wavelength < shortest) return frequency;
  if (wavelength > longest) return frequency / spec.factor;
  double smooth = (spec.original / wavelength - spec.lowFactor) / (spec.highFactor - spec.lowFactor);
  return (1.0 - smooth) * frequency / spec.factor + smooth * frequency;
}

void fillRow(const std::vector<double>& frequencies, double position, float* row) {
  size_t half = frequencies.size();
  for (size_t i = 0; i < half; ++i) {
    double angle = position * frequencies[i];
    row[i] = static_cast<float>(std::cos(angle));
    row[half + i] = static_cast<float>(std::sin(angle));
  }
}

}  // namespace

std::vector<double> ropeFrequencies(const RopeSpec& spec) {
  auto half = static_cast<size_t>(spec.dim / 2);
  std::vector<double> frequencies(half);
  for (size_t i = 0; i < half; ++i) {
    double frequency = std::pow(spec.theta, -2.0 * static_cast<double>(i) / static_cast<double>(spec.dim));
    if (spec.scaling == RopeSpec::Scaling::Linear) frequency /= spec.factor;
    if (spec.scaling == RopeSpec::Scaling::Llama3) frequency = scaleLlama3(spec, frequency);
    if (i < spec.factors.size()) frequency /= spec.factors[i];
    frequencies[i] = frequency;
  }
  return frequencies;
}

std::vector<float> ropeTable(const RopeSpec& spec) {
  std::vector<double> frequencies = ropeFrequencies(spec);
  int64_t rows = ropeTableRows(spec.maxPositions), coarse = rows - 256;
  size_t width = 2 * frequencies.size();
  std::vector<float> table(static_cast<size_t>(rows) * width);
  for (int64_t row = 0; row < rows; ++row) {
    double position = row < coarse ? 256.0 * static_cast<double>(row) : static_cast<double>(row - coarse);
    fillRow(frequencies, position, table.data() + static_cast<size_t>(row) * width);
  }
  return table;
}

}  // namespace llmc
