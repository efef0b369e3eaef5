#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares two trees: names, kinds, bytes, modes, times, link targets, hard links, devices, xattrs.

usage: scripts/compare_trees.py A B      exit status 0 when they are equal, else 1
"""

import os
import stat
import sys

PIECE_BYTES = 1 << 20


class Totals:
    """What was compared so far."""

    def __init__(self):
        self.files = 0
        self.directories = 0
        self.links = 0
        self.bytes = 0


def is_same_content(a, b, totals):
    with open(a, "rb", buffering=0) as first, open(b, "rb", buffering=0) as second:
        while True:
            left = first.read(PIECE_BYTES)
            right = second.read(len(left)) if left else second.read(1)
            while len(right) < len(left):  # a short read is no end
                more = second.read(len(left) - len(right))
                if not more:
                    return False
                right += more
            if left != right:
                return False
            if not left:
                return True
            totals.bytes += len(left)


def xattrs_of(path):
    """Without those that shoal makes up."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return {name: os.getxattr(path, name, follow_symlinks=False) for name in names
                if not name.startswith("user.shoal.")}
    except OSError:  # a filesystem without them
        return {}


def differences_of(a, b, relative, totals, with_owner, with_xattrs):
    """Sentences about one name that is in both trees. The facts of a directory are compared too."""
    seen_a, seen_b = os.lstat(a), os.lstat(b)
    found = []

    def compare(what, left, right):
        if left != right:
            found.append(f"{what} of {relative!r}: {left} and {right}")

    compare("kind", stat.S_IFMT(seen_a.st_mode), stat.S_IFMT(seen_b.st_mode))
    if found:
        return found
    compare("mode", oct(stat.S_IMODE(seen_a.st_mode)), oct(stat.S_IMODE(seen_b.st_mode)))
    compare("time", seen_a.st_mtime_ns, seen_b.st_mtime_ns)
    if with_owner:
        compare("owner", (seen_a.st_uid, seen_a.st_gid), (seen_b.st_uid, seen_b.st_gid))
    if with_xattrs:
        compare("xattrs", xattrs_of(a), xattrs_of(b))
    if stat.S_ISREG(seen_a.st_mode):
        totals.files += 1
        compare("size", seen_a.st_size, seen_b.st_size)
        if not found and not is_same_content(a, b, totals):
            found.append(f"bytes of {relative!r} differ")
    elif stat.S_ISLNK(seen_a.st_mode):
        totals.links += 1
        compare("target", os.readlink(a), os.readlink(b))
    elif stat.S_ISDIR(seen_a.st_mode):
        totals.directories += 1
    elif stat.S_ISCHR(seen_a.st_mode) or stat.S_ISBLK(seen_a.st_mode):
        compare("device", seen_a.st_rdev, seen_b.st_rdev)
    return found


def compare_trees(a, b, on_name=None, with_owner=True, with_xattrs=True):
    """(differences, Totals). on_name(totals) is called after each name. Paths may be str or bytes."""
    a, b = os.fsencode(a), os.fsencode(b)
    totals = Totals()
    found = []
    twins = {}  # inode in a -> inode in b, for files with several links

    def visit(relative):
        path_a = os.path.join(a, relative) if relative else a
        path_b = os.path.join(b, relative) if relative else b
        try:
            found.extend(differences_of(path_a, path_b, relative or b".", totals, with_owner,
                                        with_xattrs))
            seen_a, seen_b = os.lstat(path_a), os.lstat(path_b)
            if seen_a.st_nlink > 1 and not stat.S_ISDIR(seen_a.st_mode):
                if twins.setdefault(seen_a.st_ino, seen_b.st_ino) != seen_b.st_ino:
                    found.append(f"{relative!r} is a link to one file here and to another there")
            if on_name:
                on_name(totals)
            if not (stat.S_ISDIR(seen_a.st_mode) and stat.S_ISDIR(seen_b.st_mode)):
                return
            names_a, names_b = set(os.listdir(path_a)), set(os.listdir(path_b))
        except OSError as error:
            found.append(f"{relative!r}: {error}")
            return
        found.extend(f"{os.path.join(relative, name)!r} is missing in {b!r}"
                     for name in sorted(names_a - names_b))
        found.extend(f"{os.path.join(relative, name)!r} is surplus in {b!r}"
                     for name in sorted(names_b - names_a))
        for name in sorted(names_a & names_b):
            visit(os.path.join(relative, name))

    visit(b"")
    return found, totals


def main(argv):
    if len(argv) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    found, totals = compare_trees(argv[1], argv[2])
    for difference in found:
        print(difference)
    print(f"{totals.files} files, {totals.directories} directories, {totals.links} links, "
          f"{totals.bytes} bytes: {len(found)} differences", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
