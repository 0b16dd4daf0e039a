// One emulated multiprocessor, or as many as a cluster has blocks: runs the blocks given to it one after another, those
// of a cluster at once, each CUDA thread on a fibre.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/emulator/checks.h"
#include "tests/emulator/device/thread.h"
#include "tests/emulator/fibre.h"
#include "tests/emulator/launch.h"

namespace llmc::emu {

/// A launch as every block sees it.
struct LaunchPlan {
  void (*body)(Thread*) = nullptr;
  std::string kernel;
  Dim3 grid, block;
  uint32_t cluster = 1;        ///< blocks of a cluster
  uint32_t dynamicShared = 0;  ///< shared address of the dynamic memory
  uint32_t sharedEnd = 0;
  const std::byte* params = nullptr;
  bool early = false;  ///< the kernel before it may still run
  u8* globalMemory = nullptr;
  MemoryMap globals;  ///< variables of the module, which lie there
  LaunchChecks checks;
};

enum class FibreState : uint8_t { kReady, kWarp, kBarrier, kMbarrier, kWarpgroup, kCluster, kDone };

struct CopyRequest {
  u32 destination;
  u64 source;
  u32 bytes, sourceBytes, line;
};

/// What a lane brought to a warp operation.
struct WarpRequest {
  WarpOp op = WarpOp::kSync;
  u32 mask = 0, a = 0, b = 0, c = 0, line = 0, result = 0;
  const MmaShape* shape = nullptr;
  u32* out = nullptr;
  const u32 *first = nullptr, *second = nullptr, *third = nullptr;
};

class Block;

/// Where a thread goes on whose kernel touched memory that is not there: arguments of llmcEmulatorSwitch.
struct WildAccess {
  void *stack, **save, *scheduler;
};

struct Fibre : Thread {
  Block* owner = nullptr;
  void* stackPointer = nullptr;
  FibreState state = FibreState::kDone;
  WarpRequest request;
  u32 barrier = 0, barrierLine = 0;  ///< id in the block, or place of the mbarrier waited for
  bool arrived = false;              ///< at the cluster's barrier, for which it has not waited yet
  u32 clusterPhase = 0;              ///< of that barrier
  u32 phase = 0;
  u32 barrierResult = 0;
  u32 spins = 0;
  std::vector<CopyRequest> copies;  ///< not yet landed, oldest first
  std::vector<uint32_t> groups;     ///< for each committed group how many of `copies` it ends at
};

class Block {
 public:
  Block();
  bool isOk() const { return stacks_.isOk() && shared_ != nullptr; }
  /// Runs one block, or a cluster of which it is the first, to the end; an empty string, or what went wrong first.
  std::string run(const LaunchPlan& plan, const Dim3& id);
  Counters& counters() { return checks_.counters(); }
  /// Forgets reports and counts of earlier launches.
  void clear() { checks_.clear(); }

  // What kernels call, through services().
  [[noreturn]] void fault(Fibre& self, const std::string& what, u32 line);
  void pause(Fibre& self);
  [[noreturn]] void exit(Fibre& self);
  void access(Fibre& self, const void* memory, u32 bytes, Access kind, u32 line) {
    if (std::string wild = checks_.access(self, memory, bytes, kind, line); !wild.empty()) fault(self, wild, line);
  }
  u32 warp(Fibre& self, const WarpRequest& request);
  u32 barrier(Fibre& self, BarrierKind kind, u32 id, u32 count, u32 predicate, u32 line);
  void copyAsync(Fibre& self, const CopyRequest& request);
  void copyCommit(Fibre& self);
  void copyWait(Fibre& self, u32 pendingGroups);
  void copyArrive(Fibre& self, u32 barrier, bool increment, u32 line);
  void mbarrierInit(Fibre& self, u32 barrier, u32 count, u32 line);
  u64 mbarrierArrive(Fibre& self, u32 barrier, u32 count, u32 transactions, u32 line);
  void mbarrierExpect(Fibre& self, u32 barrier, u32 transactions, u32 line);
  u32 mbarrierWait(Fibre& self, u32 barrier, u32 phase, bool mayBlock, u32 line);
  u32 clusterAddress(Fibre& self, u32 address, u32 rank, u32 line);
  u64 clusterArrive(Fibre& self, u32 barrier, u32 count, u32 transactions, u32 line);
  void clusterBarrier(Fibre& self, bool wait, bool orders, u32 line);
  void bulkMulticast(Fibre& self, u32 destination, u64 source, u32 bytes, u32 barrier, u32 blocks, u32 line);
  void proxyFence(Fibre& self) { checks_.proxyFence(self.index); }
  void bulkTensor(Fibre& self, u32 destination, u64 map, const s32* coordinates, u32 rank, u32 barrier, u32 line);
  void bulkCopy(Fibre& self, u32 destination, u64 source, u32 bytes, u32 barrier, u32 line);
  void wgmma(Fibre& self, const WgmmaShape* shape, u32* const* d, u32* const* a, u64 descriptorA, u64 descriptorB,
             u32 scaleD, u32 line);
  void wgmmaCommit(Fibre& self, u32 line);
  void wgmmaWait(Fibre& self, u32 pendingGroups, u32 line);
  void wgmmaSums(Fibre& self, const u32* lines, u32 count, u32 line);
  /// Called by the signal handler: notes the fault of the running fibre. False when no fibre runs.
  bool wildAccess(const void* address, WildAccess* landing);
  u32 activeLanes(const Fibre& self) const { return warps_[self.warp].live; }

