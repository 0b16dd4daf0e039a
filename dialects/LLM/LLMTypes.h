// Short forms for the types of the llm dialect: build an activation type, ask for its rows and columns.
#pragma once

#include "dialects/LLM/LLMDialect.h"

namespace llmc::llm {

/// `tensor<?x cols x elem, #llm.dims<[rows, cols]>>`; rows T or S is dynamic, a number is static. elem: f32 when null.
::mlir::RankedTensorType activationType(::mlir::MLIRContext* ctx, Dim rows, int64_t cols, ::mlir::Type elem = {});

/// The #llm.dims of a tensor, or null.
DimsAttr dimsOf(::mlir::Type type);
/// Rows of an activation or a qact. Requires: one of those.
Dim rowsDim(::mlir::Type type);
/// Columns of an activation or a qact. Requires: one of those, with two dimensions.
int64_t cols(::mlir::Type type);
/// The type with other columns, same rows and element type. Requires: an activation.
::mlir::RankedTensorType withCols(::mlir::Type type, int64_t cols);

/// "T", "S" or the number.
::std::string toString(Dim dim);
::mlir::ParseResult parseDim(::mlir::AsmParser& parser, Dim& dim);

}  // namespace llmc::llm
