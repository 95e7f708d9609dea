"""The catalog of a set, read from the end of its volumes (5.6)."""

from . import blocks
from .blocks import Damaged
from .notation import Refused, Unknown
from .records import records


def catalog_of(group):
    """All records of the catalog, or None where it, or a volume that it lies on, is missing or damaged."""
    ends = {volume.volume: (volume, volume.end_mark()) for volume in group.volumes}
    last = group.volumes[-1].volume
    end = ends[last][1]
    if end is None or not end.catalog_blocks or not end.set_complete:
        return None
    found = []
    try:
        for number in range(end.catalog_volume, last + 1):
            volume, mark = ends.get(number, (None, None))
            if mark is None:
                return None
            for header, payload in volume.blocks_at(mark.catalog_offset, mark.catalog_blocks, blocks.CATALOG):
                found += records(header, payload)
    except (Damaged, Refused, Unknown):
        return None
    return found


def headers_of(group):
    """The section headers that the catalog repeats, by section number."""
    return {record.section: record.header for kind, record in catalog_of(group) or [] if kind == 9}
