"""Canonical rows and their hashes: chapter 8 of the format."""

import math
import re
import struct

from .blake3 import hash_many
from .notation import Refused
from .times import Blob, day_of

INTEGER, FLOAT, DECIMAL, BOOLEAN, DATE, TIME, TIMESTAMP, TIMESTAMP_ZONE, TEXT, FIXED_TEXT, BLOB, ANY = range(1, 13)
TYPES = (
    "integer", "float", "decimal", "boolean", "date", "time", "timestamp", "timestamp with zone", "text", "fixed text",
    "blob", "any",
)
NULL = (3, b"\xd0")
# Where values of these types are equal they are the same: not so 1 and 1.0, 0.0 and -0.0, a text and a blob.
ALIKE = {int, bytes, type(None)}
NAN = bytes.fromhex("D1000000000000F87F")
NUMERAL = re.compile(rb"(-?)(\d+)(?:\.(\d+))?")
CLOCK_TIME = re.compile(rb"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?")


def whole_number(value):
    """Class and bytes of a whole number."""
    if 0 <= value <= 0xFFFFFFFF:
        if value == 0:
            return 0, b""
        return (1, struct.pack("<H", value)) if value <= 0xFFFF else (2, struct.pack("<I", value))
    return 3, number_item(value)


def number_item(value):
    width = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return bytes([0xC0 + width]) + value.to_bytes(width, "little", signed=True)


def with_length(data):
    return (bytes([len(data)]) if len(data) < 255 else b"\xff" + struct.pack("<I", len(data))) + data


def real_item(value):
    return NAN if math.isnan(value) else b"\xd1" + struct.pack("<d", value)


def escaped(value):
    """A value that its column's type does not fit."""
    kind = type(value)
    if kind is int:
        item = number_item(value)
    elif kind is float:
        item = real_item(value)
    else:
        item = (b"\xd3" if kind is Blob else b"\xd2") + with_length(value)
    return 3, b"\xdf" + item


def numeral(sign, digits, exponent):
    """A decimal item: digits * 10^exponent without zeros at either end."""
    digits = digits.lstrip(b"0")
    short = digits.rstrip(b"0")
    if not short:
        return 3, b"\xd4\0\0\0\0\x010"
    return 3, b"\xd4" + struct.pack("<i", exponent + len(digits) - len(short)) + with_length(sign + short)


def decimal(value):
    kind = type(value)
    if kind is float:
        if not math.isfinite(value):
            return escaped(value)
        shown, _, exponent = repr(value).encode().partition(b"e")
        exponent = int(exponent or 0)
    elif kind is int:
        shown, exponent = b"%d" % value, 0
    elif kind is bytes:
        shown, exponent = value, 0
    else:
        return escaped(value)
    found = NUMERAL.fullmatch(shown)
    if found is None:
        return escaped(value)
    sign, digits, fraction = found.groups()
    fraction = fraction or b""
    return numeral(sign, digits + fraction, exponent - len(fraction))


def microseconds(text):
    """Of `HH:MM:SS` with a fraction or without, or None."""
    found = CLOCK_TIME.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = (int(part) for part in found.groups()[:3])
    if hour > 23 or minute > 59 or second > 59:
        return None
    return (hour * 3600 + minute * 60 + second) * 1000000 + int((found.group(4) or b"").ljust(6, b"0"))


def instant(text):
    """Microseconds of a date, one blank, a time; or None."""
    day = day_of(text[:10])
    time = microseconds(text[11:]) if text[10:11] == b" " else None
    return None if day is None or time is None else day * 86400000000 + time


def temporal(first, form, read):
    """An item of a text that `read` makes a number of."""

    def item(value):
        number = read(value) if type(value) is bytes else None
        return escaped(value) if number is None else (3, first + struct.pack(form, number))

    return item


def any_value(value):
    kind = type(value)
    if kind is int:
        return whole_number(value)
    if kind is float:
        return 3, real_item(value)
    return 3, (b"\xd3" if kind is Blob else b"\xd2") + with_length(value)


def of_class(kind):
    return lambda value: any_value(value) if type(value) is kind else escaped(value)


ITEMS = {
    INTEGER: of_class(int),
    FLOAT: of_class(float),
    DECIMAL: decimal,
    BOOLEAN: lambda value: whole_number(value) if type(value) is int and value in (0, 1) else escaped(value),
    DATE: temporal(b"\xd5", "<i", day_of),
    TIME: temporal(b"\xd7", "<q", microseconds),
    TIMESTAMP: temporal(b"\xd6", "<q", instant),
    TIMESTAMP_ZONE: temporal(b"\xd8", "<q", lambda text: instant(text[:-3]) if text.endswith(b"+00") else None),
    TEXT: of_class(bytes),
    FIXED_TEXT: lambda value: any_value(value.rstrip(b" ")) if type(value) is bytes else escaped(value),
    BLOB: of_class(Blob),
    ANY: any_value,
}


def column_items(logical, values):
    """Classes and bytes of a column's values."""
    item = ITEMS.get(logical)
    if item is None:
        raise Refused(f"logical type {logical} is not known: no digest can be computed")
    if set(map(type, values)) <= ALIKE:
        made = {value: NULL if value is None else item(value) for value in set(values)}
        found = list(map(made.__getitem__, values))
    else:
        found = [NULL if value is None else item(value) for value in values]
    return bytes(pair[0] for pair in found), [pair[1] for pair in found]


def canonical_rows(logical, columns, rows):
    """The canonical row of each row of a chunk."""
    parts, masks = [], []
    for at in range(0, len(columns), 4):
        mask = 0
        for place, column in enumerate(columns[at : at + 4]):
            classes, data = column_items(logical[at + place], column)
            # A byte for each row: four columns of two bits fill it without meeting.
            mask |= int.from_bytes(classes, "little") << (2 * place)
            parts.append(data)
        masks.append(mask.to_bytes(rows, "little"))
    if not parts:
        return [b""] * rows
    heads = [bytes(row) for row in zip(*masks)]
    return [b"".join(row) for row in zip(heads, *parts)]


def row_hashes(logical, columns, rows):
    """The row hash of each row, as a number."""
    filled = [row.ljust((len(row) + 63) // 64 * 64, b"\0") for row in canonical_rows(logical, columns, rows)]
    return [int.from_bytes(found[:16], "little") for found in hash_many(filled)]
