// Runs one row kernel at every level, for several row counts and worker counts, against a double reference.
#pragma once

#include "tests/unit/codegen/cpu/core/kernel_runner.h"
#include "tests/unit/codegen/cpu/rows/row_reference.h"

namespace llmc {

/// One argument of the kern.func under test.
struct Arg {
  enum Kind { Activation, Parameter, Packed, Batch } kind;
  int64_t columns = 0;        ///< Activation
  std::vector<float> values;  ///< Parameter: plain f32
  std::vector<uint8_t> bytes; ///< Packed weight
  float scale = 1.0f;         ///< Activation: standard deviation of the random values

  static Arg activation(int64_t columns, float scale = 1.0f) { return {Activation, columns, {}, {}, scale}; }
  static Arg parameter(std::vector<float> values) { return {Parameter, 0, std::move(values), {}, 0}; }
  static Arg packed(std::vector<uint8_t> bytes) { return {Packed, 0, {}, std::move(bytes), 0}; }
  static Arg batch() { return {Batch, 0, {}, {}, 0}; }
};

/// The step that a run sees.
struct Step {
  explicit Step(int64_t tokens);
  rt::Batch batch;
  std::vector<int32_t> ids, positions, slots, sampleRows;
};

struct RowCase {
  std::string text; ///< module text with one kern.func; see functionText()
  std::vector<Arg> args;
  int64_t columns;                                ///< of the (last) result
  bool selected = false;                          ///< the result has S rows
  double tolerance = 2e-6;                        ///< of |expected| + the row's largest value
  std::function<void(Rows &, int64_t)> fill = {}; ///< changes the first activation; argument: rows
  /// Expected values of the last result. `x`: the activations in order.
  std::function<Matrix(const std::vector<Matrix> &x, const Step &step)> expected;
  Emit emit = emitRowKernel;
};

void checkRows(const RowCase &test);

/// Random values in [-1, 1).
std::vector<float> randomValues(int64_t count, uint32_t seed);
std::vector<double> asDouble(const std::vector<float> &values);

/// "tensor<?xNxf32, #llm.dims<[T, N]>>"
std::string act(int64_t columns, const char *rows = "T", const char *element = "f32");
/// "!llm.weight<[N], #llm.q<f32>>"
std::string param(int64_t length);
/// kern.func @k with the argument types (named %0, %1, ...), results and body.
std::string functionText(const std::vector<std::string> &args, const std::vector<std::string> &results,
                         const std::string &body, const char *hero = "pointwise");

} // namespace llmc
