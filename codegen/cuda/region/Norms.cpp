// Sums over a row, or over the segments of one, and the norms that need them.
#include "codegen/cuda/RegionPrinter.h"

#include "dialects/LLM/LLMTypes.h"

using namespace mlir;

namespace llmc {

using Elements = RegionPrinter::Elements;

static constexpr int64_t kKeptFloats = 32; // registers of a thread that one row may take

static int64_t segmentOf(llm::RMSNormOp op) {
  return op.getSegment() > 0 ? op.getSegment() : llm::cols(op.getX().getType());
}

void RegionPrinter::forRow(Value x, const std::string &row, llvm::function_ref<void(const std::string &element)> body) {
  const int64_t columns = llm::cols(x.getType()), width = vectorWidth(columns), count = steps(columns);
  const bool known = kept_.contains(x) && kept_.find(x)->second.row == row;
  std::string name;
  if (!known && count <= 8 && count * width <= kKeptFloats) {
    name = w_.fresh("row");
    w_.line("float " + name + "[" + std::to_string(count) + "][" + std::to_string(width) + "];");
  }
  forColumns(columns, [&](const std::string &col) {
    Elements values = elements(x, row, col, width);
    for (auto [i, value] : llvm::enumerate(values)) {
      if (!name.empty()) {
        std::string place = name + "[" + walk_->index + "][" + std::to_string(i) + "]";
        w_.line(place + " = " + value + ";");
        value = place;
      }
      body(value);
    }
  });
  if (!name.empty())
    kept_[x] = {name, row, columns};
}

/// "inverseRoot(SUM, 1 / count, eps)".
static std::string inverseRootOf(const std::string &sum, int64_t count, double eps) {
  return "inverseRoot(" + sum + ", " + floatLiteral(1.0 / static_cast<double>(count)) + ", " + floatLiteral(eps) + ")";
}

void RegionPrinter::prepare(llm::RMSNormOp op, const std::string &row) {
  const int64_t columns = llm::cols(op.getX().getType()), segment = segmentOf(op);
  if (segment != columns)
    return prepareSegments(op, row, segment);
  w_.origin(op);
  std::string sum = w_.fresh("squares");
  w_.line("float " + sum + " = 0.0f;");
  forRow(op.getX(), row, [&](const std::string &x) { w_.line(sum + " = fmaf(" + x + ", " + x + ", " + sum + ");"); });
  std::string total = "blockSum<" + std::to_string(threads_) + ">(" + sum + ")";
  prepared_[op.getResult()] = {w_.let("float", "factor", inverseRootOf(total, columns, op.getEps()))};
}

void RegionPrinter::prepareSegments(llm::RMSNormOp op, const std::string &row, int64_t segment) {
  const int64_t count = llm::cols(op.getX().getType()) / segment, width = vectorWidth(segment);
  w_.origin(op);
  std::string factors = w_.fresh("factors"), index = w_.fresh("segment"), within = w_.fresh("within");
  std::string sum = w_.fresh("squares"), lane = "static_cast<int>(threadIdx.x % 32)";
  w_.line("__shared__ float " + factors + "[" + std::to_string(count) + "];");
  w_.line("__syncthreads();");
  {
    // A warp a segment.
    auto segments = w_.scope("for (int " + index + " = static_cast<int>(threadIdx.x / 32); " + index + " < " +
                             std::to_string(count) + "; " + index + " += " + std::to_string(threads_ / 32) + ")");
    w_.line("float " + sum + " = 0.0f;");
    {
      auto columns =
          w_.scope("for (int " + within + " = " + lane + " * " + std::to_string(width) + "; " + within + " < " +
                   std::to_string(segment) + "; " + within + " += " + std::to_string(32 * width) + ")");
      std::string col = w_.let("int", "col", index + " * " + std::to_string(segment) + " + " + within);
      for (const std::string &x : elements(op.getX(), row, col, width))
        w_.line(sum + " = fmaf(" + x + ", " + x + ", " + sum + ");");
    }
    w_.line(sum + " = warpSum(" + sum + ");");
    w_.line("if (threadIdx.x % 32 == 0)");
    w_.line("  " + factors + "[" + index + "] = " + inverseRootOf(sum, segment, op.getEps()) + ";");
  }
  w_.line("__syncthreads();");
  prepared_[op.getResult()] = {factors, "array"};
}

void RegionPrinter::prepareWhole(Value value, const std::string &row, int64_t headDim) {
  Operation *op = value.getDefiningOp();
  if (!op || bound_.contains(value) || prepared_.contains(value))
    return;
  auto norm = dyn_cast<llm::RMSNormOp>(op);
  const bool perHead = norm && segmentOf(norm) == headDim;
  if (isa<llm::RMSNormOp, llm::LayerNormOp, llm::AttendMergeOp, llm::SelectRowsOp>(op) && !perHead)
    return prepareRow(value, row);
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      prepareWhole(operand, row, headDim);
}

void RegionPrinter::prepareHead(Value value, const std::string &row, const std::string &head, int64_t headDim) {
  Operation *op = value.getDefiningOp();
  if (!op || bound_.contains(value) || prepared_.contains(value))
    return;
  if (auto slice = dyn_cast<llm::SliceOp>(op); slice && slice.getOffset() % headDim == 0) {
    const int64_t skipped = slice.getOffset() / headDim;
    return prepareHead(slice.getX(), row,
                       skipped == 0 ? head : w_.let("int", "head", head + " + " + std::to_string(skipped)), headDim);
  }
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      prepareHead(operand, row, head, headDim);
  if (auto rope = dyn_cast<llm::RopeOp>(op)) {
    prepared_[value] = {w_.let("int", "position", batchField(rope.getBatch(), "positions", row))};
    preparedHead_.push_back(value);
  }
  auto norm = dyn_cast<llm::RMSNormOp>(op);
  if (!norm || segmentOf(norm) != headDim)
    return;
  w_.origin(op);
  preparedHead_.push_back(value);
  const int64_t width = vectorWidth(headDim);
  std::string sum = w_.fresh("squares"), within = w_.fresh("within");
  w_.line("float " + sum + " = 0.0f;");
  w_.line("#pragma unroll");
  {
    auto columns =
        w_.scope("for (int " + within + " = static_cast<int>(threadIdx.x % 32) * " + std::to_string(width) + "; " +
                 within + " < " + std::to_string(headDim) + "; " + within + " += " + std::to_string(32 * width) + ")");
    std::string col = w_.let("int", "col", head + " * " + std::to_string(headDim) + " + " + within);
    for (const std::string &x : elements(norm.getX(), row, col, width))
      w_.line(sum + " = fmaf(" + x + ", " + x + ", " + sum + ");");
  }
  prepared_[value] = {w_.let("float", "factor", inverseRootOf("warpSum(" + sum + ")", headDim, norm.getEps()))};
}

Elements RegionPrinter::print(llm::RMSNormOp op, const std::string &row, const std::string &col, int64_t count) {
  auto state = prepared_.find(op.getResult());
  if (state == prepared_.end())
    return failed(op, "its row was not prepared", count);
  const int64_t segment = segmentOf(op);
  if (segment % count != 0)
    return single(op.getResult(), row, col, count);
  std::string factor = state->second.front(), within = col;
  if (segment != llm::cols(op.getX().getType())) {
    if (state->second.size() == 2)
      factor = w_.let("float", "factor", factor + "[(" + col + ") / " + std::to_string(segment) + "]");
    within = w_.let("int", "within", "(" + col + ") % " + std::to_string(segment));
  }
  Elements x = elements(op.getX(), row, col, count), weight = parameter(op.getW(), within, count);
  w_.origin(op);
  Elements result;
  for (auto [value, w] : llvm::zip_equal(x, weight))
    result.push_back(value + " * " + factor + " * " + (op.getUnitOffset() ? "(1.0f + " + w + ")" : w));
  return name("norm", result);
}

void RegionPrinter::prepare(llm::LayerNormOp op, const std::string &row) {
  const int64_t columns = llm::cols(op.getX().getType());
  std::string block = "blockSum<" + std::to_string(threads_) + ">(";
  w_.origin(op);
  std::string sum = w_.fresh("sum"), squares = w_.fresh("squares");
  w_.line("float " + sum + " = 0.0f;");
  forRow(op.getX(), row, [&](const std::string &x) { w_.line(sum + " += " + x + ";"); });
  std::string mean = w_.let("float", "mean", block + sum + ") * " + floatLiteral(1.0 / static_cast<double>(columns)));
  // Two passes: sum(x^2) - mean^2 cancels when the mean is large.
  w_.line("float " + squares + " = 0.0f;");
  forRow(op.getX(), row, [&](const std::string &x) {
    w_.line(squares + " = fmaf(" + x + " - " + mean + ", " + x + " - " + mean + ", " + squares + ");");
  });
  std::string factor = w_.let("float", "factor", inverseRootOf(block + squares + ")", columns, op.getEps()));
  prepared_[op.getResult()] = {mean, factor};
}

Elements RegionPrinter::print(llm::LayerNormOp op, const std::string &row, const std::string &col, int64_t count) {
  auto state = prepared_.find(op.getResult());
  if (state == prepared_.end())
    return failed(op, "its row was not prepared", count);
  std::string mean = state->second[0], factor = state->second[1];
  Elements x = elements(op.getX(), row, col, count), weight = parameter(op.getW(), col, count);
  Elements bias = op.getB() ? parameter(op.getB(), col, count) : Elements();
  w_.origin(op);
  Elements result;
  for (int64_t i = 0; i < count; ++i) {
    std::string centred = "(" + x[i] + " - " + mean + ") * " + factor;
    result.push_back(op.getB() ? "fmaf(" + centred + ", " + weight[i] + ", " + bias[i] + ")"
                               : centred + " * " + weight[i]);
  }
  return name("norm", result);
}

} // namespace llmc
