// Double-precision formulas of the llm ops on plain matrices, for the tests of row kernels.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace llmc {

/// [row][column]
using Matrix = std::vector<std::vector<double>>;

Matrix rmsnorm(const Matrix &x, const std::vector<double> &w, double eps, int64_t segment = 0, bool unitOffset = false);
Matrix layernorm(const Matrix &x, const std::vector<double> &w, const std::vector<double> &b, double eps);
Matrix map(const Matrix &x, const std::function<double(double)> &fn);
Matrix zip(const Matrix &x, const Matrix &y, const std::function<double(double, double)> &fn);
Matrix slice(const Matrix &x, int64_t offset, int64_t size);
double silu(double x);
double geluTanh(double x);
/// Rotates the first `dim` columns of each head; angle = position * theta^(-2i/dim).
Matrix rope(const Matrix &x, const std::vector<int32_t> &positions, int64_t headDim, int64_t dim, double theta,
            bool neox);
/// The table that the kernels read: multiples of 256 up to maxPosition, then 0..255; a row is cosines, then sines.
std::vector<float> ropeTable(int64_t maxPosition, int64_t dim, double theta);

} // namespace llmc
