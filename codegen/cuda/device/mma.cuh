// Tensor core products of one warp, and what brings their operands from shared memory.
#pragma once

/// bf16 pairs that a lane feeds to mma.m16n8k16 as operand A: 16 rows, one step of 16 columns.
struct Fragment {
  u32 pair[4];
};

/// d += a * b for 16 rows, 8 tokens, 16 columns: lane 4g + t has (row g, tokens 2t, 2t+1) and (row g+8, the same) in d.
DEVICE void mmaAdd(float (&d)[4], const Fragment &a, u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a.pair[0]), "r"(a.pair[1]), "r"(a.pair[2]), "r"(a.pair[3]), "r"(b0), "r"(b1));
}
/// d = a * b
DEVICE void mmaSet(float (&d)[4], const Fragment &a, u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%10, %10, %10, %10};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a.pair[0]), "r"(a.pair[1]), "r"(a.pair[2]), "r"(a.pair[3]), "r"(b0), "r"(b1), "f"(0.0f));
}

/// Four 8 x 8 matrices of 16-bit numbers; lane 8i + r gives the shared address of row r of matrix i, 16 bytes.
DEVICE void loadMatrices(u32 (&r)[4], const u8 *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(sharedAddress(row))
               : "memory");
}

/// Starts to copy the first `bytes` (0 to 16) of 16 bytes from global to shared memory; the rest becomes zero.
DEVICE void copyAsyncPart(void *to, const void *from, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sharedAddress(to)), "l"(from), "r"(bytes)
               : "memory");
}

/// a * b + c for two bf16.
DEVICE u32 fmaBf16(u32 a, u32 b, u32 c) {
  u32 d;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
