// NVIDIA's runtime compiler, loaded when it is needed: kernel text in, cubin and PTX out, without a GPU or driver.
#pragma once

#include "codegen/cuda/Arch.h"
#include "codegen/cuda/KernelText.h"
#include "runtime/base/status.h"
#include <memory>
#include <string>

namespace llmc {

/// What NVRTC made of one kernel, and what the cubin says about it.
struct CompiledText {
  std::string cubin, ptx;
  int64_t registers = 0;      ///< a thread
  int64_t spillBytes = 0;     ///< stack frame of a thread: spilled registers and arrays that are indexed
  int64_t sharedBytes = 0;    ///< static shared memory of a block
  int64_t parameterBytes = 0; ///< of the kernel's arguments
  int64_t cluster = 1;        ///< blocks of a cluster
};

/// The compiler library. Thread-safe: compile() may run on any number of threads at once. Same text, same bytes.
class Nvrtc {
public:
  /// Loads the library once a process: $LLMC_NVRTC (file or folder), the loader's own path, /usr/local/cuda/lib64,
  /// site-packages of $VIRTUAL_ENV and of ./.venv. Error CU_NVRTC_MISSING names the places and the pip command; another
  /// release than 13.0 is one, too, since older drivers do not take what later ones make.
  static rt::Result<const Nvrtc *> load();
  /// Searches and loads again, without the process-wide instance; loadFrom: from one place (file or folder).
  static rt::Result<std::unique_ptr<Nvrtc>> find();
  static rt::Result<std::unique_ptr<Nvrtc>> loadFrom(const std::string &path);
  ~Nvrtc();

  /// "13.0": part of what identifies an engine's code.
  const std::string &version() const;
  /// What keeps two patch releases apart in the cache, as the library names none: version and the bytes of its file.
  const std::string &identity() const;

  /// Compiles the device library and `kernel`. Results are kept in ($XDG_CACHE_HOME or ~/.cache)/llmc/nvrtc.
  /// Errors: CU_COMPILE (NVRTC's log), CU_SPILL (a thread's registers do not suffice), CU_REGISTERS (warpgroups deal
  /// out more than a block has), CU_PARAMS (the argument bytes are not 8 * kernel.words), CU_CLUSTER (other clusters
  /// than the launch's), CU_SHARED (more shared memory than a block of `arch` can have).
  rt::Result<CompiledText> compile(const KernelText &kernel, const Arch &arch) const;

private:
  struct Library;
  explicit Nvrtc(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

} // namespace llmc
