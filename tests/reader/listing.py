"""What is on the volumes: labels, sections, rows, ACDs, ranges. Read from the end where that goes (5.6).

With a catalog no chunk is read; without one the directories of the chunks say which rows and ACDs there are.
"""

import datetime

from . import blocks, values
from .catalog_reader import catalog_of
from .notation import Refused
from .records import acd_key, directory, one_record
from .times import GRAINS, date_of_day, show

DATA_TYPES = ("local", "system", "acd", "historical", "custom", "specific")


def data_types(bits):
    return " ".join(name for bit, name in enumerate(DATA_TYPES) if bits >> bit & 1) or "nothing"


def acd_name(acd):
    return "none" if acd is None else str(acd)


def ranges(entries):
    return [f"ACD {acd_name(entry.acd)} from {show(entry.start)} to {show(entry.stop)}" for entry in entries]


class Section:
    """What a listing says of a section; `rows` and `end` are None where its end was not read."""

    def __init__(self, header):
        self.header, self.end, self.acds, self.rows, self.chunks, self.unwritten = header, None, set(), 0, 0, 0


def from_catalog(found):
    sections = {}
    for kind, record in found:
        if kind == 9:
            section = sections[record.section] = Section(record.header)
            section.end, section.rows, section.chunks = record.end, record.end.rows, record.end.chunks
        elif kind == 11:
            section = sections.get(record.section)
            if section is None:
                raise Refused(f"the catalog has buckets of section {record.section}, which it does not name")
            section.acds.update(bucket.acd for bucket in record.buckets)
            section.unwritten += sum(1 for bucket in record.buckets if not bucket.pieces)
    return sections


def from_scan(group, problems):
    sections = {}
    for volume in group.volumes:
        for item in volume.scan():
            if item[0] == "lost":
                problems.append(volume.lost(item))
                continue
            _, header, payload = item
            section = sections.get(header.section)
            try:
                if header.kind == blocks.SECTION_HEADER and section is None:
                    sections[header.section] = Section(one_record(header, payload))
                elif header.kind == blocks.SECTION_END and section is not None:
                    section.end = one_record(header, payload)
                elif header.kind == blocks.CHUNK and section is not None:
                    found, _ = directory(payload)
                    section.rows += found.rows
                    section.chunks += 1
                    section.acds.update(piece.acd for piece in found.pieces)
            except Refused as why:
                problems.append(f"{volume.place}: {header.place}: {why}")
    return sections


def list_set(group, write):
    """Writes what the set has; gives its problems."""
    problems = []
    write(f"set {group.set_id.hex()}\n")
    if group.label is None:
        problems.append(f"set {group.set_id.hex()}: no label of it can be read")
    else:
        write_label(group.label, write)
    for volume in group.volumes + group.copies:
        end = volume.end_mark()
        if end is None:
            state, _ = "cut off", problems.append(f"{volume.place}: the volume has no end mark")
        else:
            state = f"{end.blocks + 1} blocks, " + ("the set ends here" if end.set_complete else "the set goes on")
        name = values.name(volume.label.label) if volume.label is not None else "label lost"
        write(f"  volume {volume.volume} {name}: {volume.stop - volume.start} bytes, {state}: {volume.place}\n")
    numbers = [volume.volume for volume in group.volumes]
    missing = sorted(set(range(1, numbers[-1] + 1)) - set(numbers))
    if missing:
        problems.append(f"set {group.set_id.hex()}: volumes missing: {', '.join(map(str, missing))}")
    catalog = catalog_of(group)
    try:
        sections = None if catalog is None else from_catalog(catalog)
    except Refused as why:
        problems.append(f"set {group.set_id.hex()}: {why}")
        catalog = sections = None
    if sections is None:
        write("  no catalog: what follows is from a scan\n")
        sections = from_scan(group, problems)
    for number in sorted(sections):
        write_section(number, sections[number], write)
    for kind, record in catalog or []:
        if kind == 7:
            for name in record.absent:
                write(f"  absent {values.name(name)}\n")
            for name, why in record.left_out:
                write(f"  left out {values.name(name)}: {values.name(why)}\n")
    return problems


def write_label(label, write):
    kind = "undo set" if label.purpose else f"incremental {label.sequence}" if label.incremental else "full"
    begun = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=max(0, min(label.created_unix, 1 << 36)))
    write(f"  {kind}, begun {begun} UTC, {show(label.created_civil)} at the source, by {values.name(label.software)}\n")
    if label.incremental:
        write(f"  builds on {label.parent_set.hex()}, chain {label.chain.hex()}\n")
    source = ("source_store", "source_server", "source_database", "source_version")
    write(f"  source {' '.join(values.name(getattr(label, field)) for field in source)}\n")
    acd = "all ACDs" if label.acd is None else f"ACD {label.acd}"
    write(f"  data {data_types(label.data_types)}, {acd}, device record {label.device_record}, capacity {label.capacity}\n")
    if label.retain_until is not None:
        try:
            write(f"  to be kept until {date_of_day(label.retain_until)}\n")
        except (ValueError, OverflowError):
            write(f"  to be kept until day {label.retain_until}\n")


def write_section(number, section, write):
    header = section.header
    acds = ", ".join(acd_name(acd) for acd in sorted(section.acds, key=acd_key)) or "no rows"
    write(
        f"  section {number} {values.name(header.table)}: {section.rows} rows in {section.chunks} chunks, "
        f"{len(header.columns)} columns, {GRAINS[header.grain]}, {data_types(header.data_type)}, ACDs: {acds}\n"
    )
    if section.unwritten:
        write(f"    {section.unwritten} buckets unwritten: as the members of the chain before have them\n")
    if section.end is None:
        write("    no end: rows may be missing\n")
        return
    for what, entries in (("holds", section.end.held), ("envelope", section.end.envelope)):
        if what == "holds" or section.end.held != section.end.envelope:
            for line in ranges(entries):
                write(f"    {what} {line}\n")
    for entry in header.cutoffs:
        write(f"    carried after {show(entry.cutoff)} of ACD {acd_name(entry.acd)}\n")
