// Ops that read tables by what the batch says about a row: embed, rope, and attend_merge, whose row is a table of
// parts.
#include "codegen/cuda/RegionPrinter.h"

#include "codegen/registry/WeightLayout.h"
#include "dialects/LLM/LLMTypes.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace llmc {

using Elements = RegionPrinter::Elements;

static constexpr int64_t kLowAngles =
    256; // the rope table's last rows: positions 0..255; rows before: multiples of 256

static std::string arguments(std::initializer_list<std::string> list) { return "(" + llvm::join(list, ", ") + ")"; }

Elements RegionPrinter::print(llm::EmbedOp op, const std::string &row, const std::string &col, int64_t count) {
  auto type = cast<llm::WeightType>(op.getTable().getType());
  auto layout = fragmentLayoutFor(type.getQuant());
  if (!layout || *layout == Layout::E4M3M16K32)
    return failed(op, "f32 and e4m3 tables have no look-up on this target; store them as f16 or bf16", count);
  auto known = prepared_.find(op.getResult());
  std::string token =
      known != prepared_.end() ? known->second.front() : w_.let("int", "token", tokenOf(op.getBatch(), row));
  w_.origin(op);
  Elements result;
  for (int64_t i = 0; i < count; ++i) {
    std::string at = i == 0 ? col : col + " + " + std::to_string(i);
    std::string value =
        "weightElement<" + std::string(deviceLayoutName(*layout)) + ">" +
        arguments({pointer(op.getTable()), std::to_string(paddedCols(*layout, type.cols())), token, at});
    result.push_back(op.getScale() == 1.0 ? value : value + " * " + floatLiteral(op.getScale()));
  }
  return name("embedded", result);
}

Elements RegionPrinter::print(llm::RopeOp op, const std::string &row, const std::string &col, int64_t count) {
  const int64_t headDim = op.getHeadDim(), dim = op.getRope().getDim(), half = dim / 2;
  const bool neox = op.getRope().getStyle() == llm::RopeStyle::Neox;
  if (!op.getTable())
    return failed(op, "it has no table of angles", count);
  // Neighbours must rotate alike: all of them first halves of pairs, or all second ones; or whole pairs (gptj).
  if (headDim % count != 0 || dim % count != 0 || (neox && half % count != 0))
    return single(op.getResult(), row, col, count);
  const int64_t tableRows = cast<llm::WeightType>(op.getTable().getType()).rows();
  auto known = prepared_.find(op.getResult());
  std::string position = known != prepared_.end()
                             ? known->second.front()
                             : w_.let("int", "position", batchField(op.getBatch(), "positions", row));
  Elements x = elements(op.getX(), row, col, count), partner;
  std::string within = w_.let("int", "within", "(" + col + ") % " + std::to_string(headDim));
  std::string rotates = dim == headDim ? "" : w_.let("bool", "rotates", within + " < " + std::to_string(dim));
  auto ifRotates = [&](const std::string &then, const std::string &otherwise) {
    return rotates.empty() ? then : rotates + " ? " + then + " : " + otherwise;
  };
  const bool pairs = !neox && count > 1; // whole ones, among the neighbours
  std::string first;
  if (pairs) {
    for (int64_t i = 0; i < count; ++i)
      partner.push_back(x[i ^ 1]);
  } else {
    first = w_.let("bool", "first", neox ? within + " < " + std::to_string(half) : within + " % 2 == 0");
    std::string distance = std::to_string(neox ? half : 1);
    std::string other = "(" + first + " ? (" + col + ") + " + distance + " : (" + col + ") - " + distance + ")";
    partner = elements(op.getX(), row, w_.let("int", "partner", ifRotates(other, col)), count);
  }
  w_.origin(op);
  const int64_t angles = neox ? count : std::max<int64_t>(1, count / 2);
  std::string angle =
      w_.let("int", "angle", neox ? within + " % " + std::to_string(half) : ifRotates(within + " / 2", "0"));
  std::string turn = w_.fresh("turn"), width = std::to_string(angles);
  w_.line("const Turn<" + width + "> " + turn + " = ropeTurn<" + width + ">" +
          arguments(
              {pointer(op.getTable()), std::to_string(tableRows - kLowAngles), std::to_string(dim), position, angle}) +
          ";");
  Elements result;
  for (int64_t i = 0; i < count; ++i) {
    std::string at = ".v[" + std::to_string(neox ? i : i / 2) + "]";
    std::string sine = turn + ".sine" + at;
    if (pairs)
      sine = i % 2 == 0 ? "-" + sine : sine;
    else
      sine = "(" + first + " ? -" + sine + " : " + sine + ")";
    result.push_back(ifRotates("fmaf" + arguments({partner[i], sine, x[i] + " * " + turn + ".cosine" + at}), x[i]));
  }
  return name("rotated", result);
}

// A row holds, for each head and split, D sums, then the maximum m, then the sum l of weights (all f32).
void RegionPrinter::prepare(llm::AttendMergeOp op, const std::string &row) {
  const int64_t heads = op.getHeads(), splits = op.getSplits(), partBytes = (op.getHeadDim() + 2) * 4;
  std::string source = address(op.getP(), row);
  if (source.empty()) {
    fail(op, "its operand must lie in memory");
    return;
  }
  w_.origin(op);
  std::string parts = w_.let("u8 *const", "parts", source), factors = w_.fresh("factors"), head = w_.fresh("head");
  std::string sink;
  if (op.getSinks())
    sink = ", reinterpret_cast<const float *>(" + pointer(op.getSinks()) + ") + " + head;
  w_.line("__shared__ float " + factors + "[" + std::to_string(heads * splits) + "];");
  w_.line("__syncthreads();");
  w_.line("for (int " + head + " = static_cast<int>(threadIdx.x); " + head + " < " + std::to_string(heads) + "; " +
          head + " += " + std::to_string(threads_) + ")");
  w_.line("  mergeFactors<" + std::to_string(splits) + ", " + std::to_string(op.getHeadDim()) + ">(" + factors + " + " +
          head + " * " + std::to_string(splits) + ", " + parts + " + static_cast<i64>(" + head + ") * " +
          std::to_string(splits * partBytes) + sink + ");");
  w_.line("__syncthreads();");
  prepared_[op.getResult()] = {parts, factors};
}

Elements RegionPrinter::print(llm::AttendMergeOp op, const std::string &row, const std::string &col, int64_t count) {
  auto state = prepared_.find(op.getResult());
  if (state == prepared_.end())
    return failed(op, "its row was not prepared", count);
  const int64_t dim = op.getHeadDim(), splits = op.getSplits();
  if (dim % count != 0)
    return single(op.getResult(), row, col, count);
  std::string parts = state->second[0], factors = state->second[1];
  w_.origin(op);
  std::string head = w_.let("int", "head", "(" + col + ") / " + std::to_string(dim));
  std::string within = w_.let("int", "within", "(" + col + ") % " + std::to_string(dim));
  std::string merged = w_.fresh("merged"), width = std::to_string(count);
  w_.line("const Vec<" + width + "> " + merged + " = mergeParts<" + std::to_string(splits) + ", " +
          std::to_string(dim) + ", " + width + ">(" + factors + " + " + head + " * " + std::to_string(splits) + ", " +
          parts + " + static_cast<i64>(" + head + ") * " + std::to_string(splits * (dim + 2) * 4) + " + " + within +
          " * 4);");
  Elements result;
  for (int64_t i = 0; i < count; ++i)
    result.push_back(merged + ".v[" + std::to_string(i) + "]");
  return result;
}

} // namespace llmc
