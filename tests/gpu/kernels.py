"""Repeats recorded kernel cases (tests/emulator/kernel_record.h) through the driver's own interface, and compares what they leave with the emulator's results.

Usage: python3 tests/gpu/kernels.py KERNELS.zip [--device N]. Every launch is one of the unit tests of codegen/cuda, which the double reference has checked there:
fragments, swizzles, descriptors, copies and barriers meet real hardware with values whose result is known. A launch that faults ends the run, as the context is lost.
"""

import argparse
import ctypes
import json
import os
import pathlib
import sys
import tempfile
import zipfile

import numpy as np

# As kernel_case.h; where units round otherwise than the emulator, both may be as far from the reference.
TOLERANCE = {"f32": 2e-5, "f16": 2e-3, "bf16": 1e-2, "e4m3": 3.5e-2}
SIDES = 2
ENTRIES = {"cuInit": 2000, "cuDeviceGet": 2000, "cuDevicePrimaryCtxRetain": 7000, "cuDevicePrimaryCtxRelease": 11000, "cuCtxSetCurrent": 4000, "cuModuleLoadDataEx": 2010,
           "cuModuleGetFunction": 2000, "cuModuleUnload": 2000, "cuFuncSetAttribute": 9000, "cuLaunchKernelEx": 11060, "cuMemAlloc": 3020, "cuMemFree": 3020,
           "cuMemcpyAsync": 4000, "cuStreamCreate": 2000, "cuStreamSynchronize": 2000, "cuGetErrorName": 6000, "cuEventCreate": 2000,
           "cuEventRecord": 2000, "cuEventElapsedTime": 2000}
SHARED_BYTES = 8  # CUfunction_attribute


class Config(ctypes.Structure):
    _fields_ = [("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3), ("shared", ctypes.c_uint), ("stream", ctypes.c_void_p),
                ("attributes", ctypes.c_void_p), ("count", ctypes.c_uint)]


class DriverError(Exception):
    pass


class Driver:
    """A context on one device and a stream. Calls by name; what is not success raises DriverError."""

    def __init__(self, ordinal: int = 0):
        try:
            library = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise DriverError(f"no driver: {error}") from error
        self.functions = {}
        for name, version in ENTRIES.items():
            pointer, status = ctypes.c_void_p(), ctypes.c_int()
            if library.cuGetProcAddress_v2(name.encode(), ctypes.byref(pointer), version, ctypes.c_uint64(0), ctypes.byref(status)) or not pointer.value:
                raise DriverError(f"the driver has no {name}")
            self.functions[name] = ctypes.CFUNCTYPE(ctypes.c_int)(pointer.value)
        self.device, context, self.stream = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuInit", ctypes.c_uint(0))
        self.call("cuDeviceGet", ctypes.byref(self.device), ctypes.c_int(ordinal))
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self.device)
        self.call("cuCtxSetCurrent", context)
        self.call("cuStreamCreate", ctypes.byref(self.stream), ctypes.c_uint(1))

    def call(self, name: str, *arguments):
        result = self.functions[name](*arguments)
        if result:
            text = ctypes.c_char_p()
            self.functions["cuGetErrorName"](ctypes.c_int(result), ctypes.byref(text))
            raise DriverError(f"{name} says {(text.value or b'an unknown error').decode()} ({result})")

    def allocate(self, data: bytes) -> int:
        address = ctypes.c_uint64()
        self.call("cuMemAlloc", ctypes.byref(address), ctypes.c_size_t(max(len(data), 1)))
        return address.value

    def copy(self, to, source, count: int):
        self.call("cuMemcpyAsync", to, source, ctypes.c_size_t(count), self.stream)

    def wait(self):
        self.call("cuStreamSynchronize", self.stream)


