"""What the members of a chain say of each other (5.8): unwritten buckets and held ranges of incremental sets.

It needs all members from the full set on; where one is missing, or was salvaged with losses, nothing is said.
"""

from .catalog import in_ranges, merged
from .chunks import bucket_name
from .notation import DAY, Refused
from .records import acd_key, bucket_key, member_id
from .times import MONTHLY, WEEKLY, month_end

FAR = 1 << 62  # beyond every instant


def check_chains(checks):
    """Lines for people of what is wrong, and how many unwritten buckets were found on an older member."""
    problems, found, chains = [], 0, {}
    for check in checks:
        if check.group.label is not None and check.group.label.purpose == 0:
            chains.setdefault(check.group.label.chain, []).append(check)
    for members in chains.values():
        members.sort(key=lambda check: check.group.label.sequence)
        if [check.group.label.sequence for check in members] != list(range(len(members))):
            continue
        if any(check.group.label.salvaged and check.group.label.salvaged.lost for check in members):
            continue  # what a salvaged member lacks nobody else need have (5.9)
        for at in range(1, len(members)):
            child, older = members[at], members[:at]
            name = f"set {child.group.set_id.hex()}"
            if child.group.label.parent_set != member_id(older[-1].group.label):
                problems.append(f"{name}: its parent is not the member before it")
            for section in child.sections.values():
                try:
                    found += check_section(section, older)
                except Refused as why:
                    problems.append(f"{name}: {section.header.table}: {why}")
    return problems, found


def check_section(section, older):
    """One section of an incremental set against the older members; gives how many unwritten buckets these have."""
    listed = getattr(section, "listed", None)
    if listed is None:
        return 0
    unwritten = [bucket for bucket in listed.values() if not bucket.pieces]
    for bucket in unwritten:
        if not any(has_copy(member, section.header.table, bucket) for member in older):
            raise Refused(
                f"{bucket_name(bucket)} is unwritten, and no older member has it with these rows and this digest"
            )
    before = next((find for member in reversed(older) if (find := section_of(member, section.header.table))), None)
    if before is not None and getattr(before, "listed", None) is not None and section.header.grain:
        check_held(section, before)
    return len(unwritten)


def section_of(member, table):
    return next((section for section in member.sections.values() if section.header.table == table), None)


def has_copy(member, table, bucket):
    """Whether a member wrote the bucket, with the same rows and the same digest."""
    section = section_of(member, table)
    copy = section.buckets.get(bucket_key(bucket)) if section is not None else None
    return copy is not None and (copy.rows, copy.digest) == (bucket.rows, int.from_bytes(bucket.digest, "little"))


def same_table(one, other):
    """Whether digests of the two sections can be compared."""
    return (one.columns, one.clock, one.acd_column) == (other.columns, other.clock, other.acd_column)


def period(grain, bucket):
    """The day or period of a bucket, and what its rows reach beyond."""
    start = bucket.day * DAY
    stop = start + (7 * DAY if grain == WEEKLY else DAY)
    if grain == MONTHLY:
        stop = month_end(bucket.day)
    return start, max(stop, bucket.stop)


def check_held(section, before):
    """The held ranges: of the envelope what is in a written or vanished bucket, or outside the envelope before."""
    grain = section.header.grain
    for acd in sorted({entry.acd for entry in section.end.envelope}, key=acd_key):
        envelope = spans_of(section.end.envelope, acd)
        if same_table(section.header, before.header):
            written = [bucket for bucket in section.listed.values() if bucket.pieces]
            # What it has written anew, or has no longer, reached as far as its rows did before.
            written += [
                bucket for key, bucket in before.listed.items()
                if key not in section.listed or section.listed[key].pieces
            ]
            touched = [period(grain, bucket) for bucket in written if bucket.acd == acd and bucket.day is not None]
            due = intersect(envelope, union(touched + outside(spans_of(before.end.envelope, acd))))
        else:
            due = envelope
        held = spans_of(section.end.held, acd)
        if held != due:
            raise Refused(f"the held ranges of ACD {acd} are {held[:4]}, by the buckets {due[:4]}")
    for entry in section.end.held:
        if not in_ranges(section.end.envelope, entry.acd, entry.start, entry.stop):
            raise Refused("a held range lies outside the envelope")


def spans_of(entries, acd):
    return [(start, stop) for of, start, stop in merged(entries) if of == acd]


def union(spans):
    found = []
    for start, stop in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return found


def outside(spans):
    edges = [-FAR, *(edge for span in spans for edge in span), FAR]
    return [(start, stop) for start, stop in zip(edges[::2], edges[1::2]) if start < stop]


def intersect(ones, others):
    found = [(max(a, c), min(b, d)) for a, b in ones for c, d in others]
    return union([(start, stop) for start, stop in found if start < stop])
