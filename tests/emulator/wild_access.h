// Accesses to memory that is not there: a kernel's become a fault of its block, others go on to whoever handled them.
#pragma once

namespace llmc::emu {

class Block;

/// Installs the process's handler once.
void catchWildAccesses();
/// The block that runs on this OS thread, for the handler; null between blocks.
void setRunningBlock(Block* block);

}  // namespace llmc::emu
