"""A reader of intervault volumes in plain Python, written from format-spec.md alone.

It shares no line with the engine, so that the two can be held against each other. Chapter and section numbers in its
comments are those of format-spec.md. It needs Python 3.9 or newer and one of the ways to zstd that `zstd.py` knows;
everything else is in the standard library.

    notation    numbers, texts, lists and structs of chapter 2, limits, the errors
    blake3      the hash, many messages at once
    blocks      block headers, checksums and the forward scan: chapters 3 and 5.6
    records     records and what their fields may hold: chapters 4, 5, 6 and 9
    numbers     byte streams and number streams: 7.1 and 7.2
    columns     the column encodings: 7.3 to 7.5
    times       spans and buckets of rows: 2.1 and 2.2
    rows        canonical rows and their hashes: chapter 8
    chunks      one chunk: its rows, and its pieces computed anew
    sets        which volumes there are and which belong together
    verify      everything that can be checked, checked
    catalog     the catalog against what was read
    chain       what the members of a chain say of each other
    listing     what is on the volumes, read from the end where that goes
    dump        all rows as text, in the form of `values`
"""
