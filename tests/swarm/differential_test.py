# SPDX-License-Identifier: MIT
"""The same calls on the mount and on a native directory give the same results, errnos and stats.

Fixed cases cover the rules that programs rely on; random sequences of calls look for the ones nobody
thought of. What is compared leaves out what may differ by right: inode and device numbers, sizes and
link counts as the native filesystem keeps them for directories, allocated blocks.
"""

import ctypes
import errno
import mmap
import os
import random
import stat
import tempfile
import unittest

from lab import Lab, seed

STEPS = int(os.environ.get("SHOAL_STEPS", "3000"))

libc = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16


def renameat2(old, new, flags):
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def fallocate(descriptor, mode, offset, length):
    off_t = ctypes.c_longlong
    if libc.fallocate64(descriptor, mode, off_t(offset), off_t(length)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def shown(path):
    """stat as it must be equal; times only where a test sets them."""
    seen = os.lstat(path)
    is_directory = stat.S_ISDIR(seen.st_mode)
    return (oct(seen.st_mode), None if is_directory else seen.st_nlink, seen.st_uid, seen.st_gid,
            None if is_directory else seen.st_size)


class Recorder:
    """Performs calls below a root and keeps what came of each."""

    def __init__(self, root):
        self.root = root
        self.log = []
        self.descriptors = {}

    def path(self, name):
        return os.path.join(self.root, name)

    def call(self, label, function, *arguments):
        try:
            result = function(*arguments)
        except OSError as error:
            result = errno.errorcode.get(error.errno, error.errno)
        self.log.append((label, result))
        return result

    def open(self, key, name, flags, mode=0o644):
        def body():
            self.close(key)
            self.descriptors[key] = os.open(self.path(name), flags, mode)
            return "opened"
        return self.call(f"open {name} {flags:o}", body)

    def close(self, key):
        if key in self.descriptors:
            os.close(self.descriptors.pop(key))

    def with_descriptor(self, key, label, function):
        if key in self.descriptors:
            self.call(label, function, self.descriptors[key])

    def tree(self):
        result = {}
        for folder, folders, files in os.walk(self.root):
            for name in sorted(folders + files):
                path = os.path.join(folder, name)
                entry = shown(path)
                if stat.S_ISREG(os.lstat(path).st_mode):
                    with open(path, "rb") as file:
                        entry += (file.read(),)
                elif stat.S_ISLNK(os.lstat(path).st_mode):
                    entry += (os.readlink(path),)
                result[os.path.relpath(path, self.root)] = entry
        return result

    def finish(self):
        for key in list(self.descriptors):
            self.close(key)


def case_errors(at):
    """Errnos of wrong calls."""
    p = at.path
    os.mkdir(p("dir"))
    os.mkdir(p("full"))
    os.close(os.open(p("full/file"), os.O_CREAT))
    os.close(os.open(p("file"), os.O_CREAT))
    os.symlink("loop", p("loop"))
    os.symlink("nowhere", p("dangling"))
    long = "n" * 256
    calls = [
        (os.mkdir, "dir"), (os.mkdir, "file"), (os.mkdir, "file/x"), (os.mkdir, "none/x"),
        (os.mkdir, long), (os.mkdir, "n" * 255), (os.rmdir, "full"), (os.rmdir, "file"),
        (os.rmdir, "none"), (os.rmdir, "dir/."), (os.rmdir, "dir/.."), (os.unlink, "dir"),
        (os.unlink, "none"), (os.unlink, "file/x"), (os.unlink, long), (os.readlink, "file"),
        (os.readlink, "dir"), (os.listdir, "file"), (os.listdir, "none"), (os.stat, "loop"),
        (os.stat, "dangling"), (os.stat, "file/"), (os.lstat, "none"), (os.rmdir, "loop"),
    ]
    for function, name in calls:
        at.call(f"{function.__name__} {name[:9]}", lambda f=function, n=name:
                (f(p(n)), "done")[1] if f in (os.stat, os.lstat) else f(p(n)))
    pairs = [
        ("dir", "full"), ("full", "dir/sub"), ("dir", "dir/sub"), ("dir", "file"), ("file", "dir"),
        ("none", "x"), ("file", "none/x"), ("file", "file"), ("dir", "dir"), ("full", "full/x/y"),
        ("file", "dir/."), ("loop", "loop2"), ("dangling", "loop2"), ("file", long),
    ]
    for old, new in pairs:
        at.call(f"rename {old} {new[:9]}", os.rename, p(old), p(new))
    for old, new in [("file", "file"), ("dir", "d2"), ("none", "l"), ("file", "full/file"),
                     ("loop2", "l2"), ("file", long)]:
        at.call(f"link {old} {new[:9]}", lambda o=old, n=new:
                os.link(p(o), p(n), follow_symlinks=False))
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_CREAT | os.O_EXCL, os.O_TRUNC,
                  os.O_DIRECTORY, os.O_NOFOLLOW, os.O_CREAT | os.O_DIRECTORY):
        for name in ("full", "file", "dangling", "loop2", "none/x", "full/file/x", long):
            at.open("d", name, flags)
    at.call("truncate dir", os.truncate, p("full"), 0)
    at.call("truncate negative", os.truncate, p("full/file"), -1)
    at.call("symlink empty", os.symlink, "", p("empty-link"))
    at.call("symlink exists", os.symlink, "x", p("full"))
    at.call("symlink long", os.symlink, "x" * 4096, p("long-link"))


