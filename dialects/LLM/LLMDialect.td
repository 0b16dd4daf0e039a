// The llm dialect itself and the base class of its operations.
#ifndef LLMC_DIALECTS_LLM_LLMDIALECT_TD
#define LLMC_DIALECTS_LLM_LLMDIALECT_TD

include "mlir/IR/OpBase.td"

def LLM_Dialect : Dialect {
  let name = "llm";
  let cppNamespace = "::llmc::llm";
  let summary = "what a language model computes in one step";
  let description = [{
    Value semantics over activations `tensor<?xNxf32, #llm.dims<[T, N]>>`. Two dimensions are dynamic: T (tokens in this
    step) and S (rows whose logits are wanted). Sequences exist only inside `!llm.batch`, weights only as references.
    The cache is a handle with declared effects. Formulas are those of dialects/Reference, which can run every op.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();
  }];
}

// Of ops that compute each element of the result from the elements at its place: passes take them into the kernel that makes
// their operand, whichever they are.
def LLM_Elementwise : NativeOpTrait<"Elementwise"> {
  let cppNamespace = "::llmc::llm";
}

class LLM_Op<string mnemonic, list<Trait> traits = []> : Op<LLM_Dialect, mnemonic, traits>;

// Ops whose operand and result types differ print all of them; ops over one type print it once.
class LLM_TypedOp<string mnemonic, list<Trait> traits = []> : LLM_Op<mnemonic, traits> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

#endif // LLMC_DIALECTS_LLM_LLMDIALECT_TD
