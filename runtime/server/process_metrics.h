// What the operating system knows of this process, by the names that every Prometheus client uses.
#pragma once

#include <string>

namespace llmc::rt::server {

/// CPU seconds, memory in bytes, open descriptors and their limit, start in Unix seconds: text exposition format. What
/// the system does not tell is left out. Any thread; reads a few files of /proc.
std::string processMetrics();

}  // namespace llmc::rt::server
