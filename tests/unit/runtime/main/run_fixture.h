// llmc-run as a whole on an engine file whose kernels do nothing: all logits are zero, the likeliest token is token 0,
// "a".
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/unit/runtime/format/tiny_engine.h"

namespace llmc::rt::test {

/// A BPE without merges over 32 letters: "a".."z", "A".."F"; 1 ("b") is BOS, 2 ("c") and 31 ("F") end a text.
std::string letterTokenizer();

/// The tiny engine (of `plan`) with that tokenizer, golden tokens, and `extra` sections.
std::string letterEngine(const std::vector<TinyContent>& extra = {}, const fb::EngineT& plan = tinyPlan());

/// The same for both targets, the CPU's and CUDA's tiny plan.
std::string letterEngineOfBoth();

/// Calls runMain on an engine file and keeps what it wrote.
class Run : public ::testing::Test {
 protected:
  TemporaryFile engine_{letterEngine()};
  std::string out_, err_;

  /// Exit status of "llmc-run ENGINE args...".
  int run(std::vector<std::string> args);
  /// Path of a new file beside the engine.
  std::string file(const std::string& name, const std::string& text) const;

  struct Refusal {
    std::vector<std::string> args;
    int status;
    std::string code;
  };
  /// Each must end with its status and code and print nothing to stdout.
  void expectRefusals(const std::vector<Refusal>& refusals);
};

}  // namespace llmc::rt::test
