// llmc-run: runs an engine file from the command line.
#include "runtime/main/run.h"

int main(int argc, char** argv) { return llmc::rt::runMain(argc, argv); }
