"""Chapters 4, 5, 6.1, 6.2 and 9: the records of a payload, their fields, and what these may hold.

Every reader here gives a namespace with the names of the tables of format-spec.md, or raises Refused.
"""

from .notation import (
    FIRST_INSTANT, LAST_INSTANT, MAX_COLUMNS, MAX_DECODED, MAX_NAME, MAX_PIECES, MAX_RECORD, MAX_ROWS,
    MAX_SECTIONS, MAX_VOLUMES, Cursor, Refused, boolean, embedded, fields, fixed, i32, i64, option, pair, several, text,
    u8, u16, u32, u64,
)

name = text(MAX_NAME)

LABEL = fields(
    ("required_features", u64), ("optional_features", u64), ("set_id", fixed(16)), ("volume", u32), ("label", name),
    ("created_unix", i64), ("created_civil", i64), ("source_store", name), ("source_server", name),
    ("source_database", name), ("source_version", name), ("data_types", u32), ("acd", option(i64)),
    ("incremental", boolean), ("parent_set", option(fixed(16))), ("sequence", u32), ("capacity", u64),
    ("device_record", u32), ("predecessor", option(fields(("last_block", u64), ("running_hash", fixed(32))))),
    ("retain_until", option(i32)), ("software", name), ("purpose", u8), ("chain", fixed(16)),
    ("salvaged", option(fields(("set", fixed(16)), ("lost", u8)))),
)
CLOCK = fields(
    ("kind", u8), ("date_column", u32), ("time_column", option(u32)), ("length_column", option(u32)),
    ("length_minutes", u32), ("zone", name),
)
COLUMN = fields(
    ("name", name), ("logical", u16), ("parameter", u32), ("parameter2", u32), ("nullable", boolean),
    ("declared", name), ("collation", name),
)
SECTION_HEADER = fields(
    ("table", name), ("data_type", u32), ("grain", u8), ("clock", CLOCK), ("acd_column", option(u32)),
    ("columns", several(COLUMN, MAX_COLUMNS)), ("first_row", u64), ("first_chunk", u64), ("ordered", boolean),
    ("slot_minutes", u32), ("server_bound", boolean), ("digest_id", u16),
    ("cutoffs", several(fields(("acd", option(i64)), ("cutoff", i64)))),
)
HELD = fields(("acd", option(i64)), ("start", i64), ("stop", i64))
SECTION_END = fields(
    ("rows", u64), ("chunks", u64), ("buckets", u64), ("digest", fixed(16)), ("held", several(HELD)),
    ("envelope", several(HELD)),
    ("lost", option(fields(
        ("any_time", boolean), ("time", several(HELD)), ("undated", several(option(i64))), ("gaps", several(u64)),
    ))),
)
PIECE = fields(
    ("acd", option(i64)), ("day", option(i32)), ("piece", u32), ("last", u8), ("rows", u32), ("carried", u32),
    ("first", i64), ("stop", i64), ("digest", fixed(16)), ("carried_digest", option(fixed(16))),
)
CHUNK_DIRECTORY = fields(
    ("chunk", u64), ("first_row", u64), ("rows", u32),
    ("columns", several(fields(("encoding", u16), ("stored", u32), ("decoded", u32)), MAX_COLUMNS)),
    ("pieces", several(PIECE, MAX_PIECES)),
)
VOLUME_INDEX = fields(("blocks", u64), ("bytes", u64), ("running_hash", fixed(32)), ("continues", boolean))
BLOCK_LIST = fields(
    ("first_block", u64),
    ("blocks", several(fields(("kind", u8), ("section", u32), ("offset", u64), ("bytes", u32), ("hash", fixed(32))))),
)
CATALOG = fields(
    ("volumes", u32), ("sections", u32), ("rows", u64), ("absent", several(text())),
    ("left_out", several(pair(text(), text()))),
)
VOLUME_LIST = fields(
    ("first_volume", u32), ("volumes", several(fields(("blocks", u64), ("bytes", u64), ("running_hash", fixed(32))))),
)
CHUNK_LIST = fields(
    ("section", u32), ("first_chunk", u64),
    ("chunks", several(fields(
        ("volume", u32), ("block", u64), ("offset", u64), ("bytes", u32), ("first_row", u64), ("rows", u32),
        ("first", i64), ("stop", i64), ("undated", u32),
    ))),
)
BUCKET_LIST = fields(
    ("section", u32), ("first_bucket", u64),
    ("buckets", several(fields(
        ("acd", option(i64)), ("day", option(i32)), ("pieces", u32), ("rows", u64), ("carried", u64), ("first", i64),
        ("stop", i64), ("digest", fixed(16)), ("carried_digest", option(fixed(16))),
    ))),
)
VOLUME_END = fields(
    ("blocks", u64), ("bytes", u64), ("running_hash", fixed(32)), ("index_offset", u64), ("index_blocks", u32),
    ("catalog_offset", u64), ("catalog_blocks", u32), ("catalog_volume", u32), ("set_complete", boolean),
)