def case_rename(at):
    """Every kind over every kind, and the flags of renameat2."""
    p = at.path

    def fill(prefix):
        os.mkdir(p(f"{prefix}-dir"))
        os.mkdir(p(f"{prefix}-full"))
        for name in ("file", "full/inside"):
            with open(p(f"{prefix}-{name}"), "w") as out:
                out.write(prefix + name)
        os.symlink("target", p(f"{prefix}-link"))
        os.mkfifo(p(f"{prefix}-fifo"))

    kinds = ("dir", "full", "file", "link", "fifo", "none")
    for flags in (0, 1, 2):
        for one in kinds:
            for two in kinds:
                prefix = f"{flags}{one}{two}"
                fill(prefix + "a")
                fill(prefix + "b")
                at.call(f"renameat2 {one} {two} {flags}", renameat2, p(f"{prefix}a-{one}"),
                        p(f"{prefix}b-{two}"), flags)
    os.mkdir(p("x"))
    os.mkdir(p("x/y"))
    at.call("exchange parent and child", renameat2, p("x"), p("x/y"), 2)
    at.call("bad flags", renameat2, p("x"), p("z"), 3)


def case_links_and_modes(at):
    p = at.path
    old = os.umask(0o027)
    try:
        at.open("a", "masked", os.O_CREAT | os.O_RDWR, 0o777)
        at.call("mkdir masked", os.mkdir, p("masked-dir"), 0o777)
        at.call("mkfifo masked", os.mkfifo, p("masked-fifo"), 0o666)
    finally:
        os.umask(old)
    at.open("b", "file", os.O_CREAT | os.O_RDWR, 0o600)
    for number in range(5):
        at.call("link", os.link, p("file"), p(f"link{number}"))
    at.call("nlink", lambda: os.stat(p("file")).st_nlink)
    at.call("unlink", os.unlink, p("file"))
    at.call("open and unlinked", lambda: os.fstat(at.descriptors["b"]).st_nlink)
    for number in range(5):
        at.call("unlink", os.unlink, p(f"link{number}"))
    at.call("gone", lambda: os.fstat(at.descriptors["b"]).st_nlink)
    at.call("write to unlinked", os.pwrite, at.descriptors["b"], b"alive", 0)
    at.call("read from unlinked", os.pread, at.descriptors["b"], 10, 0)
    for mode in (0o7777, 0o4755, 0o2755, 0o1755, 0o0, 0o644):
        at.call("chmod", os.chmod, p("masked"), mode)
        at.call("mode", lambda: oct(os.stat(p("masked")).st_mode))
    os.mkdir(p("setgid"))
    os.chmod(p("setgid"), 0o2775)
    if os.geteuid() == 0:
        os.chown(p("setgid"), 0, 123)
        at.call("mkdir in setgid", os.mkdir, p("setgid/dir"))
        at.open("c", "setgid/file", os.O_CREAT | os.O_WRONLY)
        at.call("inherits", lambda: [shown(p("setgid/dir")), shown(p("setgid/file"))])
        at.call("chmod", os.chmod, p("masked"), 0o6755)
        at.call("chown clears set-id", os.chown, p("masked"), 55, 66)
        at.call("mode", lambda: shown(p("masked")))
        at.call("mknod", os.mknod, p("device"), 0o620 | stat.S_IFCHR, os.makedev(1, 3))
        at.call("rdev", lambda: os.stat(p("device")).st_rdev)