  /// Host memory of a shared address; faults outside the launch's memory.
  u8* sharedAt(Fibre& self, u32 address, u32 bytes, u32 line);

 private:
  struct Warp {
    u32 live = 0, waiting = 0;
  };
  struct BarrierState {
    u32 arrived = 0, need = 0, count = 0;
    bool all = true, any = false;
  };
  /// One block of the cluster.
  struct Member {
    Dim3 id;
    u32 live = 0;
    BarrierState barriers[16];
  };
  /// Operand A in registers of 128 threads, with its values when the product was issued.
  struct Fragments {
    u32* registers[128][4];
    u32 values[128][4];
    u32 line;
  };
  struct WarpgroupMma {
    const WgmmaShape* shape;
    u32* const* d[128];
    Fragments fragments;
    u64 descriptorA, descriptorB;
    u32 scaleD, line;
  };
  /// An operand in shared memory of a product that nobody has waited for.
  struct WarpgroupRead {
    u64 descriptor;
    u32 rows, bytes, line;
  };
  /// How many of a warpgroup's reads, fragments and products a committed group ends at.
  struct WarpgroupGroup {
    size_t reads, fragments, products;
  };
  struct Warpgroup {
    u32 arrived = 0, kind = 0, line = 0;
    std::unique_ptr<WarpgroupMma> pending;
    std::vector<WarpgroupRead> reads;  ///< oldest first; in checked launches, as fragments
    std::vector<Fragments> fragments;
    std::vector<u32> products;           ///< lines of those that nobody has waited for; the same
    std::vector<WarpgroupGroup> groups;  ///< committed, oldest first
  };
  /// Work of the copy engines, done when no thread can run; destination and barrier are places.
  struct BulkRequest {
    u32 destination, barrier, bytes, line, thread, rank;
    u64 source;
    bool tensor;
    s32 coordinates[5];
  };

  static void main(void* fibre);
  void prepare(const Dim3& id);
  void schedule();
  void reportDeadlock();
  void switchAway(Fibre& self);
  void switchTo(void** save, Fibre* next);
  void wake(std::vector<Fibre*>& fibres);
  void finish(Fibre& self);
  void tryRelease(u32 rank, u32 id);
  void release(u32 rank, u32 id, BarrierState& state);
  void tryReleaseCluster();
  void prepareThread(u32 index);
  /// Where an address of a block's shared memory lies in the emulator's: the same number in the first block.
  u32 placeIn(u32 rank, u32 address) const { return rank * kSharedWindow + address; }
  u32 placeOf(const Fibre& self, u32 address) const { return placeIn(self.clusterRank, address); }
  u32 livingBlock(Fibre& self, u32 rank, u32 line);
  void checkConverged(u32 id, const std::vector<Fibre*>& fibres);
  bool warpComplete(u32 warp, u32 lane, u32* need) const;
  void completeWarp(u32 warp, u32 need, Fibre* self);
  void compute(Fibre* lanes, u32 mask, WarpOp op);
  void shuffle(Fibre* lanes, u32 mask, WarpOp op);
  void vote(Fibre* lanes, u32 mask, WarpOp op);
  void reduce(Fibre* lanes, u32 mask, WarpOp op);
  void matrixCopy(Fibre* lanes, WarpOp op);
  void mma(Fibre* lanes);
  void land(Fibre& self, const CopyRequest& request);
  void landBulk(const BulkRequest& request);
  /// `place`: of the barrier.
  void mbarrierUpdate(u32 place, s32 arrivals, s32 transactions, u32 line);
  bool warpgroupMeets(Fibre& self, u32 kind, u32 line);
  void warpgroupCompute(const Fibre& lane, WarpgroupMma& mma);
  void readOperand(const Fibre& lane, const WarpgroupRead& read);
  void checkFragments(Fibre& self, const Fragments& fragments, u32 line);
  const u8* descriptorAt(const Fibre& lane, u64 descriptor, u32 row, u32 byte, bool transpose, u32 line);
  /// `rank`: of the block that it is said of.
  void fail(const std::string& what, u32 line, u32 rank = 0);
  uint64_t random();

  static constexpr u32 kMaxBlocks = 8, kSharedWindow = 256u << 10;

  const LaunchPlan* plan_ = nullptr;
  FibreStacks stacks_;
  std::unique_ptr<u8, void (*)(void*)> shared_;
  std::vector<Fibre> fibres_;
  std::vector<Fibre*> ready_;  ///< the last one runs next
  std::vector<Warp> warps_;
  std::vector<Warpgroup> warpgroups_;
  std::vector<Member> members_;
  std::vector<BulkRequest> bulk_;
  Checks checks_;
  u32 threads_ = 0, blockThreads_ = 0,
      live_ = 0;                        ///< of the cluster, of a block of it, of the cluster that have not ended
  u32 arrived_ = 0, clusterPhase_ = 0;  ///< of live_, at the cluster's barrier
  void* schedulerStack_ = nullptr;
  Fibre* running_ = nullptr;  ///< null while the scheduler runs
  uint64_t random_ = 1;
  std::string failure_;
};

/// The table that translated kernels call through.
const Services& services();

}  // namespace llmc::emu