def bucket_key(entry):
    """What buckets are sorted by: the ACD, none first, then the day, none first."""
    return (entry.acd is not None, entry.acd or 0, entry.day is not None, entry.day or 0)


def acd_key(acd):
    return (acd is not None, acd or 0)


def need(holds, why):
    if not holds:
        raise Refused(why)


def ascends(keys):
    return all(before < after for before, after in zip(keys, keys[1:]))


def member_id(found):
    """The set in whose place a set stands in its chain (5.9): itself unless it was salvaged."""
    return found.set_id if found.salvaged is None else found.salvaged.set


def label(cursor):
    found = LABEL(cursor)
    need(1 <= found.volume <= MAX_VOLUMES, f"volume number {found.volume}")
    need(found.incremental == (found.parent_set is not None), "parent_set is given exactly for an incremental set")
    need((found.sequence > 0) == found.incremental, f"sequence {found.sequence} of a set that is not as incremental")
    need((found.volume > 1) == (found.predecessor is not None), "predecessor is given exactly from volume 2 on")
    need(found.purpose in (0, 1), f"purpose {found.purpose}")
    need(not (found.purpose == 1 and found.incremental), "an undo set that is incremental")
    need((found.chain == member_id(found)) != found.incremental, "chain is the set itself exactly for one that is no incremental")
    need(found.salvaged is None or found.salvaged.lost <= 2, "salvaged: lost is 0 to 2")
    need(found.salvaged is None or found.salvaged.set != found.set_id, "a set that was salvaged from itself")
    need(found.data_types < 64 and (found.data_types & 32 == 0 or found.data_types == 32), f"data_types {found.data_types}")
    return found


def section_header(cursor):
    found = SECTION_HEADER(cursor)
    clock, width = found.clock, len(found.columns)
    need(found.data_type in (1, 2, 4, 8, 16), f"data_type {found.data_type}")
    need(found.grain <= 5, f"grain {found.grain}")
    need(clock.kind <= 4, f"clock {clock.kind}")
    need((found.grain == 0) == (clock.kind == 0), f"clock {clock.kind} with grain {found.grain}")
    need((clock.kind == 1) == (clock.time_column is not None), "time_column is given exactly for clock 1")
    used = [found.acd_column, clock.time_column, clock.length_column, clock.date_column if clock.kind else None]
    need(all(column is None or column < width for column in used), f"a column number beyond the {width} columns")
    need(clock.length_column is None or found.grain == 1, "length_column without grain interval")
    fixed_length = found.grain == 1 and clock.length_column is None
    minutes_fit = 1 <= clock.length_minutes <= 1440 if fixed_length else clock.length_minutes == 0
    need(minutes_fit, f"length_minutes {clock.length_minutes}")
    need(bool(clock.zone) == (clock.kind == 4), "zone is given exactly for clock 4")
    need(1 <= found.slot_minutes <= 1440, f"slot_minutes {found.slot_minutes}")
    need(found.digest_id == 1, f"digest_id {found.digest_id}: this reader knows 1")
    need(ascends([acd_key(entry.acd) for entry in found.cutoffs]), "the cutoffs do not ascend by ACD")
    return found


def ranges(entries, what):
    need(all(entry.start < entry.stop for entry in entries), f"{what}: a range whose stop is not after its start")
    for before, after in zip(entries, entries[1:]):
        same = before.acd == after.acd
        in_order = before.stop <= after.start if same else acd_key(before.acd) < acd_key(after.acd)
        need(in_order, f"{what}: ranges out of order")


def section_end(cursor):
    found = SECTION_END(cursor)
    ranges(found.held, "held")
    ranges(found.envelope, "envelope")
    if found.lost is not None:
        ranges(found.lost.time, "lost time")
        need(not (found.lost.any_time and found.lost.time), "lost time where any time may be lost")
        need(ascends([acd_key(acd) for acd in found.lost.undated]), "the ACDs with all undated rows do not ascend")
        need(ascends(found.lost.gaps), "the gaps do not ascend")
        need(not found.lost.gaps or found.lost.gaps[-1] <= found.rows, "a gap behind the last row")
    return found


