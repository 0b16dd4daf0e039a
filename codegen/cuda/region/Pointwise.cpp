// Ops whose element depends on the same element of their operands, or on a fixed other one: glu, act, add, slice, ...
#include "codegen/cuda/RegionPrinter.h"

#include "dialects/LLM/LLMTypes.h"

using namespace mlir;

namespace llmc {

using Elements = RegionPrinter::Elements;

static std::string call(llvm::StringRef function, const std::string &x) { return (function + "(" + x + ")").str(); }

static llvm::StringRef activation(llm::ActFn fn) {
  switch (fn) {
  case llm::ActFn::Silu:
    return "silu";
  case llm::ActFn::GeluTanh:
    return "geluTanh";
  case llm::ActFn::Relu:
    return "relu";
  }
  llvm_unreachable("all functions are listed");
}

/// `join(a, b)` of each pair.
static Elements both(const Elements &a, const Elements &b,
                     llvm::function_ref<std::string(const std::string &, const std::string &)> join) {
  Elements result;
  for (auto [x, y] : llvm::zip_equal(a, b))
    result.push_back(join(x, y));
  return result;
}
static Elements each(const Elements &x, llvm::function_ref<std::string(const std::string &)> apply) {
  Elements result;
  for (const std::string &value : x)
    result.push_back(apply(value));
  return result;
}

Elements RegionPrinter::print(llm::AddOp op, const std::string &row, const std::string &col, int64_t count) {
  Elements a = elements(op.getLhs(), row, col, count), b = elements(op.getRhs(), row, col, count);
  w_.origin(op);
  return name("sum", both(a, b, [](auto &x, auto &y) { return x + " + " + y; }));
}

Elements RegionPrinter::print(llm::MulOp op, const std::string &row, const std::string &col, int64_t count) {
  Elements a = elements(op.getLhs(), row, col, count), b = elements(op.getRhs(), row, col, count);
  w_.origin(op);
  return name("product", both(a, b, [](auto &x, auto &y) { return x + " * " + y; }));
}

Elements RegionPrinter::print(llm::ScaleOp op, const std::string &row, const std::string &col, int64_t count) {
  Elements x = elements(op.getX(), row, col, count);
  w_.origin(op);
  return name("scaled", each(x, [&](auto &v) { return v + " * " + floatLiteral(op.getFactor()); }));
}

Elements RegionPrinter::print(llm::SoftcapOp op, const std::string &row, const std::string &col, int64_t count) {
  Elements x = elements(op.getX(), row, col, count);
  w_.origin(op);
  std::string cap = floatLiteral(op.getCap()), inverse = floatLiteral(1.0 / op.getCap());
  return name("capped", each(x, [&](auto &v) { return call("tanhOf", v + " * " + inverse) + " * " + cap; }));
}

Elements RegionPrinter::print(llm::ActOp op, const std::string &row, const std::string &col, int64_t count) {
  Elements x = elements(op.getX(), row, col, count);
  w_.origin(op);
  return name("act", each(x, [&](auto &v) { return call(activation(op.getFn()), v); }));
}

Elements RegionPrinter::print(llm::CastOp op, const std::string &row, const std::string &col, int64_t count) {
  Elements x = elements(op.getX(), row, col, count);
  Type to = cast<RankedTensorType>(op.getResult().getType()).getElementType();
  if (to.isF32())
    return x;
  w_.origin(op);
  return name("rounded", each(x, [&](auto &v) { return call(to.isF16() ? "F16::round" : "BF16::round", v); }));
}

Elements RegionPrinter::print(llm::GluOp op, const std::string &row, const std::string &col, int64_t count) {
  Elements gate, up;
  if (op.getUp()) {
    gate = elements(op.getGate(), row, col, count);
    up = elements(op.getUp(), row, col, count);
  } else {
    // Columns [32j, 32j + 16) are gate columns [16j, 16j + 16), the next 16 their up columns; count divides 16.
    std::string first = w_.let("int", "gate", "(" + col + ") / 16 * 32 + (" + col + ") % 16");
    gate = elements(op.getGate(), row, first, count);
    std::string second = w_.let("int", "up", first + " + 16");
    half_ = 1;
    up = elements(op.getGate(), row, second, count);
    half_ = 0;
  }
  w_.origin(op);
  llvm::StringRef act = activation(op.getAct());
  return name("glu", both(gate, up, [&](auto &g, auto &u) { return call(act, g) + " * " + u; }));
}

Elements RegionPrinter::print(llm::SliceOp op, const std::string &row, const std::string &col, int64_t count) {
  const int64_t offset = op.getOffset();
  std::string at = offset == 0 ? col : w_.let("int", "col", col + " + " + std::to_string(offset));
  return offset % count == 0 ? elements(op.getX(), row, at, count) : single(op.getX(), row, at, count);
}

Elements RegionPrinter::print(llm::SelectRowsOp op, const std::string &row, const std::string &col, int64_t count) {
  return elements(op.getX(), sourceRow(op, row), col, count);
}

} // namespace llmc