def case_times(at):
    p = at.path
    at.open("a", "file", os.O_CREAT | os.O_RDWR)
    os.mkdir(p("dir"))
    at.call("utime", lambda: os.utime(p("file"), ns=(1_000_000_001, 2_000_000_002)))
    at.call("times", lambda: (os.stat(p("file")).st_atime_ns, os.stat(p("file")).st_mtime_ns))
    at.call("negative", lambda: os.utime(p("file"), ns=(-1, -1_500_000_000)))
    at.call("times", lambda: (os.stat(p("file")).st_atime_ns, os.stat(p("file")).st_mtime_ns))

    def moved(what, change, watch):
        before = os.stat(p(watch))
        for _ in range(1000):  # until the clock has ticked
            os.utime(p("tick"), None) if os.path.exists(p("tick")) else open(p("tick"), "w").close()
            if os.stat(p("tick")).st_mtime_ns > max(before.st_mtime_ns, before.st_ctime_ns):
                break
        os.utime(p("tick"), None)
        change()
        after = os.stat(p(watch))
        at.call(what, lambda: (after.st_mtime_ns != before.st_mtime_ns,
                               after.st_ctime_ns != before.st_ctime_ns))

    open(p("tick"), "w").close()
    moved("write", lambda: os.pwrite(at.descriptors["a"], b"x", 0), "file")
    moved("chmod", lambda: os.chmod(p("file"), 0o600), "file")
    moved("link", lambda: os.link(p("file"), p("dir/link")), "file")
    moved("link in parent", lambda: os.link(p("file"), p("dir/link2")), "dir")
    moved("unlink", lambda: os.unlink(p("dir/link")), "file")
    moved("unlink in parent", lambda: os.unlink(p("dir/link2")), "dir")
    moved("rename in parent", lambda: os.rename(p("file"), p("dir/file")), "dir")
    moved("truncate", lambda: os.truncate(p("dir/file"), 100), "dir/file")
    moved("truncate to the same size", lambda: os.truncate(p("dir/file"), 100), "dir/file")
    moved("ftruncate to the same size", lambda: os.ftruncate(at.descriptors["a"], 100), "dir/file")
    moved("read", lambda: os.pread(at.descriptors["a"], 1, 0), "dir/file")
    moved("empty write", lambda: os.pwrite(at.descriptors["a"], b"", 0), "dir/file")
    moved("open with O_TRUNC", lambda: os.close(os.open(p("dir/file"), os.O_WRONLY | os.O_TRUNC)),
          "dir/file")
    moved("mkdir in parent", lambda: os.mkdir(p("dir/sub")), "dir")
    moved("create in child", lambda: os.mkdir(p("dir/sub/deep")), "dir")
    moved("setxattr", lambda: os.setxattr(p("dir/file"), "user.a", b"1"), "dir/file")


def case_xattrs(at):
    p = at.path
    at.open("a", "file", os.O_CREAT)
    os.mkdir(p("dir"))
    os.symlink("file", p("link"))
    for name in ("file", "dir"):
        at.call("set", os.setxattr, p(name), "user.one", b"1")
        at.call("create again", os.setxattr, p(name), "user.one", b"2", os.XATTR_CREATE)
        at.call("replace", os.setxattr, p(name), "user.one", b"3", os.XATTR_REPLACE)
        at.call("replace none", os.setxattr, p(name), "user.none", b"3", os.XATTR_REPLACE)
        at.call("get", os.getxattr, p(name), "user.one")
        at.call("get none", os.getxattr, p(name), "user.none")
        at.call("empty", os.setxattr, p(name), "user.empty", b"")
        at.call("get empty", os.getxattr, p(name), "user.empty")
        at.call("list", lambda n=name: sorted(os.listxattr(p(n))))
        at.call("remove", os.removexattr, p(name), "user.one")
        at.call("remove again", os.removexattr, p(name), "user.one")
        at.call("list", lambda n=name: sorted(os.listxattr(p(n))))
        at.call("too long a name", os.setxattr, p(name), "user." + "n" * 251, b"")
        at.call("bad prefix", os.setxattr, p(name), "nonsense.name", b"")
    at.call("user on a link", lambda: os.setxattr(p("link"), "user.a", b"1", follow_symlinks=False))
    if os.geteuid() == 0:
        at.call("trusted", os.setxattr, p("file"), "trusted.t", b"v")
        at.call("get trusted", os.getxattr, p("file"), "trusted.t")


