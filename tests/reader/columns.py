"""The column encodings of a chunk: sections 7.3 to 7.5 of the format.

A decoded column is a list of values, one for each row: None, an integer, a float, bytes for a text, a Blob for a blob.
Nothing is built before it was counted against the `decoded` bytes that the directory owns up to.
"""

import struct

from .notation import Refused, i64, u8, u16, u32
from .numbers import byte_stream, chosen, number_stream, places, unfolded, whole, wrapped
from .times import DAY, Blob, date_of_day

INTEGER, REAL, TEXT, BLOB = range(4)
REAL_FORM = struct.Struct("<d")


class Budget:
    """What a column may still take of its `decoded`, counted as section 7.5 says."""

    def __init__(self, decoded):
        self.left = decoded

    def spend(self, count):
        if count > self.left:
            raise Refused("a column takes more than the bytes that the directory says")
        self.left -= count


def nonnegative(lengths, most):
    if lengths and (min(lengths) < 0 or max(lengths) > most):
        raise Refused("a length that is negative or too large")
    total = sum(lengths)
    if total > most:
        raise Refused(f"strings of {total} bytes where at most {most} may be")
    return total


def cut(data, lengths, kind):
    """The strings of these lengths that lie in `data` one after the other."""
    found, at = [], 0
    for length in lengths:
        found.append(data[at : at + length])
        at += length
    return [Blob(item) for item in found] if kind == BLOB else found


def strings(cursor, count, kind, budget):
    lengths = number_stream(cursor, count)
    total = nonnegative(lengths, budget.left)
    budget.spend(total)
    return cut(byte_stream(cursor, total), lengths, kind)


def string_dictionary(cursor, count, kind, budget):
    size = u32(cursor, "entries")
    if size > count:
        raise Refused(f"a dictionary of {size} strings for {count} rows")
    lengths = number_stream(cursor, size)
    total = nonnegative(lengths, budget.left)
    entries = cut(byte_stream(cursor, total), lengths, kind)
    indices = number_stream(cursor, count)
    budget.spend(sum(chosen(lengths, indices)))
    return chosen(entries, indices)


def reals(cursor, count, _, __):
    numbers = number_stream(cursor, count)
    return list(struct.unpack(f"<{count}d", struct.pack(f"<{count}q", *numbers)))


def scale_of(cursor, most):
    scale = u8(cursor, "scale")
    if scale > most:
        raise Refused(f"scale {scale}: at most {most} is allowed")
    return scale


def scaled_reals(cursor, count, _, __):
    power = 10.0 ** scale_of(cursor, 15)
    return [number / power for number in number_stream(cursor, count)]


def mapped(numbers, render, budget):
    """The texts of the numbers, each different one made once."""
    made = {number: render(number) for number in set(numbers)}
    budget.spend(sum(len(made[number]) for number in numbers))
    return [made[number] for number in numbers]


def date_text(day):
    try:
        return str(date_of_day(day)).encode()
    except (ValueError, OverflowError):
        raise Refused(f"day {day} is outside the years 1 to 9999") from None


def dates(cursor, count, _, budget):
    return mapped(number_stream(cursor, count), date_text, budget)


