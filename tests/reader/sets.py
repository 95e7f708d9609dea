"""Which volumes there are, and which of them belong together: sections 5.1, 5.5, 5.6 and 5.7."""

import mmap
import os
import struct
from types import SimpleNamespace

from . import blocks
from .blocks import Damaged, read_block, scan
from .notation import Refused, Unknown
from .records import one_record, unknown_features

TAPE_LENGTH = struct.Struct("<I")
END_OF_TAPE = b"\xff\xff\xff\xff"
MAX_TAPE_RECORD = 8388608


class Volume:
    """One volume: a stretch of bytes of a file, which may hold several one after the other."""

    def __init__(self, path, data, start, stop):
        self.path, self.data, self.start, self.stop = path, data, start, stop
        self.label = self.problem = None
        self.stray = 0  # bytes behind it in its file that are neither zeros nor a volume
        self.set_id, self.volume = identity(data, start, stop)
        self.place = path if start == 0 else f"{path} from byte {start}"
        try:
            header, payload = read_block(data, start, stop)
            if header.kind != blocks.LABEL:
                raise Refused(f"it begins with {header.place}")
            self.label = one_record(header, payload)
            if (self.label.set_id, self.label.volume) != (header.set_id, header.volume):
                self.label = None
                raise Refused("the label names another set or volume than its block")
        except (Damaged, Refused) as why:
            self.problem = f"block 0 (label) at byte 0: {why}"
        if self.label is not None and unknown_features(self.label):
            raise Unknown(unknown_features(self.label))

    def scan(self):
        """The forward scan (5.6), and what lies behind the end mark and should not."""
        yield from scan(self.data, self.start, self.stop)
        if self.stray:
            yield "lost", self.stop, self.stray, "bytes that are neither zeros nor a volume"

    def lost(self, item):
        """A line for people about a stretch that the scan lost."""
        _, at, count, why = item
        return f"{self.place}: bytes {at - self.start} to {at - self.start + count}: {why}"

    def end_mark(self):
        """The end mark, read from the end (5.6), or None."""
        at = self.stop - blocks.END_BYTES
        if at < self.start:
            return None
        try:
            header, payload = read_block(self.data, at, self.stop, self.set_id, self.volume)
            end = one_record(header, payload) if header.kind == blocks.VOLUME_END else None
        except (Damaged, Refused, Unknown):
            return None
        return end if end and end.bytes == at - self.start and end.blocks == header.block else None

    def blocks_at(self, offset, count, kind):
        """So many blocks of a kind that follow each other from a byte of the volume on: pairs of header and payload."""
        found, at = [], self.start + offset
        for _ in range(count):
            header, payload = read_block(self.data, at, self.stop, self.set_id, self.volume)
            if header.kind != kind:
                raise Refused(f"{header.place} is not the {blocks.kind_name(kind)} that the end mark says")
            found.append((header, payload))
            at += header.length
        return found


def identity(data, start, stop):
    """Set and volume of the first sound block."""
    at = blocks.next_sound(data, start, stop, lambda header: True)
    if at == stop:
        blocks.read_header(data, start, stop)
        raise Damaged("no block in it is sound")
    header, _ = read_block(data, at, stop)
    return header.set_id, header.volume


def tape_image(data):
    """The volumes of a tape image (5.7), each a string of bytes, and the bytes of its layout; None if it is none."""
    at, layout, records, volumes = 0, 0, [], []
    while at + 4 <= len(data) and data[at : at + 4] != END_OF_TAPE:
        (length,) = TAPE_LENGTH.unpack_from(data, at)
        if length == 0:
            volumes.append(b"".join(records))
            records, at, layout = [], at + 4, layout + 4
            continue
        after = at + 4 + length + length % 2
        if length > MAX_TAPE_RECORD or after + 4 > len(data) or data[after : after + 4] != data[at : at + 4]:
            break
        records.append(data[at + 4 : at + 4 + length])
        layout += 8 + length % 2
        at = after + 4
    if not records and not volumes:
        return None
    # What follows the end of the data, or a record that is cut off, is layout too.
    return [part for part in [*volumes, b"".join(records)] if part], layout + len(data) - at


def split(path, data):
    """The volumes that lie in the bytes one after the other, and how many zeros lie between and behind them."""
    found, idle, at = [], 0, 0
    while at < len(data):
        try:
            whole = Volume(path, data, at, len(data))
        except Damaged:
            if not found:
                raise
            found[-1].stray = len(data) - at
            break
        stop = len(data)
        if whole.end_mark() is None:
            for item in scan(data, at, len(data)):
                stop = item[1].offset + item[1].length if item[0] == "block" else item[1] + item[2]
            whole = Volume(path, data, at, stop)
        found.append(whole)
        at = stop
        while at < len(data) and not any(data[at : at + blocks.ALIGN]):
            idle += len(data[at : at + blocks.ALIGN])
            at += blocks.ALIGN
    return found, idle


def files_of(path):
    """The files that a path names: itself, or those of a folder whose names end in `.ivv`."""
    if not os.path.isdir(path):
        return [path]
    return sorted(
        entry.path for entry in os.scandir(path)
        if entry.is_file() and entry.name.endswith(".ivv") and not entry.name.startswith(".")
    )


def open_path(path):
    """The volumes of one file, its bytes, and how many of these are zeros between volumes or the layout of a tape."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise Refused("the file is empty")
        data = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    on_tape = tape_image(data) if data[: len(blocks.MAGIC)] != blocks.MAGIC else None
    if on_tape is None:
        volumes, idle = split(path, data)
        return volumes, size, idle
    volumes, idle = [], on_tape[1]
    for number, part in enumerate(on_tape[0]):
        more, zeros = split(f"{path}, tape file {number}", part)
        volumes += more
        idle += zeros
    return volumes, size, idle


def gather(paths):
    """All volumes of the paths by set: (sets, what is no volume, bytes of all files, those that are in no volume).

    A set has `volumes`, ascending by number, and `copies`: further volumes of numbers that are there already.
    """
    sets, refused, size, idle = {}, [], 0, 0
    for path in paths:
        try:
            files = files_of(path)
            if not files:
                raise Refused("the folder holds no file whose name ends in .ivv")
        except (OSError, Refused) as why:
            refused.append(f"{path}: {why}")
            continue
        for file in files:
            try:
                volumes, file_size, file_idle = open_path(file)
                size += file_size
                idle += file_idle
            except (OSError, Damaged, Refused, Unknown) as why:
                refused.append(f"{file}: not a volume that this reader can read: {why}")
                continue
            for volume in volumes:
                group = sets.setdefault(volume.set_id, SimpleNamespace(set_id=volume.set_id, volumes={}, copies=[]))
                if volume.volume in group.volumes:
                    group.copies.append(volume)
                else:
                    group.volumes[volume.volume] = volume
    for group in sets.values():
        group.volumes = [group.volumes[number] for number in sorted(group.volumes)]
        labels = [volume.label for volume in group.volumes if volume.label is not None]
        group.label = labels[0] if labels else None
    # A parent before its children, chain by chain.
    ordered = sorted(
        sets.values(), key=lambda group: (group.label.chain, group.label.sequence) if group.label else (group.set_id, 0)
    )
    return ordered, refused, size, idle
