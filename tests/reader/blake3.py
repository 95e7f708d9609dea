"""BLAKE3, unkeyed, with 32 bytes of output: the one hash of the format (3.3).

One compression in plain Python is slow, so this compresses many at once: a word of the state is one long integer in
which each message has a *lane* of 64 bits, and one addition of long integers adds in all lanes. A word takes the lower
32 bits of its lane; the upper ones catch what additions and shifts carry out of it, until they are masked away.
"""

from functools import lru_cache

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
BLOCK, CHUNK = 64, 1024
LANES = 2048  # at once: enough to hide what Python costs for each operation, few enough to stay in the cache


def schedule():
    """For each of the seven rounds, which message word each of its sixteen places takes."""
    order, rounds = list(range(16)), []
    for _ in range(7):
        rounds.append(tuple(order))
        order = [order[place] for place in PERMUTATION]
    return rounds


ROUNDS = schedule()
# The eight mixings of a round: four columns, then four diagonals.
MIXES = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)


@lru_cache(maxsize=256)
def ones(lanes):
    """The number 1 in every lane."""
    return int.from_bytes(b"\1\0\0\0\0\0\0\0" * lanes, "little")


def spread(values):
    """One long integer with a small number in each lane."""
    return int.from_bytes(b"".join(value.to_bytes(8, "little") for value in values), "little")


def words(data, start, step, lanes):
    """Sixteen long integers: the message words at byte `start` of each of the `lanes` stretches of `step` bytes."""
    found = []
    for at in range(start, start + BLOCK, 4):
        lane_bytes = bytearray(8 * lanes)
        for byte in range(4):
            lane_bytes[byte::8] = data[at + byte :: step]
        found.append(int.from_bytes(lane_bytes, "little"))
    return found


def compress(chaining, message, counter, length, flags, lanes):
    """One compression in every lane. All words are long integers; gives the eight words of the new chaining value."""
    one = ones(lanes)
    mask = one * 0xFFFFFFFF
    v = [*chaining, *(one * word for word in IV[:4]), counter, 0, length, flags]
    for order in ROUNDS:
        place = iter(order)
        for a, b, c, d in MIXES:
            va, vb, vc, vd = v[a], v[b], v[c], v[d]
            va += vb + message[next(place)]
            vd = (va ^ vd) & mask
            vd = (vd >> 16 | vd << 16) & mask
            vc += vd
            vb = (vb ^ vc) & mask
            vb = (vb >> 12 | vb << 20) & mask
            va += vb + message[next(place)]
            vd = (va ^ vd) & mask
            vd = (vd >> 8 | vd << 24) & mask
            vc += vd
            vb = (vb ^ vc) & mask
            v[a], v[b], v[c], v[d] = va, (vb >> 7 | vb << 25) & mask, vc, vd
    return [(v[i] ^ v[i + 8]) & mask for i in range(8)]


def unspread(chaining, lanes):
    """The 32 bytes of each lane."""
    data = bytearray(32 * lanes)
    for place, word in enumerate(chaining):
        lane_bytes = word.to_bytes(8 * lanes, "little")
        for byte in range(4):
            data[place * 4 + byte :: 32] = lane_bytes[byte::8]
    return [bytes(data[at : at + 32]) for at in range(0, 32 * lanes, 32)]


def hash_chunks(chunks):
    """Chaining values of chunks that take equally many blocks: each a pair of its bytes, number and whether it is all."""
    lanes = len(chunks)
    blocks = max(1, (len(chunks[0][0]) + BLOCK - 1) // BLOCK)
    size = blocks * BLOCK
    data = b"".join(chunk[0].ljust(size, b"\0") for chunk in chunks)
    one = ones(lanes)
    counter = spread([chunk[1] for chunk in chunks])
    chaining = [one * word for word in IV]
    for block in range(blocks):
        flags = one * (CHUNK_START if block == 0 else 0)
        length = one * BLOCK
        if block == blocks - 1:
            flags = spread([(CHUNK_START if block == 0 else 0) | CHUNK_END | (ROOT if chunk[2] else 0) for chunk in chunks])
            length = spread([len(chunk[0]) - block * BLOCK for chunk in chunks])
        chaining = compress(chaining, words(data, block * BLOCK, size, lanes), counter, length, flags, lanes)
    return unspread(chaining, lanes)


def hash_parents(pairs):
    """Chaining values of parents: each a pair of the 64 bytes below it and whether it is the root."""
    lanes = len(pairs)
    one = ones(lanes)
    data = b"".join(below for below, _ in pairs)
    flags = spread([PARENT | (ROOT if root else 0) for _, root in pairs])
    chaining = compress([one * word for word in IV], words(data, 0, BLOCK, lanes), 0, one * BLOCK, flags, lanes)
    return unspread(chaining, lanes)


def in_lanes(work, items):
    """`work` over `items`, so many at once as there are lanes."""
    done = []
    for at in range(0, len(items), LANES):
        done += work(items[at : at + LANES])
    return done


def hash_many(messages):
    """The BLAKE3 of each of the messages, 32 bytes each, in their order."""
    nodes = [[None] * max(1, (len(message) + CHUNK - 1) // CHUNK) for message in messages]
    groups = {}
    for number, message in enumerate(messages):
        alone = len(nodes[number]) == 1
        for place in range(len(nodes[number])):
            part = message[place * CHUNK : (place + 1) * CHUNK]
            groups.setdefault((len(part) + BLOCK - 1) // BLOCK or 1, []).append((bytes(part), place, alone, number))
    for group in groups.values():
        for chunk, value in zip(group, in_lanes(hash_chunks, group)):
            nodes[chunk[3]][chunk[1]] = value
    while any(len(level) > 1 for level in nodes):
        pairs, where = [], []
        for number, level in enumerate(nodes):
            for at in range(0, len(level) - 1, 2):
                pairs.append((level[at] + level[at + 1], len(level) == 2))
                where.append(number)
            # A node without a neighbour goes up as it is.
            nodes[number] = level[len(level) - 1 :] if len(level) % 2 else []
        parents = {}
        for number, value in zip(where, in_lanes(hash_parents, pairs)):
            parents.setdefault(number, []).append(value)
        for number, values in parents.items():
            nodes[number] = values + nodes[number]
    return [level[0] for level in nodes]


def hash_one(message):
    return hash_many([message])[0]
