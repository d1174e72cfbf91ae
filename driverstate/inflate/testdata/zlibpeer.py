"""C zlib as a peer of package inflate: requests on stdin, answers on stdout.

C  level int8, window bits, memory level, strategy uint8, steps uint32, then for
   each step a length uint32 and a flush uint8, then the bytes of all steps.
   Answer: length uint32 and the stream.
D  length uint32 and bytes that may be a stream.
   Answer: verdict uint8 (0 decoded, 1 it ends too early, 2 refused), and how
   much it took uint32, decoded bytes uint32 and their SHA-256 (of no use when
   refused).

Integers are little endian.
"""
import hashlib
import struct
import sys
import zlib

stdin, stdout = sys.stdin.buffer, sys.stdout.buffer


def compress():
    level, bits, memory, strategy, steps = struct.unpack("<bBBBI", stdin.read(8))
    plan = [struct.unpack("<IB", stdin.read(5)) for _ in range(steps)]
    z = zlib.compressobj(level, zlib.DEFLATED, bits, memory, strategy)
    out = []
    for length, flush in plan:
        out.append(z.compress(stdin.read(length)))
        if flush != zlib.Z_NO_FLUSH:
            out.append(z.flush(flush))
    out.append(z.flush(zlib.Z_FINISH))
    out = b"".join(out)
    stdout.write(struct.pack("<I", len(out)) + out)


def decompress():
    data = stdin.read(*struct.unpack("<I", stdin.read(4)))
    z = zlib.decompressobj()
    try:
        plain = z.decompress(data)
        verdict = 0 if z.eof else 1
    except zlib.error:
        plain, verdict = b"", 2
    taken = len(data) - len(z.unused_data)
    stdout.write(struct.pack("<BII", verdict, taken, len(plain)) + hashlib.sha256(plain).digest())


while kind := stdin.read(1):
    {b"C": compress, b"D": decompress}[kind]()
    if not stdin.peek(1):
        break
stdout.flush()
