#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/hash_tree.txt with libtorrent, a BitTorrent v2 implementation that is not ours.

Needs python3-libtorrent 2.0 (Debian package). Run: tests/golden/make_hash_tree.py > hash_tree.txt
One line per case: size, chunk size, root, number of hashes in the piece layer, SHA-256 of the layer
("-" where BEP 52 has no such thing). Byte i of a file is bits 16 to 23 of i * 2654435761.
"""

import hashlib
import os
import tempfile

import libtorrent

KIB = 1024
MIB = 1024 * KIB
SIZES = [0, 1, 16383, 16384, 16385, 32768, 32769, 3 * 16384, MIB - 1, MIB, MIB + 1, 2 * MIB,
         3 * MIB - 5, 5 * MIB + 3]
CHUNK_SIZES = [16 * KIB, 32 * KIB, 64 * KIB, 256 * KIB, MIB, 2 * MIB, 4 * MIB]


def content(size):
    return bytes((i * 2654435761 >> 16) & 0xFF for i in range(size))


def tree(folder, name, chunk_bytes):
    storage = libtorrent.file_storage()
    storage.add_file(name, os.path.getsize(os.path.join(folder, name)))
    torrent = libtorrent.create_torrent(storage, chunk_bytes, libtorrent.create_torrent.v2_only)
    libtorrent.set_piece_hashes(torrent, folder)
    made = torrent.generate()
    assert made[b"info"][b"piece length"] == chunk_bytes
    entry = made[b"info"][b"file tree"][name.encode()][b""]
    root = entry[b"pieces root"]
    return root, made[b"piece layers"].get(root, b"")


def main():
    print("# size chunk_bytes root layer_hashes sha256_of_layer; made by make_hash_tree.py with "
          "libtorrent " + libtorrent.__version__)
    whole = content(max(SIZES))
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            name = "file%d" % size
            with open(os.path.join(folder, name), "wb") as file:
                file.write(whole[:size])
            for chunk_bytes in CHUNK_SIZES:
                root, layer = tree(folder, name, chunk_bytes) if size else (b"", b"")
                digest = hashlib.sha256(layer).hexdigest() if layer else "-"
                print(size, chunk_bytes, root.hex() or "-", len(layer) // 32, digest)


if __name__ == "__main__":
    main()
