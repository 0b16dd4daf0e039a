// The innermost loop of a product's listing: what it has of the products, of other instructions, and of the stack; and
// what matmul_hot_loops.txt says that it has.
#pragma once

#include "codegen/registry/MatmulConfig.h"
#include <string>
#include <vector>

namespace llmc {

/// Lines that hold `text`.
long countOf(const std::vector<std::string> &lines, const std::string &text);

/// The innermost loop with the most of `product`: its instructions.
std::vector<std::string> hotLoop(const std::string &assembly, const std::string &product);

/// Instructions that name a vector register and the stack: spills, as kernels keep no vectors there on purpose.
int vectorStackReferences(const std::string &assembly);
int vectorStackReferences(const std::vector<std::string> &instructions);

struct HotLoop {
  std::string product; ///< "vpdpbusd"
  long products = 0, instructions = 0, stack = 0;
};

/// Of a variant that `config` wrote.
HotLoop countHotLoop(const Level &level, const MatmulShape &shape, const MatmulConfig &config,
                     const std::string &assembly);

/// "q8_n16_k4_int8_x86_64_v3_m1: 16 vpmaddubsw, 128 instructions, 0 on the stack": a line of matmul_hot_loops.txt. With
/// one row also how many instructions a line of 64 bytes of weights takes.
std::string hotLoopLine(const std::string &name, const Level &level, const MatmulShape &shape, const HotLoop &loop);

/// The line of `name` in matmul_hot_loops.txt, read back; no products: there is none.
HotLoop recordedHotLoop(const std::string &name);

} // namespace llmc
