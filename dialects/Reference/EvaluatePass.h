// The pass llm-evaluate: runs a function on seeded weights and a small batch and prints what comes out.
#pragma once

namespace llmc::reference {

/// Makes --llm-evaluate known to llmc-opt.
void registerEvaluatePass();

}  // namespace llmc::reference
