"""The catalog of a set, and held ranges, against what was read of its volumes (5.4, 5.8, 9.2)."""

from .chunks import bucket_name
from .records import acd_key, ascends, bucket_key
from .notation import Refused


def merged(entries):
    """Ranges as (acd, start, stop), those of an ACD that touch made one."""
    found = []
    for entry in entries:
        if found and found[-1][0] == entry.acd and found[-1][2] == entry.start:
            found[-1][2] = entry.stop
        else:
            found.append([entry.acd, entry.start, entry.stop])
    return [tuple(entry) for entry in found]


def in_ranges(entries, acd, start, stop):
    return any(entry[0] == acd and entry[1] <= start and stop <= entry[2] for entry in merged(entries))


def held_of_full(section, end):
    """A full set holds each ACD from the start of its first complete row to the end of its last one."""
    due = [
        (acd, min(start for start, _ in section.held[acd]), max(stop for _, stop in section.held[acd]))
        for acd in sorted(section.held, key=acd_key)
    ]
    if merged(end.held) != due:
        raise Refused(f"the held ranges {merged(end.held)[:3]} are not those of the complete rows, {due[:3]}")


def check_catalog(check):
    """Every record of the catalog against the sections, volumes and chunks that were read."""
    try:
        read_catalog(check)
    except Refused as why:
        check.problem(f"catalog from block {check.catalog_at[1]} of volume {check.catalog_at[0]} on: {why}")


def need(holds, why):
    if not holds:
        raise Refused(why)


def read_catalog(check):
    found = iter(check.catalog + [(None, None)])
    kind, record = next(found)
    need(kind == 7, "it does not begin with a catalog record")
    head = record
    need(head.volumes == check.catalog_at[0], f"volumes {head.volumes}: it begins on volume {check.catalog_at[0]}")
    kind, record = next(found)
    volumes = []
    while kind == 8:
        need(record.first_volume == len(volumes) + 1, f"a volume list from {record.first_volume} on")
        volumes += record.volumes
        kind, record = next(found)
    check_volumes(check, head, volumes)
    rows = 0
    for number in range(1, head.sections + 1):
        need(kind == 9 and record.section == number, f"the record of section {number} is missing")
        section, chunks, buckets = record, [], []
        kind, record = next(found)
        while kind == 10:
            in_order = (record.section, record.first_chunk) == (number, len(chunks))
            need(in_order, f"section {number}: a chunk list out of order")
            chunks += record.chunks
            kind, record = next(found)
        while kind == 11:
            in_order = (record.section, record.first_bucket) == (number, len(buckets))
            need(in_order, f"section {number}: a bucket list out of order")
            buckets += record.buckets
            kind, record = next(found)
        rows += section.end.rows
        try:
            check_section(check, number, section, chunks, buckets)
        except Refused as why:
            raise Refused(f"section {number} ({section.header.table}): {why}") from None
    need(kind is None, "records behind the last section")
    need(head.rows == rows, f"rows {head.rows}: the sections have {rows}")
    need(all(number <= head.sections for number in check.sections), f"sections {head.sections}, more were found")


def check_volumes(check, head, listed):
    need(len(listed) == head.volumes, f"{len(listed)} volumes listed, {head.volumes} are due")
    for number, entry in enumerate(listed, 1):
        volume = check.volumes.get(number)
        if volume is None:
            continue
        follows = check.volumes.get(number + 1)
        label = follows.volume.label if follows is not None else None
        if number == head.volumes:
            due = check.catalog_at[1]
        elif label is not None and label.predecessor is not None:
            due = label.predecessor.last_block + 1
        else:
            due = entry.blocks
        need(entry.blocks == due, f"volume {number}: {entry.blocks} blocks listed, {due} are due")
        volume.check_state("volume list", entry)


def check_section(check, number, listed, chunks, buckets):
    keys = [bucket_key(bucket) for bucket in buckets]
    need(ascends(keys), "the buckets do not ascend")
    need(len(buckets) == listed.listed, f"{len(buckets)} buckets are listed, of {listed.listed}")
    label = check.group.label
    for bucket in buckets:
        written = bucket.pieces > 0
        need(written or (label is None or label.incremental), f"{bucket_name(bucket)} has no pieces in a full set")
        need(written or (bucket.rows > 0 and bucket.carried == 0), f"{bucket_name(bucket)} has no pieces and no rows")
        both = (bucket.carried_digest is not None) == (bucket.carried > 0)
        need(both, f"{bucket_name(bucket)} has a digest of carried rows without them, or none")
    section = check.sections.get(number)
    if section is None:
        need(not all(volume.end and not volume.lost for volume in check.volumes.values()), "it is not on the volumes")
        return
    if section.header.first_row == 0 and section.header.first_chunk == 0:
        need(listed.header == section.header, "the header is not that of the section")
    need(section.end is None or listed.end == section.end, "the end is not that of the section")
    for number, chunk in section.chunks.items():
        need(number < len(chunks) and chunks[number] == chunk, f"the entry of chunk {number} is not what was read")
    whole = len(chunks) == len(section.chunks) or not section.whole
    need(whole, f"{len(chunks)} chunks are listed, {len(section.chunks)} were read")
    if not section.whole:
        return
    need(listed.bytes == section.bytes, f"bytes {listed.bytes}: its blocks take {section.bytes}")
    written = {bucket_key(bucket): bucket for bucket in buckets if bucket.pieces}
    need(written.keys() == section.buckets.keys(), "the buckets listed as written are not those that were read")
    for key, entry in written.items():
        bucket = section.buckets[key]
        for name in ("pieces", "rows", "carried", "first", "stop"):
            said, due = getattr(entry, name), getattr(bucket, name)
            need(said == due, f"{bucket_name(entry)}: {name} {said}, read were {due}")
        for name in ("digest", "carried_digest"):
            same = int.from_bytes(getattr(entry, name) or b"", "little") == getattr(bucket, name)
            need(same, f"{bucket_name(entry)}: the {name} is another")
    section.listed = dict(zip(keys, buckets))
