// Kernels that start while the one before them in the stream still runs (sm_90 and later).
#pragma once

/// Lets the next kernel's blocks take their places as this one's leave them: called by all blocks at their start.
DEVICE void startNext() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
/// Waits until the kernel before has ended and all that it wrote is there. By every thread of every block, and before
/// it nothing but weights may be touched: then a kernel has ended only after all before it.
DEVICE void waitForPrevious() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
