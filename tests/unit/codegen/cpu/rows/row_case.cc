// Fills the arguments of a row kernel, runs it and compares.
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>

namespace llmc {

std::vector<float> randomValues(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float &v : values)
    v = uniform(random);
  return values;
}

std::vector<double> asDouble(const std::vector<float> &values) { return {values.begin(), values.end()}; }

std::string act(int64_t columns, const char *rows, const char *element) {
  std::string n = std::to_string(columns);
  return "tensor<?x" + n + "x" + element + ", #llm.dims<[" + rows + ", " + n + "]>>";
}

std::string param(int64_t length) { return "!llm.weight<[" + std::to_string(length) + "], #llm.q<f32>>"; }

std::string functionText(const std::vector<std::string> &args, const std::vector<std::string> &results,
                         const std::string &body, const char *hero) {
  std::string text = "kern.func @k(";
  for (size_t i = 0; i < args.size(); ++i)
    text += (i ? ", %a" : "%a") + std::to_string(i) + ": " + args[i];
  text += ")";
  for (size_t i = 0; i < results.size(); ++i)
    text += (i ? ", " : " -> (") + results[i];
  return text + (results.empty() ? "" : ")") + " attributes {hero = \"" + hero + "\"} {\n" + body + "}\n";
}

Step::Step(int64_t tokens) {
  std::mt19937 random(tokens);
  for (int64_t t = 0; t < tokens; ++t) {
    ids.push_back(random() % 40);
    positions.push_back(random() % 1000);
    slots.push_back(static_cast<int32_t>((tokens - 1 - t) * 3 + 5)); // distinct, out of order, over several pages
  }
  for (int64_t t = tokens - 1; t >= 0; t -= 2)
    sampleRows.push_back(static_cast<int32_t>(t));
  batch.tokens = static_cast<int32_t>(tokens);
  batch.rows = static_cast<int32_t>(sampleRows.size());
  batch.tokenIds = ids.data();
  batch.positions = positions.data();
  batch.slots = slots.data();
  batch.sampleRows = sampleRows.data();
}

namespace {

/// Memory behind the arguments of one run.
struct Inputs {
  std::vector<std::unique_ptr<Rows>> activations;
  std::vector<std::vector<char>> constants;
  std::vector<const void *> pointers;
  std::vector<Matrix> values;
};

/// A copy on a 64-byte boundary with 4 KiB behind it.
const void *constant(Inputs &inputs, const void *data, size_t bytes) {
  std::vector<char> &copy = inputs.constants.emplace_back(bytes + 4096 + 64, '\xff');
  char *at = copy.data() + (64 - reinterpret_cast<uintptr_t>(copy.data()) % 64) % 64;
  std::memcpy(at, data, bytes);
  return at;
}

void fillInputs(const RowCase &test, const Step &step, Inputs &inputs) {
  const int64_t tokens = step.batch.tokens;
  for (const Arg &arg : test.args) {
    if (arg.kind == Arg::Activation) {
      auto rows = std::make_unique<Rows>(tokens, arg.columns * 4);
      rows->randomize(arg.columns, 17 + inputs.pointers.size(), arg.scale);
      if (test.fill && inputs.activations.empty())
        test.fill(*rows, tokens);
      Matrix &matrix = inputs.values.emplace_back();
      for (int64_t t = 0; t < tokens; ++t)
        matrix.emplace_back(rows->row<float>(t), rows->row<float>(t) + arg.columns);
      inputs.pointers.push_back(rows->base());
      inputs.activations.push_back(std::move(rows));
    } else if (arg.kind == Arg::Parameter) {
      inputs.pointers.push_back(constant(inputs, arg.values.data(), arg.values.size() * 4));
    } else if (arg.kind == Arg::Packed) {
      inputs.pointers.push_back(constant(inputs, arg.bytes.data(), arg.bytes.size()));
    } else {
      inputs.pointers.push_back(&step.batch);
    }
  }
}

void compare(const Matrix &expected, Rows &found, double tolerance) {
  for (size_t t = 0; t < expected.size(); ++t) {
    double largest = 0;
    for (double v : expected[t])
      largest = std::max(largest, std::fabs(v));
    for (size_t c = 0; c < expected[t].size(); ++c)
      ASSERT_NEAR(found.at(t, c), expected[t][c], tolerance * (std::fabs(expected[t][c]) + largest))
          << "row " << t << " column " << c;
  }
}

} // namespace

void checkRows(const RowCase &test) {
  for (const Level &level : instructionSets()) {
    SCOPED_TRACE(level.name.str());
    auto kernel = buildKernel(test.text, level, test.emit);
    ASSERT_TRUE(kernel);
    if (!canRun(level))
      continue;
    for (int64_t tokens : {1, 2, 7, 16, 17, 33})
      for (uint32_t workers : {1u, 2u, 3u, 4u}) {
        SCOPED_TRACE("T = " + std::to_string(tokens) + ", workers = " + std::to_string(workers));
        Step step(tokens);
        Inputs inputs;
        inputs.constants.reserve(test.args.size());
        fillInputs(test, step, inputs);
        Rows result(test.selected ? step.batch.rows : tokens, test.columns * 4);
        std::vector<const void *> args = inputs.pointers;
        args.push_back(result.base());
        kernel->run(args, workers);
        compare(test.expected(inputs.values, step), result, test.tolerance);
        ASSERT_TRUE(result.paddingIntact());
        if (::testing::Test::HasFatalFailure())
          return;
      }
  }
}

} // namespace llmc
