// Errors that end llmc where no caller can return them: of the system's memory and threads, and LLVM's own.
#pragma once

namespace llmc {

/// From here on each of them ends the process with one line, an exit status and no unfinished file: RT_MEMORY and
/// RT_THREADS (69) also where LLVM meets the shortage, which aborts by itself; all else that LLVM calls fatal is a bug,
/// CG_LLVM (70). Once a process: LLVM takes one handler of each kind.
void explainFatalErrors();

} // namespace llmc
