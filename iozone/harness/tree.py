# SPDX-License-Identifier: MIT
"""A tree of files to unpack, the same on every machine."""

import io
import math
import random
import tarfile

TREE_SEED = 20_000


def make_tree(path, files):
    """A tar of files as a source tree has them: many folders, sizes around 4 KiB, none alike.

    The result is the number of its entries."""
    numbers = random.Random(TREE_SEED)
    folders = ["tree"]
    while len(folders) < max(2, files * 3 // 40):
        folders.append(f"{numbers.choice(folders)}/folder-{len(folders)}")
    with tarfile.open(path, "w") as tar:
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, 1_600_000_000
            tar.addfile(entry)
        for number in sorted(range(files), key=lambda number: number % len(folders)):
            size = min(int(numbers.lognormvariate(math.log(4096), 1.2)), 1 << 20)
            entry = tarfile.TarInfo(f"{folders[number % len(folders)]}/file-{number}.c")
            entry.size, entry.mode, entry.mtime = size, 0o644, 1_600_000_000 + number
            tar.addfile(entry, io.BytesIO(numbers.randbytes(size)))
    return len(folders) + files