def timestamps(cursor, count, _, budget):
    def render(seconds):
        day, second = divmod(seconds, DAY)
        return date_text(day) + b" %02d:%02d:%02d" % (second // 3600, second // 60 % 60, second % 60)

    return mapped(number_stream(cursor, count), render, budget)


def decimals(cursor, count, _, budget):
    scale = scale_of(cursor, 17)

    def render(number):
        digits = b"%0*d" % (scale + 1, abs(number))
        if scale:
            digits = digits[:-scale] + b"." + digits[-scale:]
        return b"-" + digits if number < 0 else digits

    return mapped(number_stream(cursor, count), render, budget)


def digits(cursor, count, _, budget):
    def render(number):
        shown = b"%d" % number
        if number <= 0 or shown[:1] != b"1" or len(shown) > 18:
            raise Refused(f"{number} does not stand for digits: a 1 and at most 17 more")
        return shown[1:]

    return mapped(number_stream(cursor, count), render, budget)


def digit_groups(cursor, count, _, budget):
    widths = cursor.take(u8(cursor, "groups"), "widths")
    if any(not 1 <= width <= 18 for width in widths):
        raise Refused("a group of digits is 1 to 18 wide")
    budget.spend(sum(widths) * count)
    groups = []
    for width in widths:
        numbers = number_stream(cursor, count)
        if numbers and not 0 <= min(numbers) <= max(numbers) < 10**width:
            raise Refused(f"a number that is no {width} digits")
        groups.append([b"%0*d" % (width, number) for number in numbers])
    return [b"".join(parts) for parts in zip(*groups)] if groups else [b""] * count


def integers(cursor, count, _, __):
    return number_stream(cursor, count)


# Encoding id: main classes that it may have, and its reader of the values that are neither null nor stray.
ENCODINGS = {
    1: ((INTEGER,), integers),
    2: ((REAL,), reals),
    3: ((REAL,), scaled_reals),
    4: ((TEXT, BLOB), strings),
    5: ((TEXT, BLOB), string_dictionary),
    6: ((TEXT,), dates),
    7: ((TEXT,), timestamps),
    8: ((TEXT,), decimals),
    9: ((TEXT,), digits),
    10: ((TEXT,), digit_groups),
}
EQUAL, DIFFERENCE = 11, 12


def stray_values(cursor, count, budget):
    """The stray values, and the bytes that they take."""

    def read(inner):
        found = []
        for _ in range(count):
            kind = u8(inner, "stray class")
            if kind == INTEGER:
                found.append(i64(inner, "stray integer"))
            elif kind == REAL:
                found.append(REAL_FORM.unpack(inner.take(8, "stray real"))[0])
            elif kind in (TEXT, BLOB):
                data = inner.take(u32(inner, "stray length"), "stray")
                budget.spend(len(data))
                found.append(data if kind == TEXT else Blob(data))
            else:
                raise Refused(f"stray class {kind}")
        return found

    return whole(byte_stream(cursor, 13 * count + budget.left, exactly=False), read)


def full_column(cursor, rows, encoding, budget):
    """A column with a head: its main class, its values, and whether all are of that class."""
    head = u8(cursor, "head")
    if head > 15:
        raise Refused(f"head {head:#x}")
    kind = head & 3
    classes, read = ENCODINGS[encoding]
    if kind not in classes:
        raise Refused(f"encoding {encoding} with main class {kind}")
    budget.spend((8 if kind in (INTEGER, REAL) else 4) * rows)
    special = {}
    if head & 4:
        count = bounded(u32(cursor, "nulls"), rows, "nulls")
        budget.spend(4 * count)
        special = dict.fromkeys(places(number_stream(cursor, count), rows))
    if head & 8:
        count = bounded(u32(cursor, "strays"), rows, "strays")
        budget.spend(16 * count)
        where = places(number_stream(cursor, count), rows)
        strays = dict(zip(where, stray_values(cursor, count, budget)))
        if special.keys() & strays.keys():
            raise Refused("a row is both null and a stray")
        special.update(strays)
    values = read(cursor, rows - len(special), kind, budget)
    if special:
        main = iter(values)
        values = [special[row] if row in special else next(main) for row in range(rows)]
    return kind, values, not special


def bounded(count, most, what):
    if count > most:
        raise Refused(f"{count} {what} in {most} rows")
    return count


def decode_columns(directory, data):
    """All columns of a chunk: its directory, and the column bytes behind it."""
    done, at, rows = [], 0, directory.rows
    for number, entry in enumerate(directory.columns):
        part = data[at : at + entry.stored]
        at += entry.stored
        try:
            done.append(one_column(part, entry, rows, done))
        except Refused as why:
            raise Refused(f"column {number}, encoding {entry.encoding}: {why}") from None
    return [column[1] for column in done]


def one_column(part, entry, rows, earlier):
    """Kind, values, whether all are of that kind, encoding, and bytes taken: those of `decoded` that were used."""
    budget = Budget(entry.decoded)
    if entry.encoding in ENCODINGS:
        kind, values, plain = whole(part, lambda cursor: full_column(cursor, rows, entry.encoding, budget))
        return kind, values, plain, entry.encoding, entry.decoded - budget.left
    if entry.encoding not in (EQUAL, DIFFERENCE):
        raise Refused("no encoding has this id")

    def read(cursor):
        source = u16(cursor, "column")
        if source >= len(earlier) or earlier[source][3] in (EQUAL, DIFFERENCE):
            raise Refused(f"column {source} is no earlier one with an encoding of its own")
        kind, values, plain, _, taken = earlier[source]
        budget.spend(taken)
        if entry.encoding == EQUAL:
            return kind, values, plain, EQUAL, taken
        if kind != INTEGER or not plain:
            raise Refused(f"column {source} is not of whole numbers alone")
        steps = unfolded(number_stream(cursor, rows))
        return INTEGER, wrapped([value + step for value, step in zip(values, steps)]), True, DIFFERENCE, taken

    return whole(part, read)
