// What the linked copy of hwloc gets in place of the host's loader and udev (CMakeLists.txt renames its calls): no
// plugins, which would bring displays, OpenCL and PCI, and no names of disks. Neither is about cores or memory nodes.

extern "C" {
void* llmcHwlocDlopen(const char*, int) { return nullptr; }
void* llmcHwlocDlsym(void*, const char*) { return nullptr; }
int llmcHwlocDlclose(void*) { return 0; }
const char* llmcHwlocDlerror() { return "this program loads no plugins"; }
void* llmcHwlocUdevNew() { return nullptr; }
void* llmcHwlocUdevUnref(void*) { return nullptr; }
void* llmcHwlocUdevDevice(void*, const char*, const char*) { return nullptr; }
void* llmcHwlocUdevDeviceUnref(void*) { return nullptr; }
const char* llmcHwlocUdevProperty(void*, const char*) { return nullptr; }
}
