// The table of functions that translated kernels call, each forwarding to the block that the thread belongs to.
#include <cstdio>

#include "tests/emulator/block.h"

namespace llmc::emu {
namespace {

Fibre& fibre(Thread* thread) { return *static_cast<Fibre*>(thread); }
Block& block(Thread* thread) { return *fibre(thread).owner; }

[[noreturn]] void fault(Thread* self, const char* what, u64 address, u32 line) {
  char hex[32];
  std::snprintf(hex, sizeof hex, " 0x%llx", address);
  block(self).fault(fibre(self), std::string(what) + (address ? hex : ""), line);
}
[[noreturn]] void leave(Thread* self) { block(self).exit(fibre(self)); }
void access(Thread* self, const void* memory, u32 bytes, Access kind, u32 line) {
  block(self).access(fibre(self), memory, bytes, kind, line);
}
u32 warp(Thread* self, WarpOp op, u32 mask, u32 a, u32 b, u32 c, u32 line) {
  WarpRequest request;
  request.op = op;
  request.mask = mask;
  request.a = a;
  request.b = b;
  request.c = c;
  request.line = line;
  return block(self).warp(fibre(self), request);
}

/// ldmatrix and stmatrix: the lanes that give row addresses are checked here, before they meet.
void matrix(Thread* self, WarpOp op, u32* result, const u32* values, u32 count, bool transpose, u32 address, u32 line) {
  WarpRequest request;
  request.op = op;
  request.mask = ~0u;
  request.a = address;
  request.b = count;
  request.c = transpose;
  request.line = line;
  request.out = result;
  request.first = values;
  if (self->lane < count * 8) {
    if (address % 16) block(self).fault(fibre(self), "a matrix row at a misaligned address", line);
    const u8* row = block(self).sharedAt(fibre(self), address, 16, line);
    block(self).access(fibre(self), row, 16, result ? Access::kRead : Access::kWrite, line);
  }
  block(self).warp(fibre(self), request);
}
void loadMatrix(Thread* self, u32* result, u32 count, bool transpose, u32 address, u32 line) {
  matrix(self, WarpOp::kLoadMatrix, result, nullptr, count, transpose, address, line);
}
void storeMatrix(Thread* self, const u32* values, u32 count, bool transpose, u32 address, u32 line) {
  matrix(self, WarpOp::kStoreMatrix, nullptr, values, count, transpose, address, line);
}
void mma(Thread* self, const MmaShape* shape, u32* d, const u32* a, const u32* b, const u32* c, u32 line) {
  WarpRequest request;
  request.op = WarpOp::kMma;
  request.mask = ~0u;
  request.line = line;
  request.shape = shape;
  request.out = d;
  request.first = a;
  request.second = b;
  request.third = c;
  block(self).warp(fibre(self), request);
}

}  // namespace

const Services& services() {
  static const Services kServices = {
      .fault = fault,
      .access = access,
      .pause = [](Thread* t) { block(t).pause(fibre(t)); },
      .exit = leave,
      .active = [](Thread* t) { return block(t).activeLanes(fibre(t)); },
      .warp = warp,
      .loadMatrix = loadMatrix,
      .storeMatrix = storeMatrix,
      .mma = mma,
      .barrier = [](Thread* t, BarrierKind kind, u32 id, u32 count, u32 predicate,
                    u32 line) { return block(t).barrier(fibre(t), kind, id, count, predicate, line); },
      .copyAsync = [](Thread* t, u32 to, u64 from, u32 bytes, u32 sourceBytes,
                      u32 line) { block(t).copyAsync(fibre(t), {to, from, bytes, sourceBytes, line}); },
      .copyCommit = [](Thread* t) { block(t).copyCommit(fibre(t)); },
      .copyWait = [](Thread* t, u32 pending) { block(t).copyWait(fibre(t), pending); },
      .copyArrive = [](Thread* t, u32 barrier, bool increment,
                       u32 line) { block(t).copyArrive(fibre(t), barrier, increment, line); },
      .mbarrierInit = [](Thread* t, u32 barrier, u32 count,
                         u32 line) { block(t).mbarrierInit(fibre(t), barrier, count, line); },
      .mbarrierArrive = [](Thread* t, u32 barrier, u32 count, u32 transactions,
                           u32 line) { return block(t).mbarrierArrive(fibre(t), barrier, count, transactions, line); },
      .mbarrierExpect = [](Thread* t, u32 barrier, u32 transactions,
                           u32 line) { block(t).mbarrierExpect(fibre(t), barrier, transactions, line); },
      .mbarrierWait = [](Thread* t, u32 barrier, u32 phase, bool mayBlock,
                         u32 line) { return block(t).mbarrierWait(fibre(t), barrier, phase, mayBlock, line); },
      .clusterAddress = [](Thread* t, u32 address, u32 rank,
                           u32 line) { return block(t).clusterAddress(fibre(t), address, rank, line); },
      .clusterArrive = [](Thread* t, u32 barrier, u32 count, u32 transactions,
                          u32 line) { return block(t).clusterArrive(fibre(t), barrier, count, transactions, line); },
      .clusterBarrier = [](Thread* t, bool wait, bool orders,
                           u32 line) { block(t).clusterBarrier(fibre(t), wait, orders, line); },
      .bulkMulticast = [](Thread* t, u32 to, u64 from, u32 bytes, u32 barrier, u32 blocks,
                          u32 line) { block(t).bulkMulticast(fibre(t), to, from, bytes, barrier, blocks, line); },
      .proxyFence = [](Thread* t) { block(t).proxyFence(fibre(t)); },
      .bulkTensor = [](Thread* t, u32 to, u64 map, const s32* x, u32 rank, u32 barrier,
                       u32 line) { block(t).bulkTensor(fibre(t), to, map, x, rank, barrier, line); },
      .bulkCopy = [](Thread* t, u32 to, u64 from, u32 bytes, u32 barrier,
                     u32 line) { block(t).bulkCopy(fibre(t), to, from, bytes, barrier, line); },
      .wgmma = [](Thread* t, const WgmmaShape* shape, u32* const* d, u32* const* a, u64 da, u64 db, u32 scale,
                  u32 line) { block(t).wgmma(fibre(t), shape, d, a, da, db, scale, line); },
      .wgmmaCommit = [](Thread* t, u32 line) { block(t).wgmmaCommit(fibre(t), line); },
      .wgmmaWait = [](Thread* t, u32 pending, u32 line) { block(t).wgmmaWait(fibre(t), pending, line); },
      .wgmmaSums = [](Thread* t, const u32* lines, u32 count,
                      u32 line) { block(t).wgmmaSums(fibre(t), lines, count, line); },
  };
  return kServices;
}

}  // namespace llmc::emu
