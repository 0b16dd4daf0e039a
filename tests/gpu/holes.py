"""Files with holes as small ones: what is there, compressed, and where it lies. An engine without weights packs to a few MB."""

import json
import os
import pathlib
import zlib

MAGIC = b"LLMCHOLE"


def extents(path: pathlib.Path) -> list[tuple[int, int]]:
    """(offset, bytes) of the pieces of a file that hold data, in order."""
    found = []
    with open(path, "rb") as file:
        size, at = os.fstat(file.fileno()).st_size, 0
        while at < size:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                break
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            found.append((begin, at - begin))
    return found


def pack(path: pathlib.Path, packed: pathlib.Path):
    """Writes `packed`: MAGIC, the length of a JSON header, the header, the pieces compressed one by one."""
    pieces, blobs = extents(path), []
    with open(path, "rb") as file:
        for begin, count in pieces:
            file.seek(begin)
            blobs.append(zlib.compress(file.read(count), 6))
    header = json.dumps({"bytes": path.stat().st_size, "pieces": [[begin, len(blob)] for (begin, _), blob in zip(pieces, blobs)]}).encode()
    packed.write_bytes(MAGIC + len(header).to_bytes(8, "little") + header + b"".join(blobs))


def unpack(packed: pathlib.Path, path: pathlib.Path):
    """The file that pack() read, with its holes."""
    with open(packed, "rb") as source, open(path, "wb") as file:
        if source.read(len(MAGIC)) != MAGIC:
            raise ValueError(f"{packed} is no packed file")
        header = json.loads(source.read(int.from_bytes(source.read(8), "little")))
        for begin, count in header["pieces"]:
            file.seek(begin)
            file.write(zlib.decompress(source.read(count)))
        file.truncate(header["bytes"])
