"""Everything that can be checked of the volumes of a set, in one reading from block to block.

A problem is a line for people; what cannot be checked because of an earlier one is not counted as another.
"""

from types import SimpleNamespace

from . import blocks
from .blake3 import hash_many, hash_one
from .catalog import check_catalog, held_of_full, in_ranges
from .chunks import DIGEST, Reader, bucket_name, compare_pieces
from .notation import Refused
from .records import acd_key, bucket_key, one_record, records

HASH_AT_ONCE = 4 << 20
# Where blocks may stand in a volume (5.1); optional ones stand anywhere between label and end mark.
STAGE = {
    blocks.LABEL: 0, blocks.SECTION_HEADER: 1, blocks.CHUNK: 1, blocks.SECTION_END: 1, blocks.CATALOG: 2,
    blocks.VOLUME_INDEX: 3, blocks.VOLUME_END: 4,
}
DIFFERS = ("volume", "label", "capacity", "predecessor")


def same_but(one, other, names):
    """The first field in which two structs differ, those of `names` left out; None if there is none."""
    return next((name for name, value in vars(one).items() if name not in names and value != getattr(other, name)), None)


class VolumeCheck:
    """What was read of one volume: its blocks, their hashes, and the running hash after each."""

    def __init__(self, volume, problem):
        self.volume = volume
        self.say = lambda place, why: problem(f"{volume.place}: {place}: {why}")
        self.blocks, self.hashes, self.waiting, self.waiting_bytes = [], [], [], 0
        self.lost, self.bytes, self.stage = False, 0, 0
        self.index, self.end = [], None

    def take(self, header):
        self.blocks.append(header)
        self.bytes += header.length
        self.waiting.append(bytes(self.volume.data[header.offset : header.offset + header.length]))
        self.waiting_bytes += header.length
        if self.waiting_bytes >= HASH_AT_ONCE:
            self.hash()
        stage = STAGE.get(header.kind, max(self.stage, 1))
        if stage < self.stage:
            self.say(header.place, "it stands behind blocks that it should come before")
        self.stage = max(self.stage, stage)

    def hash(self):
        self.hashes += hash_many(self.waiting)
        self.waiting, self.waiting_bytes = [], 0

    def finish(self):
        """The running hash after each number of blocks, as far as no block was lost; then index and end mark."""
        self.hash()
        self.running = [bytes(32)]
        for number, (header, block_hash) in enumerate(zip(self.blocks, self.hashes)):
            if header.block != number:
                break
            self.running.append(hash_one(self.running[-1] + block_hash))
        if self.index:
            self.check_index()
        if self.end is not None:
            self.check_end()

    def bytes_after(self, count):
        return self.blocks[count - 1].offset + self.blocks[count - 1].length - self.volume.start if count else 0

    def check_state(self, place, entry):
        """`blocks`, `bytes` and `running_hash` of a record against the blocks; nothing where blocks were lost."""
        if entry.blocks >= len(self.running):
            if not self.lost:
                self.say(place, f"blocks {entry.blocks}: the volume has {len(self.running) - 1}")
            return
        if entry.bytes != self.bytes_after(entry.blocks):
            self.say(place, f"bytes {entry.bytes}: the {entry.blocks} blocks take {self.bytes_after(entry.blocks)}")
        if entry.running_hash != self.running[entry.blocks]:
            self.say(place, f"the running hash after {entry.blocks} blocks is another")

    def check_index(self):
        first = next((header for header in self.blocks if header.kind == blocks.VOLUME_INDEX), None)
        kinds = [kind for kind, _ in self.index]
        if kinds[0] != 5 or kinds.count(5) != 1:
            self.say("index", "it does not begin with its one volume index record")
            return
        index = self.index[0][1]
        if first is not None and index.blocks != first.block:
            self.say("index", f"blocks {index.blocks}: {first.block} are before it")
        self.check_state("index", index)
        listed = []
        for _, record in self.index[1:]:
            if record.first_block != len(listed):
                self.say("index", f"a list from block {record.first_block} where {len(listed)} is due")
            listed += record.blocks
        if len(listed) != index.blocks and not self.lost:
            self.say("index", f"{len(listed)} blocks listed, {index.blocks} are before it")
        for header, block_hash in zip(self.blocks, self.hashes):
            if header.block >= len(listed):
                if header.block < index.blocks:
                    self.say("index", f"{header.place} is not listed")
                continue
            entry = listed[header.block]
            found = (header.kind, header.section, header.offset - self.volume.start, header.length, block_hash)
            if found != (entry.kind, entry.section, entry.offset, entry.bytes, entry.hash):
                self.say("index", f"the entry of {header.place} is not what stands there")

    def check_end(self):
        end = self.end
        if end.blocks != self.blocks[-1].block:
            self.say("end mark", f"blocks {end.blocks}: it is block {self.blocks[-1].block}")
        if self.blocks[-1].length != blocks.END_BYTES:
            self.say("end mark", f"the block takes {self.blocks[-1].length} bytes")
        self.check_state("end mark", end)
        for kind, what, offset, count in (
            (blocks.VOLUME_INDEX, "index", end.index_offset, end.index_blocks),
            (blocks.CATALOG, "catalog", end.catalog_offset, end.catalog_blocks),
        ):
            found = [header.offset - self.volume.start for header in self.blocks if header.kind == kind]
            if (count, offset) != (len(found), found[0] if found else 0) and not self.lost:
                self.say("end mark", f"{what}_blocks {count} from byte {offset}: {len(found)} from {found[:1]}")
        if end.index_blocks < 1:
            self.say("end mark", "index_blocks 0")
        if (end.catalog_blocks > 0) != (end.catalog_volume > 0) or end.catalog_volume > self.volume.volume:
            self.say("end mark", f"catalog_volume {end.catalog_volume}")
        if end.set_complete and not end.catalog_blocks:
            self.say("end mark", "set_complete without a catalog block")


