// The list of families.
#include "compiler/models/Family.h"

namespace llmc {

const Family *findFamily(llvm::StringRef name) {
  for (const Family *family : {&kLlama, &kMistral, &kQwen2, &kQwen3})
    if (family->name == name)
      return family;
  return nullptr;
}

} // namespace llmc
