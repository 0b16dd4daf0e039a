// Copies by the copy engine of sm_90 and later, and the barriers in shared memory that say when they have arrived.
#pragma once

/// A barrier in shared memory (8 bytes, aligned) for `arrivals` a phase. One thread initializes it; all may use it after
/// showBarriers() in that thread and a barrier of the block.
DEVICE void initBarrier(u32 barrier, u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
/// Makes initialized barriers known to the copy engine.
DEVICE void showBarriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
/// What this thread has written to shared memory, and knows to be written, may be read by tensor cores and copy engine
/// once others know that the thread has passed here.
DEVICE void showToAsyncProxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

DEVICE void arrive(u32 barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
/// Arrives if `yes`, without a branch: ptxas must not see one between stages of products.
DEVICE void arriveIf(bool yes, u32 barrier) {
  asm volatile("{\n\t.reg .pred yes;\n\tsetp.ne.u32 yes, %0, 0;\n\t@yes mbarrier.arrive.shared::cta.b64 _, [%1];\n\t}" ::"r"(
                   static_cast<u32>(yes)),
               "r"(barrier)
               : "memory");
}
/// Arrives, and `bytes` more of copies belong to the phase: it ends when they have arrived, too.
DEVICE void arriveExpecting(u32 barrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
/// Waits, in one statement with its own loop (see arriveIf), until the phase of this parity has ended; phases count from 0, and the one before the first has ended.
DEVICE void waitPhase(u32 barrier, u32 parity) {
  asm volatile("{\n\t.reg .pred ended;\nAGAIN:\n\tmbarrier.try_wait.parity.shared::cta.b64 ended, [%0], %1;\n\t"
               "@!ended bra AGAIN;\n\t}" ::"r"(barrier),
               "r"(parity)
               : "memory");
}
/// Starts to copy `bytes` (a multiple of 16; both addresses aligned so) from global to shared memory: counted by the
/// barrier's phase.
DEVICE void copyBulk(u32 to, const u8 *from, u32 bytes, u32 barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to),
               "l"(from), "r"(bytes), "r"(barrier)
               : "memory");
}

/// Waits for kThreads threads, whole warps, at the block's barrier `id` of 1 to 15.
template <int kThreads> DEVICE void meet(int id) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "n"(kThreads) : "memory");
}
/// The calling warpgroup gives registers back, or takes what others gave; a multiple of 8 a thread.
template <int kRegisters> DEVICE void keepRegisters() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters> DEVICE void takeRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

/// A slot of a ring and the parity of its phases, step by step.
template <int kSlots> struct RingPlace {
  int slot = 0;
  u32 parity = 0;
  __device__ __forceinline__ void next() {
    if (++slot == kSlots)
      slot = 0, parity ^= 1;
  }
};
