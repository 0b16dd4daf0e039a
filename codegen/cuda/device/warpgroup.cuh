// Products of whole warpgroups (wgmma): fragments in registers times tiles in shared memory.
#pragma once

/// d += a * b for 64 rows, 128 tokens, 16 columns of bf16 or 32 of e4m3; each warp of the warpgroup has 16 rows, as in
/// mma.sync. b: a tile of x in shared memory, 128 bytes a token, swizzled. Runs on its own until waitProducts().
template <bool kE4m3> DEVICE void multiplyWarpgroup(float (*d)[4], const Fragment &a, u64 b) {
#define LLMC_TILE(i) "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3])
#define LLMC_SUMS                                                                                                      \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                                            \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "                                   \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "                                   \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, {%64, %65, %66, %67}, %68, "
#define LLMC_OPERANDS                                                                                                  \
  : LLMC_TILE(0), LLMC_TILE(1), LLMC_TILE(2), LLMC_TILE(3), LLMC_TILE(4), LLMC_TILE(5), LLMC_TILE(6), LLMC_TILE(7),     \
    LLMC_TILE(8), LLMC_TILE(9), LLMC_TILE(10), LLMC_TILE(11), LLMC_TILE(12), LLMC_TILE(13), LLMC_TILE(14),             \
    LLMC_TILE(15)                                                                                                      \
  : "r"(a.pair[0]), "r"(a.pair[1]), "r"(a.pair[2]), "r"(a.pair[3]), "l"(b)                                             \
  : "memory"
  if constexpr (kE4m3)
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k32.f32.e4m3.e4m3 " LLMC_SUMS "1, 1, 1;" LLMC_OPERANDS);
  else
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " LLMC_SUMS "1, 1, 1, 0;" LLMC_OPERANDS);
#undef LLMC_OPERANDS
#undef LLMC_SUMS
#undef LLMC_TILE
}
DEVICE void beginProducts() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void commitProducts() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Waits until at most N committed groups of products are under way.
template <int N> DEVICE void waitProducts() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory"); }

/// Describes a tile of x to the tensor cores: rows of 128 bytes, groups of 8 rows 1024 bytes apart, 128-byte swizzle.
DEVICE u64 describeTile(const u8 *tile) {
  return static_cast<u64>(sharedAddress(tile) >> 4 & 0x3fffu) | 1ull << 16 | 64ull << 32 | 1ull << 62;
}
