// Activation functions, written as quotients of exponentials so that they saturate without overflow.
#pragma once

/// x / (1 + exp(-z))
DEVICE float timesSigmoid(float x, float z) { return x / (1.0f + expf(-z)); }
DEVICE float silu(float x) { return timesSigmoid(x, x); }
/// x/2 (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3)
DEVICE float geluTanh(float x) {
  constexpr float kSlope = 1.5957691216057308f, kCubic = 0.07135481627159914f;
  return timesSigmoid(x, x * fmaf(x * x, kCubic, kSlope));
}
/// max(x, 0); a NaN stays one.
DEVICE float relu(float x) { return 0.0f > x ? 0.0f : x; }
/// tanh(x) = 1 - 2 / (exp(2x) + 1); absolute error about 1e-7.
DEVICE float tanhOf(float x) { return 1.0f - 2.0f / (expf(x + x) + 1.0f); }
/// 1 / sqrt(sum / count + eps), `inverseCount` = 1 / count.
DEVICE float inverseRoot(float sum, float inverseCount, float eps) { return 1.0f / sqrtf(fmaf(sum, inverseCount, eps)); }
