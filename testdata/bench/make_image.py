#!/usr/bin/env python3
"""Write a deterministic raw disk image for benchmarks, or a changed copy of one.

    make_image.py OUT --size 1G [--seed 1] [--dense]
    make_image.py OUT --mutate BASE --fraction 0.05 [--block 32768] [--seed 2]
                  [--where-seed 9]

The mix, by bytes: 35 % zero, 30 % text-like (zlib ~3x), 20 % binary-like
(zlib ~1.5x), 15 % incompressible, in extents of 64 KiB to 4 MiB dealt from
decks of twenty cards so that the shares come out exact for any large size.
Zero extents are holes unless --dense is given.  --mutate copies BASE and
overwrites a scattered fraction of its blocks, which is what an incremental
backup has to find.  With --where-seed the blocks are chosen by that seed and
filled by --seed, so that several changes can hit the same blocks.  Same
arguments, same bytes: only the standard library's seeded generator is used.
"""

import argparse
import itertools
import os
import random
import shutil
import sys

DECK = "zero " * 7 + "text " * 6 + "binary " * 4 + "random " * 3
EXTENTS = (64 << 10, 256 << 10, 1 << 20, 4 << 20)
PAGE = 4096


def size_arg(text):
    units = {"K": 10, "M": 20, "G": 30, "T": 40}
    text = text.strip().upper().removesuffix("IB").removesuffix("B")
    if text and text[-1] in units:
        return int(float(text[:-1]) * (1 << units[text[-1]]))
    return int(text)


class Source:
    """Bytes of each kind, all drawn from one seeded generator."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self._make_phrases()
        self._make_skew()

    def _make_phrases(self):
        rng = random.Random(7)
        letters = "etaoinshrdlcumwfgypbvkjxqz"
        weights = [1.0 / (i + 2) for i in range(26)]
        words = ["".join(rng.choices(letters, weights, k=rng.randint(2, 10)))
                 for _ in range(1500)]
        cum = list(itertools.accumulate(1.0 / (i + 2) for i in range(1500)))
        out = []
        for n in range(1 << 15):
            ws = rng.choices(words, cum_weights=cum, k=rng.randint(4, 9))
            tail = ("\n", " ", " ", ", ", f"={rng.randint(0, 99999)}\n",
                    f" [{rng.randint(0, 1 << 24):x}] ")[n % 6]
            out.append((" ".join(ws) + tail).encode())
        self.phrases = out

    def _make_skew(self):
        # A byte distribution of about 5.3 bits: Huffman coding alone gives 1.5x.
        weights = [1.0 / (i + 1.0) ** 1.02 for i in range(256)]
        total = sum(weights)
        table, acc = [], 0.0
        for value, w in enumerate(weights):
            acc += w / total * 256
            while len(table) < min(256, round(acc)):
                table.append((value * 37) & 255)
        self.skew = bytes((table + [0] * 256)[:256])

    def text(self, n):
        out = bytearray()
        while len(out) < n:
            out += b"".join(self.rng.choices(self.phrases, k=n // 36 + 1))
        return bytes(out[:n])

    def binary(self, n):
        if self.rng.random() < 0.5:
            return self.rng.randbytes(n).translate(self.skew)
        rec = -(-n // 24)
        buf = bytearray(rec * 24)
        tags = self.rng.randbytes(rec)
        buf[0::24] = tags.translate(bytes((1, 1, 2, 1, 3, 1, 2, 7) * 32))
        buf[1::24] = tags.translate(bytes(i >> 5 for i in range(256)))
        for column in range(4, 24):
            if column in (6, 7, 8, 9, 12, 13, 14, 15):
                continue
            buf[column::24] = self.rng.randbytes(rec)
        return bytes(buf[:n])

    def random(self, n):
        return self.rng.randbytes(n)

    def zero(self, n):
        return bytes(n)


def generate(path, size, seed, dense):
    src = Source(seed)
    with open(path, "wb") as f:
        done = 0
        while done < size:
            deck = DECK.split()
            src.rng.shuffle(deck)
            extent = src.rng.choice(EXTENTS)
            for kind in deck:
                n = min(extent, size - done)
                if n <= 0:
                    break
                if kind == "zero" and not dense:
                    f.seek(n, os.SEEK_CUR)
                else:
                    f.write(getattr(src, kind)(n))
                done += n
        f.truncate(size)


def mutate(path, base, seed, fraction, block, where_seed):
    shutil.copyfile(base, path)
    src = Source(seed)
    size = os.path.getsize(path)
    blocks = -(-size // block)
    chooser = src.rng if where_seed is None else random.Random(where_seed)
    chosen = sorted(chooser.sample(range(blocks), round(blocks * fraction)))
    kinds = ("text",) * 9 + ("binary",) * 6 + ("random",) * 4 + ("zero",)
    with open(path, "r+b") as f:
        for b in chosen:
            f.seek(b * block)
            n = min(block, size - b * block)
            f.write(getattr(src, src.rng.choice(kinds))(n))


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("out")
    p.add_argument("--size", type=size_arg)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--dense", action="store_true",
                   help="write zero extents instead of leaving holes")
    p.add_argument("--mutate", metavar="BASE")
    p.add_argument("--fraction", type=float, default=0.05)
    p.add_argument("--block", type=size_arg, default=32768)
    p.add_argument("--where-seed", type=int,
                   help="choose the blocks by this seed instead of --seed")
    a = p.parse_args()
    if bool(a.mutate) == bool(a.size):
        p.error("give either --size or --mutate BASE")
    if a.mutate:
        mutate(a.out, a.mutate, a.seed, a.fraction, a.block, a.where_seed)
    else:
        generate(a.out, a.size, a.seed, a.dense)


if __name__ == "__main__":
    sys.exit(main())