def chunk_directory(cursor):
    found = CHUNK_DIRECTORY(cursor)
    need(found.rows <= MAX_ROWS, f"{found.rows} rows: at most {MAX_ROWS} are allowed")
    need(found.first_row + found.rows < 1 << 64, "first_row is too large")
    decoded = sum(column.decoded for column in found.columns)
    need(decoded <= MAX_DECODED, f"{decoded} bytes decoded: at most {MAX_DECODED} are allowed")
    need(sum(piece.rows + piece.carried for piece in found.pieces) == found.rows, "the pieces do not add up to the rows")
    need(len({bucket_key(piece) for piece in found.pieces}) == len(found.pieces), "two pieces of one bucket")
    for piece in found.pieces:
        need(piece.rows + piece.carried > 0, "a piece without rows")
        need((piece.carried_digest is not None) == (piece.carried > 0), "a digest of carried rows without them, or none")
        need(piece.last <= 2, f"last {piece.last}")
        if piece.day is None:
            need(piece.first == piece.stop == 0, "a piece without a day that has a span")
        else:
            need(FIRST_INSTANT <= piece.first < piece.stop <= LAST_INSTANT, f"a piece from {piece.first} to {piece.stop}")
            need(FIRST_INSTANT <= piece.day * 86400 < LAST_INSTANT, f"a piece of day {piece.day}")
    return found


def catalog(cursor):
    found = CATALOG(cursor)
    need(found.sections <= MAX_SECTIONS, f"{found.sections} sections")
    return found


CATALOG_SECTION = fields(
    ("section", u32), ("header", embedded(section_header)), ("end", embedded(section_end)), ("bytes", u64),
    ("listed", u64),
)

# Kind of record: its name, the kinds of block it stands in, its reader.
RECORDS = {
    1: ("label", (1,), label),
    2: ("section header", (2,), section_header),
    3: ("section end", (4,), section_end),
    4: ("chunk directory", (3,), chunk_directory),
    5: ("volume index", (5,), VOLUME_INDEX),
    6: ("block list", (5,), BLOCK_LIST),
    7: ("catalog", (6,), catalog),
    8: ("volume list", (6,), VOLUME_LIST),
    9: ("catalog section", (6,), CATALOG_SECTION),
    10: ("chunk list", (6,), CHUNK_LIST),
    11: ("bucket list", (6,), BUCKET_LIST),
    12: ("volume end", (7,), VOLUME_END),
}
# Kind of block: the kind of the one record that it asks for.
ONE_RECORD = {1: 1, 2: 2, 4: 3, 7: 12}


def frame(cursor):
    """One frame and its body: the kind, and the record, or None for a kind that this reader does not know."""
    kind, version, length = u16(cursor, "record kind"), u16(cursor, "record version"), u32(cursor, "record length")
    need(version > 0, "a record of version 0")
    need(length <= MAX_RECORD, f"a record of {length} bytes: at most {MAX_RECORD} are allowed")
    body = Cursor(cursor.take(length, "record body"))
    if kind not in RECORDS:
        return kind, None
    title, _, reader = RECORDS[kind]
    try:
        return kind, reader(body)
    except Refused as why:
        raise Refused(f"{title} record: {why}") from None


def records(header, payload):
    """All records of a block that is no chunk: pairs of kind and record, those of unknown kinds left out."""
    cursor, found = Cursor(payload), []
    while cursor.left():
        kind, record = frame(cursor)
        if record is None:
            continue
        title, blocks, _ = RECORDS[kind]
        need(header.kind in blocks, f"a {title} record in a block of kind {header.kind}")
        found.append((kind, record))
    asked = ONE_RECORD.get(header.kind)
    if asked is not None:
        need(len(found) == 1, f"{len(found)} records in a block that holds one {RECORDS[asked][0]} record")
    return found


def one_record(header, payload):
    """The one record of a label, section header, section end or end mark."""
    return records(header, payload)[0][1]


def directory(payload):
    """The directory of a chunk, and the column bytes behind it."""
    cursor = Cursor(payload)
    kind, found = frame(cursor)
    need(kind == 4, f"a record of kind {kind} where the chunk directory is due")
    stored = sum(column.stored for column in found.columns)
    need(stored == cursor.left(), f"the columns say {stored} bytes, {cursor.left()} follow the directory")
    return found, payload[cursor.at :]


def unknown_features(found):
    """Why a volume with this label must not be read, or None (11.2)."""
    return f"required features {found.required_features:#x} are not known" if found.required_features else None


