// The text builder, and how locations and numbers are written.
#include "codegen/cuda/SourceWriter.h"

#include "mlir/IR/Location.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

namespace llmc {

void SourceWriter::line(const llvm::Twine &text) {
  std::string content = text.str();
  if (!content.empty())
    text_.append(2 * depth_, ' ');
  text_ += content;
  text_ += '\n';
}

SourceWriter::Scope SourceWriter::scope(const llvm::Twine &head) {
  line(head.isTriviallyEmpty() ? llvm::Twine("{") : head + " {");
  ++depth_;
  return Scope(*this);
}

void SourceWriter::close() {
  --depth_;
  line("}");
}

void SourceWriter::comment(const llvm::Twine &text) {
  // Names come from files: one that ends a line must not begin a statement.
  std::string content = text.str();
  for (char &c : content)
    if (!llvm::isPrint(c) || c == '\\')
      c = '?';
  line("// " + content);
}

void SourceWriter::origin(mlir::Operation *op) { comment(describeOrigin(op)); }

std::string SourceWriter::fresh(llvm::StringRef hint) { return hint.str() + "_" + llvm::utostr(names_[hint]++); }

std::string SourceWriter::let(llvm::StringRef type, llvm::StringRef hint, const std::string &value) {
  if (llvm::all_of(value, [](char c) { return llvm::isAlnum(c) || c == '_'; }))
    return value;
  std::string name = fresh(hint);
  line("const " + type + " " + name + " = " + value + ";");
  return name;
}

std::string describeOrigin(mlir::Operation *op) {
  // What was made of several ops carries the places of all: the first of each kind is the one that it goes by.
  mlir::NameLoc name;
  mlir::FileLineColLoc file;
  op->getLoc()->walk([&](mlir::Location location) {
    if (!name)
      name = llvm::dyn_cast<mlir::NameLoc>(location);
    if (!file)
      file = llvm::dyn_cast<mlir::FileLineColLoc>(location);
    return mlir::WalkResult::advance();
  });
  std::string text = op->getName().getStringRef().str();
  llvm::raw_string_ostream out(text);
  if (name)
    out << ", " << name.getName().getValue();
  // Without folders: the text should not depend on where a model lies.
  if (file)
    out << " (" << llvm::sys::path::filename(file.getFilename().getValue()) << ":" << file.getLine() << ":"
        << file.getColumn() << ")";
  return text;
}

std::string floatLiteral(double value) {
  const auto single = static_cast<float>(value);
  if (std::isnan(single))
    return "__int_as_float(0x7fc00000)";
  if (std::isinf(single))
    return single > 0 ? "__int_as_float(0x7f800000)" : "__int_as_float(0xff800000)";
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%a", static_cast<double>(single));
  return text + "f";
}

} // namespace llmc
