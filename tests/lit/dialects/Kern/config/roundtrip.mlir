// #kern.config with and without numbers.
// RUN: llmc-opt %s | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --mlir-print-op-generic | llmc-opt | FileCheck %s
// RUN: llmc-opt %s --emit-bytecode | llmc-opt | FileCheck %s

// CHECK: kern.any = #kern.config<m_max = 0>
// CHECK-SAME: kern.four = #kern.config<m_max = 4, params = {rows_per_step = 4 : i64}>
module attributes {kern.any = #kern.config<m_max = 0>, kern.four = #kern.config<m_max = 4, params = {rows_per_step = 4}>} {}
