// Without @forward there is nothing to split.
// RUN: llmc-opt %s -verify-diagnostics --llm-split-programs

// expected-error @+1 {{expected a function @forward, found none}}
module {
  func.func @other() {
    return
  }
}
