// The part of `llmc tune` that measures on a CUDA device.
#pragma once

#include "compiler/tune/TuneDevice.h"
#include "runtime/format/engine_reader.h"
#include <functional>
#include <string>

namespace llmc {

struct DeviceTuneRequest {
  int ordinal = 0;
  std::string only;    ///< as isWanted() takes it
  std::string dumpDir; ///< where each configuration's text, PTX and cubin go; empty: nowhere
  AttentionLoad load;
  DeviceTuneOptions options;
};

/// Whether `only` asks for a class of a kernel ("linear 960x576,q4m16k64,1"): by a part of its name, or by what name
/// and class end with ("960x576,q4m16k64-asym,1 8").
inline bool isWanted(const std::string &name, int64_t mMax, const std::string &only) {
  return name.find(only) != std::string::npos || (" " + name + " " + std::to_string(mMax)).ends_with(" " + only);
}

/// What a measurement tells as it goes.
struct TuneSink {
  std::function<void(const std::string &name)> machine; ///< once, first
  /// A line of the file for each kernel and class, with whether something faster was found.
  std::function<void(const std::string &line, bool faster)> line;
};

/// `engine`: its plan for CUDA in use. Errors: those of Driver, checkDriverVersion, Context, selectLevel and
/// Nvrtc::load, before anything is measured; TUNE_TARGET (78) for an engine with PTX alone for the device, or with no
/// kernel that `only` names; OUT_IO (74); those of tuneOnDevice().
rt::Status tuneDevice(const rt::EngineFile &engine, const DeviceTuneRequest &request, const TuneSink &sink);

} // namespace llmc
