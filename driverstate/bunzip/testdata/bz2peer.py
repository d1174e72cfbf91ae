"""libbz2 as a peer of package bunzip, in the hands of Python as Cinder has it.

Requests on stdin, answers on stdout: a letter, a length uint32 (little endian)
and so many bytes.

1 to 9  what to compress at that level. Answer: length uint32 and the stream.
D       what may be a stream. Answer: length uint32 and SHA-256 of what it decodes
        to, or the length 0xffffffff alone if it is none.
"""
import bz2
import hashlib
import struct
import sys

stdin, stdout = sys.stdin.buffer, sys.stdout.buffer

while kind := stdin.read(1):
    data = stdin.read(*struct.unpack("<I", stdin.read(4)))
    if kind != b"D":
        data = bz2.compress(data, int(kind))
        stdout.write(struct.pack("<I", len(data)) + data)
    else:
        try:
            data = bz2.decompress(data)
            stdout.write(struct.pack("<I", len(data)) + hashlib.sha256(data).digest())
        except (OSError, ValueError):
            stdout.write(b"\xff\xff\xff\xff")
    stdout.flush()