class SetCheck:
    """Reads the volumes of one set and keeps what was found: `problems`, `sections`, `catalog`, bytes, rows, chunks."""

    def __init__(self, group):
        self.group = group
        self.problems, self.sections, self.catalog, self.volumes = [], {}, [], {}
        self.open = None
        self.gap = False
        self.bytes = self.lost_bytes = self.rows = self.chunks = 0
        self.catalog_at = None

    def problem(self, line):
        self.problems.append(line)

    def run(self):
        group = self.group
        numbers = [volume.volume for volume in group.volumes]
        missing = sorted(set(range(1, numbers[-1] + 1)) - set(numbers))
        if missing:
            self.problem(f"volumes missing: {', '.join(map(str, missing))}")
        for at, volume in enumerate(group.volumes):
            if volume.volume > 1 and volume.volume - 1 not in numbers:
                self.gap, self.open = True, None
            after = group.volumes[at + 1].label if at + 1 < len(group.volumes) else None
            follows = after if after is not None and after.volume == volume.volume + 1 else None
            self.read_volume(volume, follows.predecessor if follows is not None else None)
            self.check_label(volume)
        for copy in group.copies:
            self.read_copy(copy)
        last = self.volumes[numbers[-1]]
        if last.end is None or not last.end.set_complete:
            self.problem(f"{last.volume.place}: the set does not end here, and volume {numbers[-1] + 1} is not given")
        if self.open is not None:
            self.problem(f"section {self.open.number} has no end")
        if self.catalog:
            check_catalog(self)
        return self

    def check_label(self, volume):
        label, first = volume.label, self.group.label
        if label is None:
            self.problem(f"{volume.place}: {volume.problem}")
            return
        other = same_but(label, first, DIFFERS)
        if other is not None:
            self.problem(f"{volume.place}: label: {other} is not that of the other volumes of the set")
        before = self.volumes.get(volume.volume - 1)
        if label.predecessor is None or before is None:
            return
        count = label.predecessor.last_block + 1
        if before.end is not None and count != before.end.blocks + 1:
            self.problem(f"{volume.place}: label: last_block of the volume before is {before.end.blocks}")
        elif count < len(before.running):
            if before.running[count] != label.predecessor.running_hash:
                self.problem(f"{volume.place}: label: the volume before ended with another running hash")
        elif not before.lost:
            self.problem(f"{before.volume.place}: it should go on up to block {count - 1}")

    def read_copy(self, volume):
        """A further volume of a number that is there: all but its sections."""
        check = VolumeCheck(volume, self.problem)
        for item in volume.scan():
            if item[0] == "lost":
                self.lost(check, item)
                continue
            _, header, payload = item
            check.take(header)
            self.bytes += header.length
            self.metadata(check, header, payload)
        check.finish()

    def read_volume(self, volume, predecessor):
        check = self.volumes[volume.volume] = VolumeCheck(volume, self.problem)
        for item in volume.scan():
            if item[0] == "lost":
                self.lost(check, item)
                self.gap = True
                continue
            _, header, payload = item
            check.take(header)
            self.bytes += header.length
            # Blocks behind the last one that the next label counts are written again there (5.2).
            if predecessor is None or header.block <= predecessor.last_block:
                self.block(check, header, payload)
        if check.end is None and predecessor is None:
            check.say("end", "the volume is cut off: it has no end mark")
            self.gap = True
        check.finish()

    def lost(self, check, item):
        check.lost = True
        self.lost_bytes += item[2]
        self.problem(check.volume.lost(item))

    def metadata(self, check, header, payload):
        """The records of index and end mark."""
        try:
            if header.kind == blocks.VOLUME_INDEX:
                check.index += records(header, payload)
            elif header.kind == blocks.VOLUME_END:
                check.end = one_record(header, payload)
        except Refused as why:
            check.say(header.place, why)

    def block(self, check, header, payload):
        kind = header.kind
        try:
            if kind == blocks.SECTION_HEADER:
                self.section_header(check, header, one_record(header, payload))
            elif kind in (blocks.CHUNK, blocks.SECTION_END):
                self.in_section(check, header, payload)
            elif kind == blocks.CATALOG:
                if self.open is not None:
                    raise Refused(f"a catalog inside section {self.open.number}")
                self.catalog_at = self.catalog_at or (header.volume, header.block)
                self.catalog += records(header, payload) or [(None, None)]
            else:
                self.metadata(check, header, payload)
        except Refused as why:
            check.say(header.place, why)
            self.gap = True
            if self.open is not None:
                self.open.whole = False

    def section_header(self, check, header, found):
        section = self.sections.get(header.section)
        if section is not None:
            goes_on = self.open is section and section.volume == header.volume - 1
            if not goes_on and not self.gap:
                raise Refused(f"section {header.section} has begun and does not go on here")
            other = same_but(found, section.header, ("first_row", "first_chunk"))
            if other is not None:
                raise Refused(f"{other} is not that of the header before")
            due = (section.rows, section.next_chunk)
            if (found.first_row, found.first_chunk) != due and not self.gap:
                raise Refused(f"row {found.first_row}, chunk {found.first_chunk} where {due[0]}, {due[1]} are due")
        else:
            due = max(self.sections, default=0) + 1
            if not self.gap and (self.open is not None or header.section != due):
                state = f"{due} is due" if self.open is None else f"{self.open.number} is open"
                raise Refused(f"a new section where {state}")
            begins = found.first_row == found.first_chunk == 0
            if not begins and not self.gap:
                raise Refused("a section that begins with later rows")
            section = SimpleNamespace(
                number=header.section, header=found, reader=Reader(found), rows=0, chunks={}, next_chunk=0, buckets={},
                bytes=0, end=None, whole=begins, day=None, held={},
            )
            self.sections[header.section] = section
        section.whole = section.whole and not self.gap
        section.volume = header.volume
        section.bytes += header.length
        self.open, self.gap = section, False

    def in_section(self, check, header, payload):
        section = self.open
        if section is None or section.number != header.section:
            if self.gap:
                raise Refused(f"not checked: the header of section {header.section} was lost")
            raise Refused(f"it belongs to section {header.section}, which is not open here")
        section.volume = header.volume
        section.bytes += header.length
        if self.gap:
            section.whole = False
        if header.kind == blocks.CHUNK:
            self.chunk(check, header, payload, section)
        else:
            self.section_end(one_record(header, payload), section)
            self.open = None
        self.gap = False

    def chunk(self, check, header, payload, section):
        found, columns = section.reader.columns(payload)
        due = (section.next_chunk, section.rows)
        if (found.chunk, found.first_row) != due and section.whole:
            section.whole = False
            check.say(header.place, f"chunk {found.chunk} from row {found.first_row} where {due[0]} from {due[1]} is due")
        computed = section.reader.pieces(found, columns)
        why = compare_pieces(found.pieces, computed)
        if why is not None:
            raise Refused(why)
        self.rows += found.rows
        self.chunks += 1
        section.rows = found.first_row + found.rows
        dated = [piece for piece in computed if piece.day is not None]
        section.next_chunk = found.chunk + 1
        section.chunks[found.chunk] = SimpleNamespace(
            volume=header.volume, block=header.block, offset=header.offset - check.volume.start, bytes=header.length,
            first_row=found.first_row, rows=found.rows, first=min((piece.first for piece in dated), default=0),
            stop=max((piece.stop for piece in dated), default=0),
            undated=sum(piece.rows for piece in computed if piece.day is None),
        )
        if section.header.ordered:
            days = section.reader.days
            if days != sorted(days) or (days and section.day is not None and days[0] < section.day):
                raise Refused("the days of the rows do not ascend, though the section is ordered")
            section.day = days[-1] if days else section.day
        self.add_pieces(found, computed, section)

    def add_pieces(self, found, computed, section):
        for said, piece in zip(found.pieces, computed):
            bucket = section.buckets.get(bucket_key(piece))
            if bucket is None:
                bucket = SimpleNamespace(
                    acd=piece.acd, day=piece.day, pieces=0, rows=0, carried=0, first=piece.first, stop=piece.stop,
                    digest=0, carried_digest=0, last=0, chunk=0,
                )
                section.buckets[bucket_key(piece)] = bucket
            if section.whole and said.piece != bucket.pieces:
                raise Refused(f"piece {said.piece} of {bucket_name(piece)} where {bucket.pieces} is due")
            if bucket.last == 1:
                raise Refused(f"a piece of {bucket_name(piece)} after one that was marked as its last")
            bucket.pieces += 1
            bucket.rows += piece.rows
            bucket.carried += piece.carried
            bucket.first, bucket.stop = min(bucket.first, piece.first), max(bucket.stop, piece.stop)
            bucket.digest = (bucket.digest + piece.digest) % DIGEST
            bucket.carried_digest = (bucket.carried_digest + piece.carried_digest) % DIGEST
            bucket.last, bucket.chunk = said.last, found.chunk
            if piece.held_start is not None:
                section.held.setdefault(piece.acd, []).append((piece.held_start, piece.held_stop))

    def section_end(self, end, section):
        section.end = end
        label = self.group.label
        if not section.whole:
            return
        computed = {
            "rows": section.rows, "chunks": len(section.chunks), "buckets": len(section.buckets),
            "digest": (sum(bucket.digest for bucket in section.buckets.values()) % DIGEST).to_bytes(16, "little"),
        }
        for name, value in computed.items():
            if getattr(end, name) != value:
                raise Refused(f"{name}: {getattr(end, name)} is said, {value} was found")
        undo = label is not None and label.purpose == 1
        for bucket in section.buckets.values():
            in_last = bucket.chunk == section.next_chunk - 1 and not undo
            # Of a bucket with lost rows no piece is marked (5.9).
            in_last = in_last and end.lost is None
            if bucket.last == 2 or (in_last and bucket.last != 1):
                raise Refused(f"the last piece of {bucket_name(bucket)} is marked {bucket.last}")
        if label is None:
            return
        if not label.incremental:
            if end.held != end.envelope:
                raise Refused("the envelope of a full set is not its held ranges")
            if not undo and end.lost is None:
                held_of_full(section, end)
        if end.lost is not None:
            return
        for acd in sorted(section.held, key=acd_key):
            for start, stop in section.held[acd]:
                if not in_ranges(end.held, acd, start, stop):
                    raise Refused(f"a bucket has rows outside the held ranges: ACD {acd}, {start} to {stop}")
