"""Values and names as text, in one exact form.

    null                the null
    -12                 an integer
    0.5, 1e+22, -0.0    a real: the shortest digits that read back the same, as Python's repr writes them
    inf, -inf, nan:BITS reals that are no number; of NaN the 64 bits in hexadecimal
    "text"              a text by its bytes: those from 20 to 7e as they are but for \\" and \\\\, others as \\x and two digits
    x'00ff'             a blob
"""

import struct

from .rows import ALIKE
from .times import Blob

ESCAPES = [chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02x}" for byte in range(256)]
ESCAPES[ord('"')] = '\\"'
ESCAPES[ord("\\")] = "\\\\"


def text(data):
    """Bytes of a text in quotes."""
    return '"' + "".join([ESCAPES[byte] for byte in data]) + '"'


def name(value):
    """A name that came as UTF-8, in quotes and escaped."""
    return text(value.encode())


def value(item):
    kind = type(item)
    if kind is int:
        return str(item)
    if item is None:
        return "null"
    if kind is float:
        return f"nan:{struct.pack('>d', item).hex()}" if item != item else repr(item)
    return f"x'{item.hex()}'" if kind is Blob else text(item)


def lines(columns, rows):
    """One line for each row of a chunk: its values with commas between them."""
    shown = []
    for column in columns:
        if set(map(type, column)) <= ALIKE:
            made = {item: value(item) for item in set(column)}
            shown.append(map(made.__getitem__, column))
        else:
            shown.append(map(value, column))
    return [",".join(row) for row in zip(*shown)] if shown else [""] * rows
