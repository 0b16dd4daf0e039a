// Writes C++ text: indentation, braces, names that do not clash, comments that say which op a line comes from.
#pragma once

#include "mlir/IR/Operation.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"
#include <string>

namespace llmc {

/// One text, written from the top. Not thread-safe.
class SourceWriter {
public:
  /// Ends its braces when it goes out of scope.
  class [[nodiscard]] Scope {
  public:
    explicit Scope(SourceWriter &writer) : writer_(&writer) {}
    Scope(Scope &&other) noexcept : writer_(other.writer_) { other.writer_ = nullptr; }
    Scope(const Scope &) = delete;
    Scope &operator=(Scope &&) = delete;
    Scope &operator=(const Scope &) = delete;
    ~Scope() { end(); }
    /// Ends it now.
    void end() {
      if (writer_)
        writer_->close();
      writer_ = nullptr;
    }

  private:
    SourceWriter *writer_;
  };

  /// One line at the current indentation; an empty one is kept empty.
  void line(const llvm::Twine &text = "");
  /// "head {", then deeper until the Scope ends; an empty head opens a block.
  Scope scope(const llvm::Twine &head);
  /// "// text"
  void comment(const llvm::Twine &text);
  /// A comment that names `op` and where it comes from: "llm.rmsnorm, layers.0.attn_norm (model.mlir:12:8)".
  void origin(mlir::Operation *op);

  /// A name that nothing else has: `hint` and a number.
  std::string fresh(llvm::StringRef hint);
  /// "const TYPE NAME = VALUE;" with a fresh name, which is returned. A value that is a name or number is returned as
  /// is.
  std::string let(llvm::StringRef type, llvm::StringRef hint, const std::string &value);

  const std::string &text() const { return text_; }

private:
  void close();

  std::string text_;
  int depth_ = 0;
  llvm::StringMap<unsigned> names_;
};

/// "llm.rmsnorm, layers.0.attn_norm": the op, its place in the model (NameLoc) and in a file, as far as its location
/// has them, also within those of what was fused. A build has the places of the first layer alone; the kernel's head
/// names all of them.
std::string describeOrigin(mlir::Operation *op);

/// A float as a C++ literal that reads back to the same bits: "0x1.99999ap-4f".
std::string floatLiteral(double value);

} // namespace llmc
