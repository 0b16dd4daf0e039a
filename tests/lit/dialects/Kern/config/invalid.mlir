// m_max is a class of row counts.
// RUN: llmc-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{C1: expected m_max to be 0, 1, 4, 8, 16, 32, 64 or 512, found 5}}
module attributes {kern.config_c1 = #kern.config<m_max = 5>} {}
