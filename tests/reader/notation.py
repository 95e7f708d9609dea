"""Chapter 2 of the format: how numbers, texts, lists and structs lie in bytes; and the limits of chapter 10.

Nothing here knows what a record means.
"""

import struct
from types import SimpleNamespace

MAX_PAYLOAD = 16777216
MAX_RECORD = 8388608
MAX_ROWS = 65536
MAX_DECODED = 67108864
MAX_COLUMNS = 4096
MAX_PIECES = 65536
MAX_NAME = 1024
MAX_LIST = 65536
MAX_SECTIONS = 65536
MAX_VOLUMES = 1000000

# The instants that the rows of a table may lie in: years 1 to 9999 (2.1).
FIRST_INSTANT = -62135596800
LAST_INSTANT = 253402300800
DAY = 86400


class Refused(Exception):
    """What was found, and where. The item is not used; others may still be good."""


class Unknown(Exception):
    """A volume that this reader is too old for."""


class Cursor:
    """Reads the bytes of one record body, or of one column, from its beginning to its end.

    No read takes memory for more than the bytes that are left.
    """

    __slots__ = ("data", "at", "stop")

    def __init__(self, data):
        self.data = data
        self.at = 0
        self.stop = len(data)

    def left(self):
        return self.stop - self.at

    def take(self, count, what="value"):
        """`count` bytes as they are."""
        at = self.at
        if count > self.stop - at:
            raise Refused(f"{what} at byte {at} needs {count} bytes, {self.stop - at} are left")
        self.at = at + count
        return bytes(self.data[at : self.at])

    def unpack(self, form, what):
        at = self.at
        if at + form.size > self.stop:
            raise Refused(f"{what} at byte {at} needs {form.size} bytes, {self.stop - at} are left")
        self.at = at + form.size
        return form.unpack_from(self.data, at)[0]


def number(code):
    """A reader of one little-endian number."""
    form = struct.Struct("<" + code)
    return lambda cursor, what="number": cursor.unpack(form, what)


u8 = number("B")
u16 = number("H")
u32 = number("I")
u64 = number("Q")
i32 = number("i")
i64 = number("q")


def boolean(cursor, what="bool"):
    value = u8(cursor, what)
    if value > 1:
        raise Refused(f"{what} is {value}: 0 or 1 is allowed")
    return value == 1


def fixed(count):
    """`bytes N`."""
    return lambda cursor, what="bytes": cursor.take(count, what)


def text(most=None):
    """`text` of at most `most` bytes; without it the bytes of the record are the limit."""

    def read(cursor, what="text"):
        length = u64(cursor, what)
        if length > cursor.left():
            raise Refused(f"{what} says {length} bytes, {cursor.left()} are left")
        if most is not None and length > most:
            raise Refused(f"{what} has {length} bytes: at most {most} are allowed")
        try:
            return cursor.take(length, what).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(f"{what} is not UTF-8") from None

    return read


def several(item, most=MAX_LIST):
    """`list of T`: each element takes at least one byte, so a count beyond the bytes left is false."""

    def read(cursor, what="list"):
        count = u64(cursor, what)
        if count > cursor.left():
            raise Refused(f"{what} says {count} entries, {cursor.left()} bytes are left")
        if count > most:
            raise Refused(f"{what} has {count} entries: at most {most} are allowed")
        return [item(cursor, what) for _ in range(count)]

    return read


def option(item):
    """`option of T`: None if it is not given."""
    return lambda cursor, what="option": item(cursor, what) if boolean(cursor, what) else None


def pair(first, second):
    return lambda cursor, what="pair": (first(cursor, what), second(cursor, what))


def fields(*table):
    """A struct: pairs of name and type in the order of its table. It is read into a namespace of those names."""

    def read(cursor, what=None):
        found = SimpleNamespace()
        for name, item in table:
            setattr(found, name, item(cursor, name))
        return found

    return read


def embedded(read_body):
    """`embedded R`: the body of a record after its length; what follows its last known field is ignored."""

    def read(cursor, what="embedded record"):
        length = u64(cursor, what)
        if length > min(cursor.left(), MAX_RECORD):
            raise Refused(f"{what} says {length} bytes, {cursor.left()} are left")
        return read_body(Cursor(cursor.take(length, what)))

    return read
