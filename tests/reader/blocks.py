"""Chapter 3 of the format: blocks, the order of checks, and the forward scan of 5.6.

Nothing here knows what a payload holds.
"""

import struct
import zlib
from types import SimpleNamespace

from .notation import MAX_PAYLOAD, MAX_SECTIONS, MAX_VOLUMES, Unknown

MAGIC = bytes.fromhex("8B4956420D0A1A0A")
HEADER = struct.Struct("<8sHHBB2s16sIIQII16sII")
HEADER_LEN = 80
ALIGN = 64
END_BYTES = 192
VERSION = 1

LABEL, SECTION_HEADER, CHUNK, SECTION_END, VOLUME_INDEX, CATALOG, VOLUME_END = range(1, 8)
IN_SECTION = (SECTION_HEADER, CHUNK, SECTION_END)
KINDS = {1: "label", 2: "section header", 3: "chunk", 4: "section end", 5: "volume index", 6: "catalog", 7: "volume end"}
FIRST_OPTIONAL = 128


class Damaged(Exception):
    """A block that is none, or is not sound. `length` is that of its sound header, or None."""

    def __init__(self, why, length=None, header=None):
        super().__init__(why)
        self.length = length
        self.header = header


def aligned(length):
    return (length + ALIGN - 1) // ALIGN * ALIGN


def kind_name(kind):
    return KINDS.get(kind, f"optional block of kind {kind}")


def read_header(data, offset, stop):
    """Steps 1 to 9 of section 3.5: the header at `offset`, or why there is none."""
    if stop - offset < HEADER_LEN:
        raise Damaged(f"{stop - offset} bytes are left, a block header takes {HEADER_LEN}")
    raw = bytes(data[offset : offset + HEADER_LEN])
    values = HEADER.unpack(raw)
    magic, version, header_len, kind, flags, reserved, set_id, volume, section, block, length, key, tag = values[:13]
    crc, header_crc = values[13:]
    if magic != MAGIC:
        raise Damaged("no block begins here")
    if zlib.crc32(raw[:76]) != header_crc:
        raise Damaged("the header is damaged: its checksum is wrong")
    if version > VERSION:
        raise Unknown(f"format version {version}: this reader knows version {VERSION}")
    if version == 0:
        raise Damaged("format version 0")
    if header_len != HEADER_LEN or flags or any(reserved):
        raise Damaged("header_len, flags or reserved are not 80, 0 and zeros")
    if key:
        raise Unknown(f"the payload is sealed with key {key}")
    if any(tag):
        raise Damaged("the tag is not zero")
    if kind not in KINDS and kind < FIRST_OPTIONAL:
        raise Unknown(f"block kind {kind} needs a newer reader")
    if not 1 <= volume <= MAX_VOLUMES:
        raise Damaged(f"volume number {volume}")
    if (not 1 <= section <= MAX_SECTIONS) if kind in IN_SECTION else section:
        raise Damaged(f"section number {section} in a block of kind {kind_name(kind)}")
    if (block == 0) != (kind == LABEL):
        raise Damaged(f"block number {block} in a block of kind {kind_name(kind)}")
    if length > MAX_PAYLOAD:
        raise Damaged(f"payload of {length} bytes: at most {MAX_PAYLOAD} are allowed")
    return SimpleNamespace(
        kind=kind, set_id=set_id, volume=volume, section=section, block=block, payload_len=length, payload_crc=crc,
        offset=offset, length=aligned(HEADER_LEN + length), place=f"block {block} ({kind_name(kind)}) at byte {offset}",
    )


def read_block(data, offset, stop, set_id=None, volume=None, block=None):
    """All of section 3.5: the header and the payload of the sound block at `offset`.

    Of set, volume and block number those are compared that are given.
    """
    header = read_header(data, offset, stop)
    for name, want in (("set_id", set_id), ("volume", volume), ("block", block)):
        found = getattr(header, name)
        if want is not None and found != want:
            shown = [value.hex() if isinstance(value, bytes) else value for value in (found, want)]
            raise Damaged(f"an intact header that belongs elsewhere: its {name} is {shown[0]}, not {shown[1]}")
    end = offset + header.length
    if end > stop:
        raise Damaged(f"the block takes {header.length} bytes, {stop - offset} are left", header.length, header)
    if zlib.crc32(data[offset + HEADER_LEN : end]) != header.payload_crc:
        raise Damaged("the payload is damaged: its checksum is wrong", header.length, header)
    payload = data[offset + HEADER_LEN : offset + HEADER_LEN + header.payload_len]
    if any(data[offset + HEADER_LEN + header.payload_len : end]):
        raise Damaged("the padding is not zero", header.length, header)
    return header, payload


def next_sound(data, offset, stop, wanted):
    """Where, from `offset` on in steps of 64, the next sound block is that `wanted(header)` takes; `stop` if nowhere."""
    at = data.find(MAGIC, offset, stop)
    while at >= 0:
        if (at - offset) % ALIGN == 0:
            try:
                header, _ = read_block(data, at, stop)
                if wanted(header):
                    return at
            except (Damaged, Unknown):
                pass
        at = data.find(MAGIC, at + 1, stop)
    return stop


def scan(data, start, stop):
    """The forward scan of one volume that begins at `start`.

    Gives for each stretch, in order, ("block", header, payload) or ("lost", offset, bytes, why), so that the stretches
    meet each other and their bytes add up. It ends behind the end mark, or at `stop` where the volume is cut off.
    """
    set_id = volume = None
    last = -1
    at = start
    first = next_sound(data, start, stop, lambda header: True)
    if first < stop:
        header, _ = read_block(data, first, stop)
        set_id, volume = header.set_id, header.volume
    while at < stop:
        try:
            header, payload = read_block(data, at, stop, set_id, volume)
            if header.block > last:
                if header.block != last + 1:
                    yield "lost", at, 0, f"{header.block - last - 1} blocks are missing before {header.place}"
                last = header.block
                yield "block", header, payload
                at += header.length
                if header.kind == VOLUME_END:
                    return
                continue
            why, length = f"block number {header.block} where {last + 1} is due", None
        except Unknown as newer:
            yield "lost", at, stop - at, f"{newer}: not read on"
            return
        except Damaged as damage:
            why, length = str(damage), damage.length
            if damage.header is not None and damage.header.block > last:
                why = f"{damage.header.place}: {why}"
                last = damage.header.block
            else:
                length = None
        goes_on = at + length if length is not None else None
        if goes_on is None:
            goes_on = next_sound(
                data, at + ALIGN, stop, lambda h: h.set_id == set_id and h.volume == volume and h.block > last
            )
        goes_on = min(goes_on, stop)
        yield "lost", at, goes_on - at, why
        at = goes_on
