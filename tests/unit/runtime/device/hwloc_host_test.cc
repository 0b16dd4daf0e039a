// The stand-ins that the linked hwloc calls: there is no loader and no udev, and it is told so in the way it asks.
#include <gtest/gtest.h>

#include <dlfcn.h>

#include <cstring>

extern "C" {
void* llmcHwlocDlopen(const char* path, int flags);
void* llmcHwlocDlsym(void* library, const char* name);
int llmcHwlocDlclose(void* library);
const char* llmcHwlocDlerror();
void* llmcHwlocUdevNew();
void* llmcHwlocUdevDevice(void* udev, const char* subsystem, const char* name);
}

namespace llmc::rt {
namespace {

TEST(HwlocHost, NoLibraryOpensNotEvenOneThatIsThere) {
  void* real = ::dlopen("libc.so.6", RTLD_NOW);
  ASSERT_NE(real, nullptr);
  ::dlclose(real);
  EXPECT_EQ(llmcHwlocDlopen("libc.so.6", RTLD_NOW), nullptr);
  EXPECT_EQ(llmcHwlocDlsym(nullptr, "malloc"), nullptr);
  EXPECT_EQ(llmcHwlocDlclose(nullptr), 0);
  EXPECT_GT(std::strlen(llmcHwlocDlerror()), 0u);
}

TEST(HwlocHost, NoUdevHasNoDevices) {
  EXPECT_EQ(llmcHwlocUdevNew(), nullptr);
  EXPECT_EQ(llmcHwlocUdevDevice(nullptr, "block", "sda"), nullptr);
}

}  // namespace
}  // namespace llmc::rt
