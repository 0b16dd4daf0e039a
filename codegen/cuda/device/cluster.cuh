// Clusters (sm_90a): blocks that run at once and reach each other's shared memory.
#pragma once

/// Number of this block in its cluster.
DEVICE u32 clusterRank() {
  u32 rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}
/// All threads of the cluster's blocks meet; what each wrote before is there for all.
DEVICE void meetCluster() {
  asm volatile("barrier.cluster.arrive.release; barrier.cluster.wait.acquire;" ::: "memory");
}
/// Arrives, if `yes`, at the barrier that lies where `barrier` does in block `rank`, which must not have ended; without a
/// branch (see arriveIf).
DEVICE void arriveInBlockIf(bool yes, u32 barrier, u32 rank) {
  asm volatile("{\n\t.reg .pred yes;\n\t.reg .b32 there;\n\tsetp.ne.u32 yes, %0, 0;\n\t"
               "@yes mapa.shared::cluster.u32 there, %1, %2;\n\t"
               "@yes mbarrier.arrive.release.cluster.shared::cluster.b64 _, [there];\n\t}" ::"r"(static_cast<u32>(yes)),
               "r"(barrier), "r"(rank)
               : "memory");
}
/// waitPhase() for a barrier that threads of other blocks arrive at, too.
DEVICE void waitPhaseOfCluster(u32 barrier, u32 parity) {
  asm volatile("{\n\t.reg .pred ended;\nAGAIN:\n\tmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 ended, [%0], %1;\n\t"
               "@!ended bra AGAIN;\n\t}" ::"r"(barrier),
               "r"(parity)
               : "memory");
}
/// copyBulk() to the same place in every block of the mask: each is told by its own barrier at `barrier`'s place.
DEVICE void copyBulkToBlocks(u32 to, const u8 *from, u32 bytes, u32 barrier, u16 blocks) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1], %2, [%3], "
               "%4;" ::"r"(to),
               "l"(from), "r"(bytes), "r"(barrier), "h"(blocks)
               : "memory");
}
