# SPDX-License-Identifier: MIT
"""Torrent files and a BitTorrent tracker's answer, as in BEP 3 and BEP 23. Pure."""

import hashlib
import socket


def encode(value):
    """Integers, byte strings, text, lists, and dictionaries with text as keys."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    return b"d" + b"".join(encode(key) + encode(value[key]) for key in sorted(value)) + b"e"


def torrent(name, content, announce, piece=1 << 20):
    """The torrent file of one file; content is all of its bytes."""
    pieces = b"".join(hashlib.sha1(content[at:at + piece]).digest()
                      for at in range(0, len(content), piece))
    return encode({"announce": announce,
                   "info": {"length": len(content), "name": name, "piece length": piece,
                            "pieces": pieces}})


def peers(ports, interval):
    """A tracker's answer that names these ports on loopback."""
    compact = b"".join(socket.inet_aton("127.0.0.1") + port.to_bytes(2, "big") for port in ports)
    return encode({"interval": interval, "peers": compact})
