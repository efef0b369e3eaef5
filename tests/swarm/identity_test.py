# SPDX-License-Identifier: MIT
"""A tree copied in on one peer and read back on another is identical in all that stat(2) shows."""

import hashlib
import os
import socket
import stat
import subprocess
import unittest

from lab import Lab

# The full sizes of the promise; the short run of the tests uses less of the same.
LARGE = os.environ.get("SHOAL_LARGE") == "1"
DIRECTORY_ENTRIES = 50_000 if LARGE else 3_000
LARGE_FILE_BYTES = 4 << 30 if LARGE else 48 << 20


def fingerprint(path):
    """What must be equal on both sides, except inode numbers' values."""
    seen = os.lstat(path)
    result = {"mode": seen.st_mode, "nlink": seen.st_nlink, "uid": seen.st_uid,
              "gid": seen.st_gid, "mtime": seen.st_mtime_ns}
    if not stat.S_ISDIR(seen.st_mode):
        result["size"] = seen.st_size
    if stat.S_ISLNK(seen.st_mode):
        result["target"] = os.readlink(path)
    elif stat.S_ISREG(seen.st_mode):
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        result["sha256"] = digest.hexdigest()
    if stat.S_ISBLK(seen.st_mode) or stat.S_ISCHR(seen.st_mode):
        result["rdev"] = seen.st_rdev
    if not stat.S_ISLNK(seen.st_mode):
        result["xattrs"] = {name: os.getxattr(path, name) for name in os.listxattr(path)
                            if not name.startswith("user.shoal.")}
    return result


def walk(root):
    """Relative path (bytes) -> fingerprint, for everything below root."""
    result = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in folders + files:
            path = os.path.join(folder, name)
            result[os.path.relpath(path, os.fsencode(root))] = fingerprint(path)
    return result


def make_tree(root):
    """One of everything that a filesystem can hold."""
    os.mkdir(root)
    os.chmod(root, 0o755)

    def file(name, data=b"", mode=0o644):
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        with open(path, "wb") as out:
            out.write(data)
        os.chmod(path, mode)
        return path

    file("empty")
    file("one byte", b"x")
    for size in (16_383, 16_384, 16_385, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_003):
        file(f"size-{size}", os.urandom(size))
    file("name with spaces and\nnewline", b"1")
    file(b"not-utf8-\xff\xfe\x80", b"2")
    file(b"\xc3\xa9" * 127 + b"x", b"255 bytes")
    file("-rf", b"3")
    for mode in (0o000, 0o400, 0o777, 0o4755, 0o2755, 0o1777):
        file(f"mode-{mode:o}", b"m", mode)
    file("hard-1", b"linked")
    os.link(f"{root}/hard-1", f"{root}/hard-2")
    os.mkdir(f"{root}/dir")
    os.link(f"{root}/hard-1", f"{root}/dir/hard-3")
    os.symlink("dir/hard-3", f"{root}/link")
    os.symlink("/nowhere/at all", f"{root}/dangling")
    os.symlink("x" * 4000, f"{root}/long-link")
    os.mkfifo(f"{root}/fifo", 0o640)
    listener = socket.socket(socket.AF_UNIX)
    folder = os.getcwd()
    os.chdir(root)  # socket addresses are short
    listener.bind("socket")
    os.chdir(folder)
    listener.close()
    if os.geteuid() == 0:
        os.mknod(f"{root}/char", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        os.chown(f"{root}/one byte", 1234, 5678)
        os.lchown(f"{root}/link", 4321, 8765)
    with open(f"{root}/sparse", "wb") as sparse:
        sparse.truncate(10 << 20)
        sparse.seek(3 << 20)
        sparse.write(b"island")
    os.setxattr(f"{root}/one byte", "user.text", b"value")
    os.setxattr(f"{root}/one byte", "user.binary", bytes(range(256)))
    os.setxattr(f"{root}/dir", "user.on a directory", b"")
    os.makedirs(f"{root}/dir/deep/er/and/deeper")
    os.mkdir(f"{root}/sticky", 0o755)
    os.chmod(f"{root}/sticky", 0o3777)
    os.utime(f"{root}/one byte", ns=(1_000_000_001, 999_999_999_999_999_999))
    os.utime(f"{root}/link", ns=(7, 123_456_789), follow_symlinks=False)
    os.utime(f"{root}/empty", ns=(-5, -1_000_000_007))  # before 1970
    os.utime(f"{root}/dir", ns=(5, 1_600_000_000_123_456_789))


class Identity(unittest.TestCase):
    maxDiff = 2_000

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(peers=3, copies=2).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)

    def native(self, name):
        return os.path.join(self.lab.dir, name)

    def test_a_copied_tree_is_identical_on_other_peers(self):
        make_tree(self.native("tree"))
        subprocess.run(["cp", "-a", self.native("tree"), self.lab.mnt(1) + "/tree"], check=True)
        expected = walk(self.native("tree"))
        self.assertEqual(walk(self.lab.mnt(2) + "/tree"), expected)
        inodes = {os.stat(self.lab.mnt(2) + f"/tree/{name}").st_ino
                  for name in ("hard-1", "hard-2", "dir/hard-3")}
        self.assertEqual(len(inodes), 1, "hard links are one inode")
        self.lab.wait_copied()
        self.lab.kill(1)
        self.assertEqual(walk(self.lab.mnt(3) + "/tree"), expected)
        self.lab.restart(1)
        self.assertEqual(walk(self.lab.mnt(1) + "/tree"), expected)

    def test_a_large_directory_lists_completely(self):
        folder = self.lab.mnt(1) + "/many"
        os.mkdir(folder)
        expected = [f"entry-{number:06}" for number in range(DIRECTORY_ENTRIES)]
        for name in expected:
            os.mknod(f"{folder}/{name}")
        self.assertEqual(sorted(os.listdir(self.lab.mnt(2) + "/many")), expected)
        self.assertEqual(sorted(os.listdir(folder)), expected)
        os.unlink(f"{folder}/{expected[0]}")
        self.assertEqual(sorted(os.listdir(self.lab.mnt(2) + "/many")), expected[1:])

    def test_a_large_file_is_identical(self):
        digest = hashlib.sha256()
        with open(self.lab.mnt(1) + "/large", "wb") as out:
            piece = os.urandom(4 << 20)
            for number in range(LARGE_FILE_BYTES // len(piece)):
                piece = piece[1:] + bytes([number & 255])
                out.write(piece)
                digest.update(piece)
        read = hashlib.sha256()
        with open(self.lab.mnt(2) + "/large", "rb") as file:
            self.assertEqual(os.fstat(file.fileno()).st_size, LARGE_FILE_BYTES)
            while piece := file.read(1 << 20):
                read.update(piece)
        self.assertEqual(read.hexdigest(), digest.hexdigest())

    def test_holes_stay_holes(self):
        with open(self.lab.mnt(1) + "/holes", "wb") as out:
            out.truncate(64 << 20)
            out.seek(32 << 20)
            out.write(b"island")
        with open(self.lab.mnt(2) + "/holes", "rb") as file:
            self.assertLess(os.fstat(file.fileno()).st_blocks * 512, 4 << 20)
            self.assertEqual(file.read(), b"\0" * (32 << 20) + b"island"
                             + b"\0" * ((32 << 20) - 6))


if __name__ == "__main__":
    unittest.main(verbosity=2)
