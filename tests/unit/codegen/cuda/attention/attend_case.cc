// Prints the kernel's text.
#include "tests/unit/codegen/cuda/attention/attend_case.h"

#include <cmath>
#include <sstream>

namespace llmc {

std::string AttendCase::text() const {
  const int64_t width = heads * dim;
  std::ostringstream out;
  out << "!q = tensor<?x" << width << "xf32, #llm.dims<[T, " << width << "]>>\n"
      << "!r = tensor<?x" << columns() << "xf32, #llm.dims<[T, " << columns() << "]>>\n"
      << "!h = tensor<?x" << columns() << "xbf16, #llm.dims<[T, " << columns() << "]>>\n"
      << "!kv = !llm.kv<layers = 2, heads = " << kvHeads << ", dim = " << dim << ", page = 16, kind = " << kind << ">\n"
      << "kern.func @attend(%q: !q, %kv: !kv, %b: !llm.batch) -> " << (splits ? "!r" : "!h")
      << " attributes {hero = \"attend\"} {\n"
      << "  %r = llm.attend" << (splits ? "_partial" : "") << " %q, %kv, %b {layer = 0, heads = " << heads
      << ", scale = " << std::scientific << 1 / std::sqrt(static_cast<double>(dim)) << ", window = " << window
      << ", softcap = " << softcap;
  if (splits)
    out << ", splits = " << splits << "} : (!q, !kv, !llm.batch) -> !r\n  kern.yield %r : !r\n}\n";
  else
    out << "} : (!q, !kv, !llm.batch) -> !r\n  %h = llm.cast %r : (!r) -> !h\n  kern.yield %h : !h\n}\n";
  return out.str();
}

} // namespace llmc
