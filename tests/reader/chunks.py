"""One chunk: its rows, and its pieces computed anew from them (chapter 6)."""

from types import SimpleNamespace

from .columns import decode_columns
from .notation import DAY, Refused
from .records import directory
from .rows import row_hashes
from .times import Clock, show

DIGEST = 1 << 128


class Reader:
    """Reads the chunks of one section, by its header."""

    def __init__(self, header):
        self.header = header
        self.logical = [column.logical for column in header.columns]
        self.cutoffs = {entry.acd: entry.cutoff for entry in header.cutoffs}
        self.clock = None  # made when it is asked for: rows can be read without knowing their zone
        self.days = []  # of the dated rows of the chunk whose pieces were computed last

    def open(self, payload):
        """The directory of a chunk and its column bytes."""
        found, data = directory(payload)
        if len(found.columns) != len(self.header.columns):
            raise Refused(f"{len(found.columns)} columns in a section of {len(self.header.columns)}")
        return found, data

    def columns(self, payload):
        """The directory and the decoded columns of a chunk."""
        found, data = self.open(payload)
        return found, decode_columns(found, data)

    def pieces(self, found, columns):
        """What the chunk holds of each bucket, in order of first appearance: all fields of a piece that rows can say.

        Beside them `held_start` and `held_stop`: the span of the rows that the set speaks for, None without any.
        """
        rows = found.rows
        self.clock = self.clock or Clock(self.header)
        hashes = row_hashes(self.logical, columns, rows)
        spans = self.clock.spans(columns, rows)
        self.days = [span[0] // DAY for span in spans if span is not None]
        pieces = {}
        for acd, span, number in zip(self.clock.acds(columns, rows), spans, hashes):
            day = None if span is None else span[0] // DAY
            piece = pieces.get((acd, day))
            if piece is None:
                start, stop = span or (0, 0)
                piece = SimpleNamespace(
                    acd=acd, day=day, rows=0, carried=0, first=start, stop=stop, digest=0, carried_digest=0,
                    held_start=None, held_stop=None,
                )
                pieces[acd, day] = piece
            if span is None:
                piece.rows += 1
                piece.digest += number
                continue
            start, stop = span
            if start < piece.first:
                piece.first = start
            if stop > piece.stop:
                piece.stop = stop
            cutoff = self.cutoffs.get(acd)
            if cutoff is not None and stop > cutoff:
                piece.carried += 1
                piece.carried_digest += number
                continue
            piece.rows += 1
            piece.digest += number
            if piece.held_start is None or start < piece.held_start:
                piece.held_start = start
            if piece.held_stop is None or stop > piece.held_stop:
                piece.held_stop = stop
        for piece in pieces.values():
            piece.digest %= DIGEST
            piece.carried_digest %= DIGEST
        return list(pieces.values())


def bucket_name(piece):
    acd = "no ACD" if piece.acd is None else f"ACD {piece.acd}"
    return f"{acd}, " + ("undated" if piece.day is None else show(piece.day * DAY)[:10])


def compare_pieces(said, computed):
    """Why the pieces of a directory are not those of its rows, or None."""
    for one, other in zip(said, computed):
        if (one.acd, one.day) != (other.acd, other.day):
            return f"the piece of {bucket_name(one)} is that of {bucket_name(other)} by the rows"
        for name in ("rows", "carried", "first", "stop"):
            if getattr(one, name) != getattr(other, name):
                return f"piece of {bucket_name(one)}: {name} {getattr(one, name)}, by the rows {getattr(other, name)}"
        for name in ("digest", "carried_digest"):
            if int.from_bytes(getattr(one, name) or b"", "little") != getattr(other, name):
                return f"piece of {bucket_name(one)}: the {name} is not that of its rows"
    if len(said) != len(computed):
        return f"{len(said)} pieces, {len(computed)} by the rows"
    return None
