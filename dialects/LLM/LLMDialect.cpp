// Registers the attributes, types and operations of the llm dialect.
#include "dialects/LLM/LLMDialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include "dialects/LLM/LLMDialect.cpp.inc"
#include "dialects/LLM/LLMEnums.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/LLM/LLMOps.cpp.inc"

namespace llmc::llm {

void LLMDialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "dialects/LLM/LLMOps.cpp.inc"
      >();
}

}  // namespace llmc::llm
