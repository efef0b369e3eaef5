# SPDX-License-Identifier: MIT
"""Two mounts never disagree: after a call returned on one, the other sees it on its next call.

Every case fills the other mount's caches first (daemon and kernel), then changes, then looks. It runs
in both directions, many times, since what is wrong here is wrong only sometimes.
"""

import errno
import os
import random
import unittest

from lab import Lab, seed

ROUNDS = int(os.environ.get("SHOAL_ROUNDS", "40"))


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class TwoMounts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(peers=2).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)

    def rounds(self):
        """(round, folder on the changing mount, the same on the watching mount)"""
        for number in range(ROUNDS):
            here, there = (1, 2) if number % 2 == 0 else (2, 1)
            name = f"{self._testMethodName}-{number}"
            os.mkdir(os.path.join(self.lab.mnt(here), name))
            yield (number, os.path.join(self.lab.mnt(here), name),
                   os.path.join(self.lab.mnt(there), name))

    def test_created_file_is_seen_where_it_was_absent(self):
        for number, here, there in self.rounds():
            self.assertFalse(os.path.exists(f"{there}/file"))
            self.assertEqual(os.listdir(there), [])
            write(f"{here}/file", b"content %d" % number)
            self.assertEqual(read(f"{there}/file"), b"content %d" % number)
            self.assertEqual(os.listdir(there), ["file"])

    def test_rewritten_file_is_read_anew(self):
        for number, here, there in self.rounds():
            write(f"{here}/file", b"old" * 5000)
            self.assertEqual(read(f"{there}/file"), b"old" * 5000)
            write(f"{here}/file", b"new" * 5000)  # same length on purpose
            self.assertEqual(read(f"{there}/file"), b"new" * 5000)

    def test_write_in_place_is_seen_through_an_open_file(self):
        for number, here, there in self.rounds():
            write(f"{here}/file", b"a" * 100_000)
            with open(f"{there}/file", "rb", buffering=0) as reader, \
                    open(f"{here}/file", "r+b", buffering=0) as writer:
                self.assertEqual(os.pread(reader.fileno(), 100_000, 0), b"a" * 100_000)
                os.pwrite(writer.fileno(), b"B" * 10, 50_000)
                os.fsync(writer.fileno())
                self.assertEqual(os.pread(reader.fileno(), 10, 50_000), b"B" * 10)
                os.pwrite(writer.fileno(), b"C" * 10, 50_000)  # not published by anything yet
                self.assertEqual(os.pread(reader.fileno(), 10, 50_000), b"C" * 10)

    def test_growing_file_is_followed(self):
        for number, here, there in self.rounds():
            with open(f"{here}/log", "ab", buffering=0) as log:
                expected = b""
                for line in range(5):
                    log.write(b"line %d\n" % line)
                    expected += b"line %d\n" % line
                    self.assertEqual(os.stat(f"{there}/log").st_size, len(expected))
                    self.assertEqual(read(f"{there}/log"), expected)

    def test_truncation_is_seen(self):
        for number, here, there in self.rounds():
            write(f"{here}/file", b"x" * 40_000)
            self.assertEqual(len(read(f"{there}/file")), 40_000)
            os.truncate(f"{here}/file", 12_345)
            self.assertEqual(os.stat(f"{there}/file").st_size, 12_345)
            self.assertEqual(read(f"{there}/file"), b"x" * 12_345)
            os.truncate(f"{here}/file", 20_000)
            self.assertEqual(read(f"{there}/file"), b"x" * 12_345 + b"\0" * 7_655)

    def test_rename_over_replaces_at_once(self):
        for number, here, there in self.rounds():
            write(f"{here}/file", b"before")
            write(f"{here}/file.new", b"after!")
            self.assertEqual(read(f"{there}/file"), b"before")
            old = os.stat(f"{there}/file.new").st_ino
            os.rename(f"{here}/file.new", f"{here}/file")
            self.assertEqual(read(f"{there}/file"), b"after!")
            self.assertEqual(os.stat(f"{there}/file").st_ino, old)
            self.assertEqual(os.listdir(there), ["file"])

    def test_unlinked_and_recreated_file_is_the_new_one(self):
        for number, here, there in self.rounds():
            write(f"{here}/file", b"first")
            first = os.stat(f"{there}/file").st_ino
            self.assertEqual(read(f"{there}/file"), b"first")
            os.unlink(f"{here}/file")
            with self.assertRaises(FileNotFoundError):
                os.stat(f"{there}/file")
            write(f"{here}/file", b"second")
            self.assertNotEqual(os.stat(f"{there}/file").st_ino, first)
            self.assertEqual(read(f"{there}/file"), b"second")

    def test_unlinked_file_stays_readable_where_it_is_open(self):
        for number, here, there in self.rounds():
            write(f"{here}/file", b"still here")
            with open(f"{there}/file", "rb", buffering=0) as reader:
                os.unlink(f"{here}/file")
                self.assertFalse(os.path.exists(f"{there}/file"))
                self.assertEqual(reader.read(), b"still here")

    def test_chmod_and_chown_and_times_are_seen(self):
        for number, here, there in self.rounds():
            write(f"{here}/file", b"")
            os.chmod(f"{here}/file", 0o600)
            self.assertEqual(os.stat(f"{there}/file").st_mode & 0o7777, 0o600)
            os.chmod(f"{here}/file", 0o640)
            self.assertEqual(os.stat(f"{there}/file").st_mode & 0o7777, 0o640)
            os.utime(f"{here}/file", ns=(1_234_567_891, 2_345_678_912))
            self.assertEqual(os.stat(f"{there}/file").st_mtime_ns, 2_345_678_912)
            if os.geteuid() == 0:
                os.chown(f"{here}/file", 12, 34)
                seen = os.stat(f"{there}/file")
                self.assertEqual((seen.st_uid, seen.st_gid), (12, 34))

    def test_xattrs_are_seen(self):
        for number, here, there in self.rounds():
            write(f"{here}/file", b"")
            self.assertEqual(os.listxattr(f"{there}/file"), [])
            os.setxattr(f"{here}/file", "user.colour", b"red")
            self.assertEqual(os.getxattr(f"{there}/file", "user.colour"), b"red")
            os.setxattr(f"{here}/file", "user.colour", b"blue")
            self.assertEqual(os.getxattr(f"{there}/file", "user.colour"), b"blue")
            os.removexattr(f"{here}/file", "user.colour")
            with self.assertRaises(OSError) as caught:
                os.getxattr(f"{there}/file", "user.colour")
            self.assertEqual(caught.exception.errno, errno.ENODATA)

    def test_mkdir_and_rmdir_are_seen(self):
        for number, here, there in self.rounds():
            self.assertFalse(os.path.exists(f"{there}/dir"))
            os.mkdir(f"{here}/dir")
            self.assertTrue(os.path.isdir(f"{there}/dir"))
            self.assertEqual(os.stat(there).st_nlink, os.stat(here).st_nlink)
            write(f"{there}/dir/file", b"x")
            with self.assertRaises(OSError) as caught:
                os.rmdir(f"{here}/dir")
            self.assertEqual(caught.exception.errno, errno.ENOTEMPTY)
            os.unlink(f"{here}/dir/file")
            os.rmdir(f"{here}/dir")
            self.assertFalse(os.path.exists(f"{there}/dir"))

    def test_link_count_is_seen(self):
        for number, here, there in self.rounds():
            write(f"{here}/a", b"x")
            self.assertEqual(os.stat(f"{there}/a").st_nlink, 1)
            os.link(f"{here}/a", f"{here}/b")
            self.assertEqual(os.stat(f"{there}/a").st_nlink, 2)
            self.assertEqual(os.stat(f"{there}/b").st_ino, os.stat(f"{there}/a").st_ino)
            os.unlink(f"{there}/a")
            self.assertEqual(os.stat(f"{here}/b").st_nlink, 1)

    def test_exclusive_create_has_one_winner(self):
        for number, here, there in self.rounds():
            self.assertFalse(os.path.exists(f"{there}/lock"))
            self.assertFalse(os.path.exists(f"{here}/lock"))
            os.close(os.open(f"{here}/lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            with self.assertRaises(FileExistsError):
                os.open(f"{there}/lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY)

    def test_both_sides_append_to_one_file(self):
        for number, here, there in self.rounds():
            with open(f"{here}/log", "ab", buffering=0) as one, \
                    open(f"{there}/log", "ab", buffering=0) as two:
                expected = b""
                for line in range(4):
                    for log, side in ((one, b"1"), (two, b"2")):
                        log.write(side * 7 + b"\n")
                        expected += side * 7 + b"\n"
            self.assertEqual(read(f"{there}/log"), expected)
            self.assertEqual(read(f"{here}/log"), expected)

    def test_random_calls_agree_with_a_model(self):
        """One program, calls on both mounts in turn, a dictionary that says what must be seen."""
        generator = random.Random(seed())
        name = self._testMethodName
        os.mkdir(os.path.join(self.lab.mnt(1), name))
        model = {}
        for step in range(ROUNDS * 25):
            root = os.path.join(self.lab.mnt(generator.choice((1, 2))), name)
            other = os.path.join(self.lab.mnt(generator.choice((1, 2))), name)
            file = f"f{generator.randrange(6)}"
            action = generator.choice(("write", "append", "unlink", "rename", "truncate", "chmod",
                                       "patch", "read", "read", "list"))
            where = f"step {step}: {action} {file} on {root}, seen on {other}"
            if action == "write":
                data = bytes([generator.randrange(256)]) * generator.randrange(50_000)
                write(f"{root}/{file}", data)
                model[file] = data
            elif action == "append":
                data = b"+" * generator.randrange(1, 9_000)
                with open(f"{root}/{file}", "ab") as out:
                    out.write(data)
                model[file] = model.get(file, b"") + data
            elif action == "unlink" and file in model:
                os.unlink(f"{root}/{file}")
                del model[file]
            elif action == "rename" and file in model:
                target = f"f{generator.randrange(6)}"
                os.rename(f"{root}/{file}", f"{root}/{target}")
                model[target] = model.pop(file)
                file = target
            elif action == "truncate" and file in model:
                size = generator.randrange(60_000)
                os.truncate(f"{root}/{file}", size)
                model[file] = model[file][:size].ljust(size, b"\0")
            elif action == "chmod" and file in model:
                os.chmod(f"{root}/{file}", 0o600 + generator.randrange(64))
            elif action == "patch" and file in model:
                offset = generator.randrange(50_000)
                data = b"#" * generator.randrange(1, 20_000)
                descriptor = os.open(f"{root}/{file}", os.O_RDWR)
                os.pwrite(descriptor, data, offset)
                os.close(descriptor)
                old = model[file].ljust(offset, b"\0")
                model[file] = old[:offset] + data + old[offset + len(data):]
            elif action == "list":
                self.assertEqual(sorted(os.listdir(other)), sorted(model), where)
            if file in model:
                self.assertEqual(os.stat(f"{other}/{file}").st_size, len(model[file]), where)
                self.assertTrue(read(f"{other}/{file}") == model[file], where)
            else:
                self.assertFalse(os.path.exists(f"{other}/{file}"), where)


if __name__ == "__main__":
    unittest.main(verbosity=2)
