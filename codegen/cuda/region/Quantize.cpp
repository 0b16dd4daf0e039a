// Rows of 8-bit floats: the largest of a row gives its scale, then whole vectors of codes are stored.
#include "codegen/cuda/RegionPrinter.h"

#include "dialects/LLM/LLMTypes.h"

using namespace mlir;

namespace llmc {

void RegionPrinter::prepare(llm::QuantizeOp op, const std::string &row) {
  if (!op.getType().isE4M3()) {
    fail(op, "products on this target read bf16 rows, not int8 ones (activations auto or bf16)");
    return;
  }
  w_.origin(op);
  std::string top = w_.fresh("largest");
  w_.line("float " + top + " = 0.0f;");
  forRow(op.getX(), row, [&](const std::string &x) { w_.line(top + " = fmaxf(" + top + ", fabsf(" + x + "));"); });
  std::string whole = w_.let("float", "largest", "blockMax<" + std::to_string(threads_) + ">(" + top + ")");
  std::string inverse = w_.let("float", "inverse", "codeInverse<E4m3>(" + whole + ")");
  prepared_[op.getResult()] = {inverse, w_.let("float", "scale", "codeScale<E4m3>(" + whole + ")")};
}

void RegionPrinter::storeE4M3(llm::QuantizeOp op, const std::string &row, const std::string &col,
                              const std::string &pointer, int64_t count) {
  if (!prepared_.contains(op.getResult())) {
    fail(op, "this kernel has no whole row in one block");
    return;
  }
  std::string inverse = prepared_[op.getResult()].front(), list;
  for (const std::string &x : elements(op.getX(), row, col, count))
    list += (list.empty() ? "" : ", ") + x + " * " + inverse;
  w_.origin(op);
  w_.line("storeCodes<E4m3, " + std::to_string(count) + ">(" + pointer + " + static_cast<i64>(" + row + ") * " +
          std::to_string(rowStride(op.getType())) + " + (" + col + "), Vec<" + std::to_string(count) + ">{{" + list +
          "}});");
}

void RegionPrinter::storeRowEnd(Value value, const std::string &row, const std::string &pointer) {
  auto op = value.getDefiningOp<llm::QuantizeOp>();
  if (!op || !prepared_.contains(op.getResult()))
    return;
  w_.line("storeE4m3End<" + std::to_string(op.getType().getCols()) + ">(" + pointer + " + static_cast<i64>(" + row +
          ") * " + std::to_string(rowStride(op.getType())) + ", " + prepared_[op.getResult()].back() + ");");
}

} // namespace llmc
