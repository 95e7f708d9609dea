"""All rows as text. Lines that begin with `#` say what follows:

    # set ID label "LABEL" volume COUNT
    # section NUMBER table "NAME"
    # columns "NAME" TYPE, ...
    a line for each row: its values with commas between them, as values.py writes them
    # end section NUMBER rows COUNT

The rows come in the order in which they lie on the volumes. A line of a row never begins with `#`.
"""

from . import blocks, values
from .catalog_reader import headers_of
from .chunks import Reader
from .notation import Refused
from .records import one_record
from .rows import TYPES


def type_name(column):
    known = 1 <= column.logical <= len(TYPES)
    name = TYPES[column.logical - 1] if known else f"type {column.logical}"
    numbers = [str(number) for number in (column.parameter, column.parameter2) if number]
    return name + (f" {' '.join(numbers)}" if numbers else "") + ("" if column.nullable else " not null")


class Dump:
    """Writes the rows of sets; `problems` are what could not be read."""

    def __init__(self, write, table=None):
        self.write, self.table = write, table
        self.problems, self.rows, self.found = [], 0, False

    def set(self, group):
        label = values.name(group.label.label) if group.label is not None else "lost"
        self.write(f"# set {group.set_id.hex()} label {label} volumes {len(group.volumes)}\n")
        headers, state = None, {"section": None, "reader": None, "rows": 0}
        for at, volume in enumerate(group.volumes):
            after = group.volumes[at + 1].label if at + 1 < len(group.volumes) else None
            stop = after.predecessor.last_block if after is not None and after.volume == volume.volume + 1 else None
            for item in volume.scan():
                if item[0] == "lost":
                    self.problems.append(volume.lost(item))
                    continue
                _, header, payload = item
                if header.kind not in blocks.IN_SECTION or (stop is not None and header.block > stop):
                    continue
                if header.kind == blocks.CHUNK and state["section"] != header.section and headers is None:
                    headers = headers_of(group)
                try:
                    self.block(header, payload, state, headers or {})
                except Refused as why:
                    self.problems.append(f"{volume.place}: {header.place}: {why}")
        self.close(state)

    def begin(self, state, number, header):
        self.close(state)
        wanted = self.table is None or header.table == self.table
        state.update(section=number, reader=Reader(header) if wanted else None, rows=0)
        if wanted:
            self.found = True
            self.write(f"# section {number} table {values.name(header.table)}\n")
            shown = ", ".join(f"{values.name(column.name)} {type_name(column)}" for column in header.columns)
            self.write(f"# columns {shown}\n")

    def close(self, state):
        if state["reader"] is not None:
            self.write(f"# end section {state['section']} rows {state['rows']}\n")
        state.update(section=None, reader=None)

    def block(self, header, payload, state, headers):
        if header.kind == blocks.SECTION_HEADER:
            if state["section"] != header.section:
                self.begin(state, header.section, one_record(header, payload))
        elif header.kind == blocks.SECTION_END:
            if state["section"] == header.section:
                self.close(state)
        else:
            if state["section"] != header.section:
                if header.section not in headers:
                    raise Refused(f"the header of section {header.section} was lost, and no catalog has it")
                self.begin(state, header.section, headers[header.section])
            if state["reader"] is not None:
                found, columns = state["reader"].columns(payload)
                self.write("".join([line + "\n" for line in values.lines(columns, found.rows)]))
                state["rows"] += found.rows
                self.rows += found.rows
