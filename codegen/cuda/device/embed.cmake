# Writes OUTPUT, a C++ file with the text of each of FILES: the device library as the compiler passes it to NVRTC.
set(entries "")
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME)
  file(READ "${file}" text)
  string(APPEND entries "    {\"device/${name}\",\n     R\"cuda(${text})cuda\"},\n")
endforeach()
file(WRITE "${OUTPUT}.new" "// Made by codegen/cuda/device/embed.cmake from codegen/cuda/device.
#include \"codegen/cuda/DeviceLibrary.h\"

namespace llmc {
static const DeviceHeader kHeaders[] = {
${entries}};
llvm::ArrayRef<DeviceHeader> cudaDeviceLibrary() { return kHeaders; }
} // namespace llmc
")
file(COPY_FILE "${OUTPUT}.new" "${OUTPUT}" ONLY_IF_DIFFERENT)
