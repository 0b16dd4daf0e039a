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
/// Two e4m3 in the halves of a word (bytes 0 and 1, or 2 and 3) as f16, less 2^8 times: exact, subnormals included.
DEVICE u32 e4m3AsF16(u32 word, int half) {
  const u32 bytes = half == 0 ? (word & 0xffu) << 8 | (word & 0xff00u) << 16 : (word & 0xff0000u) >> 8 | (word & 0xff000000u);
  return (bytes & 0x80008000u) | (bytes >> 1 & 0x3f803f80u);
}
DEVICE void mmaAddF16(float (&d)[4], const Fragment &a, u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a.pair[0]), "r"(a.pair[1]), "r"(a.pair[2]), "r"(a.pair[3]), "r"(b0), "r"(b1));
}
/// What sums of e4m3 products are multiplied with on this architecture: those made of f16 are 2^16 times too small.
#if __CUDA_ARCH__ >= 890
constexpr float kE4m3Products = 1.0f;
#else
constexpr float kE4m3Products = 65536.0f;
#endif
/// d += a * b for 16 rows, 8 tokens, 32 columns of e4m3. Before sm_89 as two products of f16: the columns that a lane
/// holds of a step may stand in any order that both operands have.
DEVICE void mmaAddE4m3(float (&d)[4], const Fragment &a, u32 b0, u32 b1) {
#if __CUDA_ARCH__ >= 890
  asm("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a.pair[0]), "r"(a.pair[1]), "r"(a.pair[2]), "r"(a.pair[3]), "r"(b0), "r"(b1));
#else
  const u32 b[2] = {b0, b1};
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const Fragment step = {{e4m3AsF16(a.pair[2 * i], 0), e4m3AsF16(a.pair[2 * i + 1], 0), e4m3AsF16(a.pair[2 * i], 1),
                            e4m3AsF16(a.pair[2 * i + 1], 1)}};
    mmaAddF16(d, step, e4m3AsF16(b[i], 0), e4m3AsF16(b[i], 1));
  }
#endif
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
