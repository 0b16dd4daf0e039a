# What a lit test is here: .mlir and .test files, run with the tools of the build and FileCheck, not, split-file of LLVM.
import os

import lit.formats

config.name = "llmc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["CMakeLists.txt", "Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.llmc_obj_root
config.environment["PATH"] = os.pathsep.join([config.llmc_tools_dir, config.llvm_tools_dir, config.environment.get("PATH", "")])
config.environment["FILECHECK_OPTS"] = "--dump-input-filter=annotation"

# A test that needs the driver says REQUIRES: llmc.
if os.path.exists(os.path.join(config.llmc_tools_dir, "llmc")):
    config.available_features.add("llmc")