class Case:
    def __init__(self, archive: zipfile.ZipFile, name: str):
        self.name, self.facts = name, json.loads(archive.read(f"{name}.json"))
        self.data, self.cubin = archive.read(f"{name}.bin"), archive.read(f"{name}.cubin")

    def before(self, addresses: list) -> list:
        """The buffers' bytes, with the addresses that they hold on this device."""
        made = [bytearray(self.data[part["at"]:part["at"] + part["bytes"]]) for part in self.facts["buffers"]]
        for buffer, at, target, offset in self.facts["pointers"]:
            made[buffer][at:at + 8] = (addresses[target] + offset).to_bytes(8, "little")
        return made

    def launch(self, driver: Driver, addresses: list):
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        driver.call("cuModuleLoadDataEx", ctypes.byref(module), self.cubin, ctypes.c_uint(0), None, None)
        driver.call("cuModuleGetFunction", ctypes.byref(function), module, self.facts["symbol"].encode())
        driver.call("cuFuncSetAttribute", function, ctypes.c_int(SHARED_BYTES), ctypes.c_int(self.facts["shared"]))
        words = (ctypes.c_uint64 * len(self.facts["words"]))(*(addresses[buffer] + offset for buffer, offset in self.facts["words"]))
        config = Config((ctypes.c_uint * 3)(*self.facts["grid"]), (ctypes.c_uint * 3)(self.facts["threads"], 1, 1), self.facts["shared"], driver.stream, None, 0)
        arguments = (ctypes.c_void_p * 1)(ctypes.addressof(words))
        driver.call("cuLaunchKernelEx", ctypes.byref(config), function, arguments, None)
        driver.wait()
        driver.call("cuModuleUnload", module)

    def run(self, driver: Driver) -> list[str]:
        """What differs from the emulator's results, a line a buffer."""
        addresses = [driver.allocate(bytes(part["bytes"])) for part in self.facts["buffers"]]
        images = [ctypes.create_string_buffer(bytes(content), len(content)) for content in self.before(addresses)]
        for address, image in zip(addresses, images):
            driver.copy(ctypes.c_uint64(address), ctypes.c_uint64(ctypes.addressof(image)), len(image))
        driver.wait()
        self.launch(driver, addresses)
        faults = []
        for one in self.facts["written"]:
            count = self.facts["buffers"][one["buffer"]]["bytes"]
            got = ctypes.create_string_buffer(count)
            driver.copy(ctypes.c_uint64(ctypes.addressof(got)), ctypes.c_uint64(addresses[one["buffer"]]), count)
            driver.wait()
            fault = difference(self.data[one["at"]:one["at"] + count], got.raw, one["element"], one["stride"], self.facts["tolerance"])
            if fault:
                faults.append(f"{self.name}, {self.facts['buffers'][one['buffer']]['name']}: {fault}")
        for address in addresses:
            driver.call("cuMemFree", ctypes.c_uint64(address))
        return faults


def numbers(raw: bytes, element: str) -> np.ndarray:
    if element == "f32":
        return np.frombuffer(raw, "<f4").astype(np.float64)
    if element == "f16":
        return np.frombuffer(raw, "<f2").astype(np.float64)
    return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view("<f4").astype(np.float64)


def difference(want: bytes, got: bytes, element: str, stride: int, tolerance: float) -> str:
    """Empty where they agree: equal bits, numbers within the tolerance of a row's largest, codes beside each other."""
    if want == got:
        return ""
    if element in ("bytes", "e4m3"):  # codes, and the scales behind them: one step of a code, the last bits of a scale
        a, b = np.frombuffer(want, np.uint8).astype(int), np.frombuffer(got, np.uint8).astype(int)
        far = np.abs(a - b) > 1
        return f"{far.sum()} of {far.size} codes differ by more than a step" if far.mean() > 0.01 else ""
    width = 4 if element == "f32" else 2
    bits = np.frombuffer(want, f"<u{width}") != np.frombuffer(got, f"<u{width}")
    a, b = numbers(want, element), numbers(got, element)
    rows = np.arange(a.size) * width // stride
    largest = np.zeros(rows[-1] + 1)
    np.maximum.at(largest, rows, np.where(np.isfinite(a), np.abs(a), 0))
    with np.errstate(invalid="ignore"):
        wrong = bits & ~(np.abs(a - b) <= SIDES * (tolerance or TOLERANCE[element]) * (np.abs(a) + largest[rows]))
    if not wrong.any():
        return ""
    first = int(np.flatnonzero(wrong)[0])
    return f"{int(wrong.sum())} of {a.size} differ, first in row {rows[first]}, byte {first * width % stride}: {b[first]:.6g}, expected {a[first]:.6g}"


def repeat(path: pathlib.Path, ordinal: int = 0) -> dict:
    """{"cases": N, "failures": [..]} of all cases of the archive; in a child, since a fault takes the process's context along."""
    found = {"cases": 0, "failures": []}
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        if "LLMC_EMULATOR_PTX" not in os.environ:  # where the driver is the emulator's, it finds the PTX of a cubin there
            archive.extractall(folder, [name for name in archive.namelist() if name.endswith((".cubin", ".ptx"))])
            os.environ["LLMC_EMULATOR_PTX"] = folder
        driver = Driver(ordinal)
        for name in sorted(name[:-5] for name in archive.namelist() if name.endswith(".json")):
            found["cases"] += 1
            try:
                found["failures"] += Case(archive, name).run(driver)
            except DriverError as error:
                found["failures"].append(f"{name}: {error}; later cases did not run")
                break
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=pathlib.Path)
    parser.add_argument("--device", type=int, default=0)
    options = parser.parse_args()
    try:
        found = repeat(options.archive, options.device)
    except DriverError as error:
        found = {"skipped": str(error)}
    print(json.dumps(found))
    return 1 if found.get("failures") else 0


if __name__ == "__main__":
    sys.exit(main())
