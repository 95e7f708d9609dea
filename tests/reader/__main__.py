"""The command line:

    python3 -m reader list PATH...                  labels, sections, rows, ACDs, ranges
    python3 -m reader verify PATH...                every checksum and digest, index and catalog, order over volumes
    python3 -m reader dump PATH... [--table NAME]   all rows as text: see dump.py

A PATH is a volume, a file with several one after the other (a saved pipe), a tape image, or a folder with files whose
names end in .ivv. Exit status: 0 sound, 1 damage or something missing, 2 no volume that this reader can read, or a wrong
command line, 3 no way to zstd.
"""

import argparse
import os
import sys

from . import zstd
from .chain import check_chains
from .dump import Dump
from .listing import list_set
from .notation import Refused, Unknown
from .sets import gather
from .verify import SetCheck

SOUND, DAMAGED, NO_VOLUME, NO_ZSTD = range(4)
SHOWN = 100


def arguments():
    parser = argparse.ArgumentParser(prog="reader", description="Reads intervault volumes as format-spec.md says.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (
        ("list", "what is on the volumes"),
        ("verify", "check everything that can be checked"),
        ("dump", "all rows as text"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("paths", nargs="+", metavar="PATH", help="a volume, or a folder with volumes")
        if name == "dump":
            command.add_argument("--table", help="only this table")
    return parser.parse_args()


def complain(problems):
    for line in problems[:SHOWN]:
        print(f"damage: {line}", file=sys.stderr)
    if len(problems) > SHOWN:
        print(f"damage: and {len(problems) - SHOWN} more", file=sys.stderr)


def verify(sets, size, idle):
    checks = [SetCheck(group).run() for group in sets]
    problems = []
    for check in checks:
        group = check.group
        problems += check.problems
        label = group.label.label if group.label is not None else "label lost"
        print(
            f"set {group.set_id.hex()} {label}: {len(group.volumes)} volumes, {len(check.sections)} sections, "
            f"{check.chunks} chunks, {check.rows} rows: {'damaged' if check.problems else 'sound'}"
        )
    chain_problems, copies = check_chains(checks)
    problems += chain_problems
    if copies:
        print(f"{copies} unwritten buckets found on older members")
    read, lost = sum(check.bytes for check in checks), sum(check.lost_bytes for check in checks)
    if read + lost + idle != size:
        problems.append(f"{size - read - lost - idle} bytes belong to no block")
    print(f"{read} bytes in sound blocks, {lost} lost, {idle} between volumes; {size} bytes in all")
    complain(problems)
    return DAMAGED if problems else SOUND


def run(options):
    sets, refused, size, idle = gather(options.paths)
    status = SOUND
    if options.command == "verify":
        status = verify(sets, size, idle) if sets else SOUND
    elif options.command == "list":
        problems = [line for group in sets for line in list_set(group, sys.stdout.write)]
        complain(problems)
        status = DAMAGED if problems else SOUND
    else:
        dump = Dump(sys.stdout.write, options.table)
        for group in sets:
            dump.set(group)
        complain(dump.problems)
        status = DAMAGED if dump.problems else SOUND
        if options.table is not None and sets and not dump.found:
            print(f"no table {options.table!r} is on these volumes", file=sys.stderr)
            status = DAMAGED
    for line in refused:
        print(f"refused: {line}", file=sys.stderr)
    return NO_VOLUME if refused else status


def main():
    options = arguments()
    if zstd.WAY is None:
        print(zstd.MISSING, file=sys.stderr)
        return NO_ZSTD
    try:
        status = run(options)
        sys.stdout.flush()
        return status
    except (Refused, Unknown) as why:
        print(f"refused: {why}", file=sys.stderr)
        return NO_VOLUME
    except BrokenPipeError:
        # Whoever read the output has enough; the interpreter must not complain when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DAMAGED


if __name__ == "__main__":
    sys.exit(main())
