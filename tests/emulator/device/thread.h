// What a translated kernel and the emulator agree on: the state of one emulated thread and the services it calls.
// Translated kernels include this file, so it includes nothing.
#pragma once

namespace llmc::emu {

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using s8 = signed char;
using s16 = short;
using s32 = int;
using s64 = long long;

/// Shared memory starts here in the shared window, so that address 0 is never valid.
constexpr u32 kSharedBase = 1024;

/// Operations that the lanes of a warp do together; the last lane to arrive computes for all.
enum class WarpOp : u32 {
  kSync,
  kShuffleIdx,
  kShuffleUp,
  kShuffleDown,
  kShuffleButterfly,
  kVoteAll,
  kVoteAny,
  kVoteUniform,
  kBallot,
  kMatchAny,
  kMatchAll,
  kElect,
  kAdd,
  kMinSigned,
  kMaxSigned,
  kMinUnsigned,
  kMaxUnsigned,
  kAnd,
  kOr,
  kXor,
  kMinFloat,
  kMaxFloat,
  kLoadMatrix,
  kStoreMatrix,
  kMma,
};

enum class BarrierKind : u32 { kSync, kArrive, kAnd, kOr, kCount };

/// Element types of tensor-core operands.
enum class Element : u32 { kF16, kBf16, kTf32, kF32, kS8, kU8, kS32, kE4m3, kE5m2, kS4, kU4 };

/// mma.sync: D[m,n] = A[m,k] * B[k,n] + C[m,n].
struct MmaShape {
  u32 m, n, k;
  Element d, a, b, c;
};

/// wgmma.mma_async: the operands' transposition and signs besides the shape.
struct WgmmaShape {
  u32 n, k;
  Element d, a, b;
  int scaleA, scaleB;
  bool transposeA, transposeB, registersA;
};

/// A thread that branches so often runs forever: kernels of the tests branch some thousand times.
constexpr u32 kMostJumps = 1u << 21;

/// Kinds of access that the checked build reports.
enum class Access : u32 { kRead, kWrite, kAtomic };

struct Thread;

/// Filled by the emulator; a translated kernel calls through it and needs no symbol of the host program.
struct Services {
  void (*fault)(Thread*, const char* what, u64 address, u32 line);  ///< never returns
  void (*access)(Thread*, const void* memory, u32 bytes, Access kind, u32 line);
  void (*pause)(Thread*);
  void (*exit)(Thread*);  ///< never returns
  u32 (*active)(Thread*);
  u32 (*warp)(Thread*, WarpOp op, u32 mask, u32 a, u32 b, u32 c, u32 line);
  void (*loadMatrix)(Thread*, u32* result, u32 count, bool transpose, u32 address, u32 line);
  void (*storeMatrix)(Thread*, const u32* values, u32 count, bool transpose, u32 address, u32 line);
  void (*mma)(Thread*, const MmaShape*, u32* d, const u32* a, const u32* b, const u32* c, u32 line);
  u32 (*barrier)(Thread*, BarrierKind kind, u32 id, u32 count, u32 predicate, u32 line);
  void (*copyAsync)(Thread*, u32 destination, u64 source, u32 bytes, u32 sourceBytes, u32 line);
  void (*copyCommit)(Thread*);
  void (*copyWait)(Thread*, u32 pendingGroups);
  void (*copyArrive)(Thread*, u32 barrier, bool increment, u32 line);
  void (*mbarrierInit)(Thread*, u32 barrier, u32 count, u32 line);
  u64 (*mbarrierArrive)(Thread*, u32 barrier, u32 count, u32 transactions, u32 line);
  void (*mbarrierExpect)(Thread*, u32 barrier, u32 transactions, u32 line);
  u32 (*mbarrierWait)(Thread*, u32 barrier, u32 phase, bool mayBlock, u32 line);
  u32 (*clusterAddress)(Thread*, u32 address, u32 rank, u32 line);
  u64 (*clusterArrive)(Thread*, u32 barrier, u32 count, u32 transactions, u32 line);
  void (*clusterBarrier)(Thread*, bool wait, bool orders, u32 line);
  void (*bulkMulticast)(Thread*, u32 destination, u64 source, u32 bytes, u32 barrier, u32 blocks, u32 line);
  void (*proxyFence)(Thread*);
  void (*bulkTensor)(Thread*, u32 destination, u64 map, const s32* coordinates, u32 rank, u32 barrier, u32 line);
  void (*bulkCopy)(Thread*, u32 destination, u64 source, u32 bytes, u32 barrier, u32 line);
  void (*wgmma)(Thread*, const WgmmaShape*, u32* const* d, u32* const* a, u64 descriptorA, u64 descriptorB, u32 scaleD,
                u32 line);
  void (*wgmmaCommit)(Thread*, u32 line);
  void (*wgmmaWait)(Thread*, u32 pendingGroups, u32 line);
  /// A register is used in which the products at `lines` leave their sums; in the checked build.
  void (*wgmmaSums)(Thread*, const u32* lines, u32 count, u32 line);
};

/// One emulated CUDA thread, as its kernel sees it.
struct Thread {
  const Services* services = nullptr;
  u8* shared = nullptr;  ///< host address of address 0 of the shared window
  u32 sharedEnd = 0;     ///< first shared address behind the launch's memory
  const u8* params = nullptr;
  u8* globals = nullptr;  ///< variables of the module
  u32 tid[3] = {};
  u32 ctaid[3] = {};
  u32 ntid[3] = {};
  u32 nctaid[3] = {};
  u32 linear = 0, lane = 0, warp = 0;    ///< in its block; the warp: of all blocks of the cluster
  u32 index = 0;                         ///< of all threads of the cluster
  u32 clusterRank = 0, clusterSize = 1;  ///< of its block; blocks, neighbours in x
  u32 dynamicShared = 0;
  u64 instructions = 0;  ///< executed; counted in the checked build
  u32 jumps = 0;
  bool early = false;  ///< the kernel before may still run: the thread has not waited for it
  u32 predicate = 0;   ///< second result of the last warp operation
  u32 variant = 0;     ///< LaunchChecks::variant
};

}  // namespace llmc::emu
