# SPDX-License-Identifier: MIT
"""Loops of names_load as samples: files and folders, and plain reads and writes of one file."""

import os

from .programs import load
from .results import Figure, Sample

FILE_BYTES = 8192
MEBIBYTE = 1 << 20


def create(folder, files):
    """Creates, writes 8 KiB and closes; no sync."""
    seconds = load("create", folder, files, FILE_BYTES)["seconds"]
    return Sample({f"create, write 8 KiB, close: {files} files":
                   Figure(files / seconds, "files/s", headline=True)})


def stat(folder, files, calls):
    """stat of files in turn, all cached."""
    load("create", folder, files, FILE_BYTES)
    seconds = load("stat", folder, files, calls)["seconds"]
    return Sample({"stat of a cached file": Figure(seconds / calls, "s", True, headline=True)})


def untar(folder, tree, files):
    """tar -xf, then syncfs and fsync of the folder."""
    seconds = load("unpack", tree, folder)["seconds"]
    return Sample({f"untar of {files} files, sync": Figure(seconds, "s", True, headline=True)})


def _speed(done):
    return Figure(done["bytes"] / done["seconds"] / MEBIBYTE, "MiB/s", headline=True)


def sequential(folder, size):
    """Writes a file with 1 MiB calls and closes it, then reads it often, all in the cache."""
    path = os.path.join(folder, "file")
    written = load("write", path, size, MEBIBYTE)
    reread = load("reread", path, MEBIBYTE, 3)
    return Sample({"sequential write, close": _speed(written), "sequential read, warm": _speed(reread)})


def random_read(folder, size, calls):
    """4 KiB at random places of a file in the cache."""
    path = os.path.join(folder, "file")
    load("write", path, size, MEBIBYTE)
    load("read", path, MEBIBYTE)
    seconds = load("random", path, 4096, calls)["seconds"]
    return Sample({"random 4 KiB read, warm": Figure(seconds / calls, "s", True, headline=True)})


def cold_read(path):
    """The first read here of a file that another peer wrote."""
    return Sample({"first read of a peer's file": _speed(load("read", path, MEBIBYTE))})
