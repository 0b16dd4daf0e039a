// Folders and canonical forms of the llm dialect: what is equal for every input.
#include "dialects/LLM/LLMTypes.h"

namespace llmc::llm {
using namespace mlir;

/// slice of the whole -> its input.
OpFoldResult SliceOp::fold(FoldAdaptor) {
  if (getX().getType() == getType()) return getX();
  return {};
}

/// slice(slice(x)) -> one slice.
LogicalResult SliceOp::canonicalize(SliceOp op, PatternRewriter& rewriter) {
  auto inner = op.getX().getDefiningOp<SliceOp>();
  if (!inner) return failure();
  rewriter.replaceOpWithNewOp<SliceOp>(op, inner.getX(), inner.getOffset() + op.getOffset(), op.getSize());
  return success();
}

/// scale by 1 -> its input.
OpFoldResult ScaleOp::fold(FoldAdaptor) {
  if (getFactor() == 1.0) return getX();
  return {};
}

/// scale(scale(x)) -> one scale; scale(embed) -> embed with that scale, when nothing else reads the embedding.
LogicalResult ScaleOp::canonicalize(ScaleOp op, PatternRewriter& rewriter) {
  if (auto inner = op.getX().getDefiningOp<ScaleOp>()) {
    rewriter.replaceOpWithNewOp<ScaleOp>(op, inner.getX(), inner.getFactor() * op.getFactor());
    return success();
  }
  auto embed = op.getX().getDefiningOp<EmbedOp>();
  if (!embed || !embed->hasOneUse()) return failure();
  rewriter.replaceOpWithNewOp<EmbedOp>(op, op.getType(), embed.getBatch(), embed.getTable(),
                                       embed.getScale() * op.getFactor());
  return success();
}

/// relu(relu(x)) -> relu(x).
OpFoldResult ActOp::fold(FoldAdaptor) {
  auto inner = getX().getDefiningOp<ActOp>();
  if (getFn() == ActFn::Relu && inner && inner.getFn() == ActFn::Relu) return getX();
  return {};
}

/// cast to the same type -> its input.
OpFoldResult CastOp::fold(FoldAdaptor) {
  if (getX().getType() == getType()) return getX();
  return {};
}

}  // namespace llmc::llm
