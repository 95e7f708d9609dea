"""Byte streams and number streams: sections 7.1 and 7.2 of the format.

A stream of numbers becomes a list of Python integers in the range of two's complement with 64 bits.
"""

import struct
from itertools import accumulate

from .notation import Cursor, Refused, i64, u8, u32
from .zstd import decompress

MASK = (1 << 64) - 1
LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1
MAX_DEPTH = 4


def byte_stream(cursor, most, exactly=True):
    """The bytes meant: `most` of them, or with `exactly` false at most so many."""
    method, raw = u8(cursor, "byte method"), u32(cursor, "raw")
    if raw > most or (exactly and raw != most):
        raise Refused(f"a byte stream of {raw} bytes where {'' if exactly else 'at most '}{most} are due")
    if method == 1:
        return cursor.take(raw, "byte stream")
    if method == 2:
        return decompress(cursor.take(u32(cursor, "stored"), "zstd frame"), raw)
    raise Refused(f"byte method {method}")


def wrapped(numbers):
    """The numbers modulo 2^64, as two's complement."""
    if not numbers or (min(numbers) >= LOWEST and max(numbers) <= HIGHEST):
        return numbers
    return [((number + (1 << 63)) & MASK) - (1 << 63) for number in numbers]


def unfolded(steps):
    """Folded differences: 0, 1, 2, 3 mean 0, -1, 1, -2."""
    return [((step & MASK) >> 1) ^ -(step & 1) for step in steps]


def unpacked(data, width, count):
    return struct.unpack(f"<{count}{ {1: 'B', 2: 'H', 4: 'I', 8: 'Q'}[width] }", data)


def number_stream(cursor, count, depth=1):
    """`count` numbers. The caller has bounded `count`."""
    if depth > MAX_DEPTH:
        raise Refused(f"number streams go more than {MAX_DEPTH} deep")
    form = u8(cursor, "number form")
    if form not in FORMS:
        raise Refused(f"number form {form}")
    return FORMS[form](cursor, count, depth)


def constant(cursor, count, _):
    return [i64(cursor, "constant")] * count


def based(cursor):
    width = u8(cursor, "width")
    if width not in (1, 2, 4, 8):
        raise Refused(f"width {width}: 1, 2, 4 or 8 is allowed")
    return width, i64(cursor, "base")


def narrow(cursor, count, _):
    width, base = based(cursor)
    data = unpacked(byte_stream(cursor, count * width), width, count)
    return wrapped([base + number for number in data])


def planes(cursor, count, _):
    width, base = based(cursor)
    data = bytearray(count * width)
    for plane in range(width):
        data[plane::width] = byte_stream(cursor, count)
    return wrapped([base + number for number in unpacked(data, width, count)])


def tokens(cursor, count, _):
    kept, base = u8(cursor, "kept"), i64(cursor, "base")
    if kept > 7:
        raise Refused(f"kept {kept}: 0 to 7 is allowed")
    stream = byte_stream(cursor, count)
    extra = [max(0, (token >> kept) - 1) for token in range(256)]
    bits = sum(extra[token] for token in stream)
    low = cursor.take((bits + 7) // 8, "low bits")
    numbers, at = [], 0
    for token in stream:
        more = extra[token]
        number = token
        if more:
            if more > 63:
                raise Refused(f"token {token} with kept {kept} stands for more than 64 bits")
            here = int.from_bytes(low[at >> 3 : (at + more + 7) >> 3], "little") >> (at & 7)
            number = ((token - (more << kept)) << more) + (here & ((1 << more) - 1))
            if number > MASK:
                raise Refused(f"token {token} with kept {kept} stands for more than 64 bits")
            at += more
        numbers.append(base + number)
    if bits % 8 and low[-1] >> (bits % 8):
        raise Refused("the last byte of the low bits is not filled up with zeros")
    return wrapped(numbers)


def places(gaps, count):
    """The places that gaps name: each so many behind the place after the one before."""
    found, at = [], 0
    for gap in gaps:
        if gap < 0 or at + gap >= count:
            raise Refused(f"a gap of {gap} at place {at} of {count}")
        at += gap
        found.append(at)
        at += 1
    return found


def sparse(cursor, count, depth):
    common, exceptions = i64(cursor, "common"), u32(cursor, "exceptions")
    if exceptions > count:
        raise Refused(f"{exceptions} exceptions in {count} numbers")
    where = places(number_stream(cursor, exceptions, depth + 1), count)
    numbers = [common] * count
    for place, number in zip(where, number_stream(cursor, exceptions, depth + 1)):
        numbers[place] = number
    return numbers


def chosen(entries, indices):
    """The entries that the indices name."""
    if indices and not 0 <= min(indices) <= max(indices) < len(entries):
        raise Refused(f"an index beyond the {len(entries)} entries of a dictionary")
    return [entries[index] for index in indices]


def dictionary(cursor, count, depth):
    size = u32(cursor, "entries")
    if size > count:
        raise Refused(f"a dictionary of {size} entries for {count} numbers")
    entries = number_stream(cursor, size, depth + 1)
    return chosen(entries, number_stream(cursor, count, depth + 1))


def delta(cursor, count, depth):
    if count == 0:
        raise Refused("a delta of no numbers")
    first = i64(cursor, "first")
    return wrapped(list(accumulate(unfolded(number_stream(cursor, count - 1, depth + 1)), initial=first)))


FORMS = {1: constant, 2: narrow, 3: planes, 4: tokens, 5: sparse, 6: dictionary, 7: delta}


def whole(data, read):
    """What `read` makes of all of `data`; bytes left over are refused."""
    cursor = Cursor(data)
    found = read(cursor)
    if cursor.left():
        raise Refused(f"{cursor.left()} bytes are left over")
    return found
