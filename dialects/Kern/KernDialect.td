// The kern dialect, its configuration attribute and the base class of its operations.
#ifndef LLMC_DIALECTS_KERN_KERNDIALECT_TD
#define LLMC_DIALECTS_KERN_KERNDIALECT_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpBase.td"

def Kern_Dialect : Dialect {
  let name = "kern";
  let cppNamespace = "::llmc::kern";
  let summary = "which llm ops one kernel computes, and with what configuration";
  let description = [{
    A kernel is one hero op with what fused around it. Bodies hold llm ops only, so that the reference interpreter can run them and code
    generators print from them. No buffers, addresses or order between kernels: those belong to the plan dialect.
  }];
  let useDefaultAttributePrinterParser = 1;
}

class Kern_Op<string mnemonic, list<Trait> traits = []> : Op<Kern_Dialect, mnemonic, traits>;

def Kern_ConfigAttr : AttrDef<Kern_Dialect, "Config"> {
  let mnemonic = "config";
  let summary = "one compiled variant of a kernel";
  let description = [{
    `#kern.config<m_max = 4, params = {rows_per_step = 4 : i64}>`: the variant serves at most m_max rows at once (0: any number); params are
    the numbers its kernel family understands. C1: m_max is 0, 1, 4, 8, 16, 32 or 64.
  }];
  let parameters = (ins "int64_t":$m_max, "::mlir::DictionaryAttr":$params);
  let builders = [AttrBuilder<(ins "int64_t":$m_max), [{ return $_get($_ctxt, m_max, ::mlir::DictionaryAttr::get($_ctxt)); }]>];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif // LLMC_DIALECTS_KERN_KERNDIALECT_TD