def case_data(at):
    p = at.path
    flags = os.O_CREAT | os.O_RDWR
    at.open("a", "file", flags)
    fd = at.descriptors["a"]
    at.call("hole", os.pwrite, fd, b"end", 100_000)
    at.call("read hole", os.pread, fd, 10, 50_000)
    at.call("read at the end", os.pread, fd, 100, 100_000)
    at.call("read beyond", os.pread, fd, 100, 200_000)
    at.call("punch", fallocate, fd, PUNCH_HOLE | KEEP_SIZE, 99_990, 12)
    at.call("punched", os.pread, fd, 20, 99_985)
    at.call("punch without keep", fallocate, fd, PUNCH_HOLE, 0, 10)
    at.call("keep size", fallocate, fd, KEEP_SIZE, 200_000, 10_000)
    at.call("size", lambda: os.fstat(fd).st_size)
    at.call("allocate", fallocate, fd, 0, 200_000, 10_000)
    at.call("size", lambda: os.fstat(fd).st_size)
    at.call("zero", fallocate, fd, ZERO_RANGE, 209_000, 5_000)
    at.call("size", lambda: os.fstat(fd).st_size)
    at.call("zero keep", fallocate, fd, ZERO_RANGE | KEEP_SIZE, 213_000, 5_000)
    at.call("size", lambda: os.fstat(fd).st_size)
    at.call("nothing", fallocate, fd, 0, 0, 0)
    at.call("negative", fallocate, fd, 0, -1, 10)
    at.call("data", os.lseek, fd, 0, os.SEEK_SET)
    at.call("seek beyond", os.lseek, fd, 10_000_000, os.SEEK_DATA)
    at.open("b", "file", os.O_WRONLY | os.O_APPEND)
    at.call("append", os.pwrite, at.descriptors["b"], b"tail", 0)
    at.call("size", lambda: os.fstat(fd).st_size)
    at.call("read on write-only", os.pread, at.descriptors["b"], 1, 0)
    at.open("c", "file", os.O_RDONLY)
    at.call("write on read-only", os.pwrite, at.descriptors["c"], b"x", 0)
    at.call("truncate on read-only", os.ftruncate, at.descriptors["c"], 0)
    at.call("too large", os.pwrite, fd, b"x", (1 << 63) - 2)
    at.call("copy_file_range", os.copy_file_range, at.descriptors["c"], fd, 50_000, 0, 300_000)
    with open(p("mapped"), "wb") as out:
        out.truncate(10_000)
    at.open("m", "mapped", os.O_RDWR)
    with mmap.mmap(at.descriptors["m"], 10_000) as view:
        view[5_000:5_005] = b"hello"
        at.call("write under a map", os.pwrite, at.descriptors["m"], b"world", 5_005)
        at.call("seen in the map", lambda: bytes(view[5_000:5_010]))
        view.flush()
    at.call("map written", os.pread, at.descriptors["m"], 10, 5_000)


