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
    const Fragment step = {{E4m3::asF16(a.pair[2 * i], 0), E4m3::asF16(a.pair[2 * i + 1], 0), E4m3::asF16(a.pair[2 * i], 1),
                            E4m3::asF16(a.pair[2 * i + 1], 1)}};
    mmaAddF16(d, step, E4m3::asF16(b[i], 0), E4m3::asF16(b[i], 1));
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

/// a * b + c for two bf16.
DEVICE u32 fmaBf16(u32 a, u32 b, u32 c) {
  u32 d;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
