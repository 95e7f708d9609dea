"""One zstd frame to bytes, by the first of these that is there.

    compression.zstd    in Python's standard library from 3.14 on
    libzstd.so.1        the library itself, by ctypes: on every Debian, where dpkg needs it (package libzstd1)
    zstd                the program, one process for each frame: slow (package zstd)
"""

import ctypes
import shutil
import subprocess

from .notation import Refused

MAGIC = bytes.fromhex("28B52FFD")
MISSING = "zstd is missing: install the package libzstd1 or zstd, or use Python 3.14 or newer"


def by_module():
    from compression import zstd

    def decompress(frame, raw):
        try:
            decoder = zstd.ZstdDecompressor()
            data = decoder.decompress(frame, max_length=raw + 1)
        except zstd.ZstdError as why:
            raise Refused(f"zstd frame: {why}") from None
        if decoder.unused_data or (len(data) <= raw and not decoder.eof):
            raise Refused("a zstd frame is not as long as it says")
        return data

    return decompress


def by_library():
    library = ctypes.CDLL("libzstd.so.1")
    size = ctypes.c_size_t
    for function, result, arguments in (
        (library.ZSTD_decompress, size, (ctypes.c_char_p, size, ctypes.c_char_p, size)),
        (library.ZSTD_findFrameCompressedSize, size, (ctypes.c_char_p, size)),
        (library.ZSTD_isError, ctypes.c_uint, (size,)),
        (library.ZSTD_getErrorName, ctypes.c_char_p, (size,)),
    ):
        function.restype, function.argtypes = result, arguments

    def decompress(frame, raw):
        if library.ZSTD_findFrameCompressedSize(frame, len(frame)) != len(frame):
            raise Refused("a zstd frame is not as long as it says")
        room = ctypes.create_string_buffer(raw + 1)
        length = library.ZSTD_decompress(room, raw + 1, frame, len(frame))
        if library.ZSTD_isError(length):
            raise Refused(f"zstd frame: {library.ZSTD_getErrorName(length).decode()}")
        return room.raw[:length]

    return decompress


def by_program():
    if shutil.which("zstd") is None:
        raise OSError(MISSING)

    def decompress(frame, raw):
        with subprocess.Popen(
            ["zstd", "-d", "-c", "-q"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            data, _ = process.communicate(frame)
        if process.returncode:
            raise Refused("a zstd frame that the zstd program cannot read")
        return data

    return decompress


def choose():
    for way in (by_module, by_library, by_program):
        try:
            return way()
        except (ImportError, OSError, AttributeError):
            continue
    return None


WAY = choose()


def decompress(frame, raw):
    """The bytes of one frame, which must be `raw`."""
    if WAY is None:
        raise OSError(MISSING)
    if not frame.startswith(MAGIC):
        raise Refused("a zstd frame without its magic")
    data = WAY(frame, raw)
    if len(data) != raw:
        raise Refused(f"a zstd frame that does not decompress to the {raw} bytes it should")
    return data