def random_step(at, generator):
    """One random call; the same generator state gives the same call on both sides."""
    p = at.path
    names = ["a", "b", "c", "d/a", "d/b", "d/e/a", "d", "d/e", "f"]
    one, two = generator.choice(names), generator.choice(names)
    key = generator.choice("xyz")
    offset, length = generator.randrange(70_000), generator.randrange(40_000)
    data = bytes([generator.randrange(256)]) * length
    mode = generator.randrange(0o10000)
    action = generator.randrange(22)
    if action < 3:
        at.open(key, one, generator.choice((os.O_CREAT | os.O_RDWR, os.O_RDWR, os.O_RDONLY,
                os.O_CREAT | os.O_EXCL | os.O_RDWR, os.O_RDWR | os.O_TRUNC,
                os.O_CREAT | os.O_WRONLY | os.O_APPEND)), mode & 0o777 | 0o600)
    elif action < 7:
        at.with_descriptor(key, f"pwrite {offset} {length}", lambda fd: os.pwrite(fd, data, offset))
    elif action < 10:
        at.with_descriptor(key, f"pread {offset} {length}", lambda fd: os.pread(fd, length, offset))
    elif action == 10:
        at.with_descriptor(key, f"ftruncate {offset}", lambda fd: os.ftruncate(fd, offset))
    elif action == 11:
        how = generator.choice((0, KEEP_SIZE, KEEP_SIZE | PUNCH_HOLE, ZERO_RANGE,
                                ZERO_RANGE | KEEP_SIZE))
        at.with_descriptor(key, f"fallocate {how} {offset} {length}",
                           lambda fd: fallocate(fd, how, offset, length))
    elif action == 12:
        at.call(f"mkdir {one}", os.mkdir, p(one), mode & 0o777 | 0o700)
    elif action == 13:
        at.call(f"rmdir {one}", os.rmdir, p(one))
    elif action == 14:
        at.call(f"unlink {one}", os.unlink, p(one))
    elif action == 15:
        at.call(f"rename {one} {two}", os.rename, p(one), p(two))
    elif action == 16:
        at.call(f"exchange {one} {two}", renameat2, p(one), p(two), generator.randrange(1, 3))
    elif action == 17:
        at.call(f"link {one} {two}", os.link, p(one), p(two))
    elif action == 18:
        at.call(f"symlink {two}", os.symlink, one, p(two))
    elif action == 19:
        at.call(f"chmod {one}", os.chmod, p(one), mode | 0o700)
    elif action == 20:
        at.call(f"stat {one}", lambda: shown(p(one)))
        at.call(f"list {one}", lambda: sorted(os.listdir(p(one))))
    else:
        at.close(key)


class Differential(unittest.TestCase):
    maxDiff = 3_000

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(peers=2).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)

    def compare(self, body):
        """Runs body on a native folder and on the mount; then a second mount must show the same."""
        name = self._testMethodName
        with tempfile.TemporaryDirectory(dir=self.lab.dir) as native:
            os.chmod(native, 0o755)
            recorders = []
            for root in (native, os.path.join(self.lab.mnt(1), name)):
                if root != native:
                    os.mkdir(root)
                at = Recorder(root)
                recorders.append(at)
                try:
                    body(at)
                finally:
                    at.finish()
            expected, seen = recorders
            for step, (theirs, ours) in enumerate(zip(expected.log, seen.log)):
                self.assertEqual(ours, theirs, f"step {step}; before it: "
                                 f"{[label for label, _ in seen.log[max(0, step - 8):step]]}")
            self.assertEqual(len(seen.log), len(expected.log))
            tree = expected.tree()
            self.assertEqual(seen.tree(), tree)
            self.assertEqual(Recorder(os.path.join(self.lab.mnt(2), name)).tree(), tree)

    def test_errors(self):
        self.compare(case_errors)

    def test_rename(self):
        self.compare(case_rename)

    def test_links_and_modes(self):
        self.compare(case_links_and_modes)

    def test_times(self):
        self.compare(case_times)

    def test_xattrs(self):
        self.compare(case_xattrs)

    def test_data(self):
        self.compare(case_data)

    def test_tmpfile(self):
        """A file without a name, which a link can give it. libfuse passes it on from 3.17."""
        try:
            descriptor = os.open(self.lab.mnt(1), os.O_TMPFILE | os.O_RDWR, 0o600)
        except OSError as error:
            self.assertEqual(error.errno, errno.EOPNOTSUPP)
            self.skipTest("this libfuse does not pass on O_TMPFILE")
        os.write(descriptor, b"nameless")
        self.assertEqual(os.fstat(descriptor).st_nlink, 0)
        # With a folder given Python calls linkat(2), which can follow the link in /proc; link(2) cannot.
        root = os.open("/", os.O_RDONLY)
        os.link(f"/proc/self/fd/{descriptor}", f"{self.lab.mnt(1)}/named", src_dir_fd=root)
        os.close(root)
        os.close(descriptor)
        with open(f"{self.lab.mnt(2)}/named", "rb") as file:
            self.assertEqual(file.read(), b"nameless")

    def test_random_sequences(self):
        start = seed()

        def body(at):
            generator = random.Random(start)
            for _ in range(STEPS):
                random_step(at, generator)

        self.compare(body)


if __name__ == "__main__":
    unittest.main(verbosity=2)
