// A library with NVRTC's entry points that says of which version it is, and compiles nothing.
extern "C" {
int nvrtcVersion(int *major, int *minor) {
  *major = 13;
  *minor = FAKE_NVRTC_MINOR;
  return 0;
}
#define FAKE(name)                                                                                                     \
  int name(void) { return 1; }
FAKE(nvrtcCreateProgram)
FAKE(nvrtcCompileProgram)
FAKE(nvrtcDestroyProgram)
FAKE(nvrtcGetProgramLogSize)
FAKE(nvrtcGetProgramLog)
FAKE(nvrtcGetCUBINSize)
FAKE(nvrtcGetCUBIN)
FAKE(nvrtcGetPTXSize)
FAKE(nvrtcGetPTX)
const char *nvrtcGetErrorString(int) { return "it is a fake"; }
}
