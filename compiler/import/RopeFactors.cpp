// Llama3 rope scaling, forwards and backwards.
#include "compiler/import/RopeFactors.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtime/base/limits.h"

namespace llmc {
namespace {

double wavelength(size_t i, double theta, int64_t ropeDim) {
  return 2 * std::numbers::pi * std::pow(theta, 2.0 * static_cast<double>(i) / static_cast<double>(ropeDim));
}

bool reproduces(const RopeScaling& scaling, const std::vector<float>& factors, double theta, int64_t ropeDim) {
  if (scaling.originalPositions < 1 || scaling.originalPositions > rt::limits::kPositions ||
      !(scaling.highFreqFactor > 1))
    return false;
  std::vector<float> expected = llama3Factors(scaling, theta, ropeDim);
  if (expected.size() != factors.size()) return false;
  for (size_t i = 0; i < factors.size(); ++i)
    if (std::abs(factors[i] - expected[i]) > 2e-4f * expected[i]) return false;
  return true;
}

}  // namespace

std::vector<float> llama3Factors(const RopeScaling& scaling, double theta, int64_t ropeDim) {
  std::vector<float> factors;
  auto original = static_cast<double>(scaling.originalPositions);
  for (size_t i = 0; i < static_cast<size_t>(ropeDim / 2); ++i) {
    double length = wavelength(i, theta, ropeDim);
    double smooth = (original / length - scaling.lowFreqFactor) / (scaling.highFreqFactor - scaling.lowFreqFactor);
    smooth = std::clamp(smooth, 0.0, 1.0);
    factors.push_back(static_cast<float>(1 / ((1 - smooth) / scaling.factor + smooth)));
  }
  return factors;
}

std::optional<RopeScaling> llama3ScalingOf(const std::vector<float>& factors, double theta, int64_t ropeDim) {
  double factor = *std::max_element(factors.begin(), factors.end());
  std::vector<std::pair<double, double>>
      points;  // (wavelength, share of the unscaled frequency) strictly between the two regions
  double lastPlain = 0, firstScaled = 0;  // wavelengths at the edges of the regions
  for (size_t i = 0; i < factors.size(); ++i) {
    double length = wavelength(i, theta, ropeDim), share = (1.0 / factors[i] - 1 / factor) / (1 - 1 / factor);
    if (share > 1e-3 && share < 1 - 1e-3)
      points.emplace_back(length, share);
    else if (share >= 0.5)
      lastPlain = length;
    else if (firstScaled == 0)
      firstScaled = length;
  }
  std::vector<RopeScaling> candidates = {{RopeScaling::Kind::Llama3, factor, 1, 4, 8192}};
  auto add = [&](double original, double high) {
    if (original >= 1 && original < 1e9)
      candidates.push_back({RopeScaling::Kind::Llama3, factor, 1, high, std::llround(original)});
  };
  // share = (original / wavelength - 1) / (high - 1)
  if (!points.empty()) add(points[0].first * (points[0].second * 3 + 1), 4);
  if (points.empty()) add(2 * std::sqrt(lastPlain * firstScaled), 4);
  if (points.size() >= 2) {
    auto [length0, share0] = points.front();
    auto [length1, share1] = points.back();
    double original = (share0 - share1) / (share0 / length1 - share1 / length0);
    add(original, 1 + (original / length0 - 1) / share0);
  }
  for (const RopeScaling& scaling : candidates)
    if (reproduces(scaling, factors, theta, ropeDim)) return scaling;
  return std::nullopt;
}

}  // namespace llmc
