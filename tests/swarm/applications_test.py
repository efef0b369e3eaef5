# SPDX-License-Identifier: MIT
"""Programs that people use every day work in the mount, and another peer sees their results."""

import filecmp
import os
import shutil
import subprocess
import unittest

from lab import Lab


def run(*command, cwd=None, check=True):
    environment = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", HOME="/nonexistent", LC_ALL="C",
                       GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@localhost",
                       GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@localhost")
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment,
                          timeout=300)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Applications(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(peers=2, copies=2).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)
        cls.scratch = os.path.join(cls.lab.dir, "scratch")
        os.mkdir(cls.scratch)

    def folders(self):
        name = self._testMethodName
        os.mkdir(os.path.join(self.lab.mnt(1), name))
        return os.path.join(self.lab.mnt(1), name), os.path.join(self.lab.mnt(2), name)

    def source_tree(self):
        """A few hundred small sources and a Makefile, on the native disk."""
        root = os.path.join(self.scratch, "source")
        if os.path.exists(root):
            return root
        os.makedirs(root)
        objects = []
        for unit in range(60):
            folder = os.path.join(root, f"part{unit % 6}")
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/unit{unit}.c", "w") as out:
                out.write(f'#include "unit{unit}.h"\nint unit{unit}(void) {{ return {unit}; }}\n')
            with open(f"{folder}/unit{unit}.h", "w") as out:
                out.write(f"int unit{unit}(void);\n")
            objects.append(f"part{unit % 6}/unit{unit}.o")
        with open(f"{root}/main.c", "w") as out:
            out.write("int main(void) { return 0; }\n")
        with open(f"{root}/Makefile", "w") as out:
            out.write("OBJECTS = main.o " + " ".join(objects) + "\n"
                      "program: $(OBJECTS)\n\tcc -o $@ $(OBJECTS)\n")
        return root

    def test_git(self):
        here, there = self.folders()
        origin = os.path.join(self.scratch, "origin")
        shutil.copytree(self.source_tree(), origin)
        run("git", "init", "-q", cwd=origin)
        run("git", "add", ".", cwd=origin)
        run("git", "commit", "-qm", "first", cwd=origin)
        run("git", "clone", "-q", origin, f"{here}/clone")
        run("git", "fsck", "--full", "--strict", cwd=f"{here}/clone")
        run("git", "-c", "safe.directory=*", "fsck", "--full", "--strict", cwd=f"{there}/clone")
        with open(f"{there}/clone/main.c", "a") as out:
            out.write("/* edited on the other peer */\n")
        run("git", "-c", "safe.directory=*", "commit", "-qam", "second", cwd=f"{there}/clone")
        self.assertEqual(run("git", "status", "--porcelain", cwd=f"{here}/clone").stdout, "")
        self.assertIn("second", run("git", "log", "--oneline", cwd=f"{here}/clone").stdout)
        run("git", "gc", "-q", cwd=f"{here}/clone")
        run("git", "fsck", "--full", "--strict", cwd=f"{here}/clone")

    def test_build(self):
        here, there = self.folders()
        shutil.copytree(self.source_tree(), f"{here}/source")
        run("make", "-j2", cwd=f"{here}/source")
        self.assertIn("up to date", run("make", cwd=f"{there}/source").stdout)
        run(f"{there}/source/program")
        os.utime(f"{there}/source/main.c")
        self.assertIn("main.o", run("make", "-n", cwd=f"{here}/source").stdout)

    def test_rsync_finds_nothing_to_do_the_second_time(self):
        here, there = self.folders()
        source = self.source_tree()
        run("rsync", "-aH", f"{source}/", f"{here}/copy/")
        second = run("rsync", "-aHc", "--itemize-changes", f"{source}/", f"{there}/copy/").stdout
        self.assertEqual(second, "")
        run("rsync", "-a", "--delete", f"{source}/part0/", f"{there}/copy/")
        self.assertEqual(sorted(os.listdir(f"{here}/copy")), sorted(os.listdir(f"{source}/part0")))

    def test_tar(self):
        here, there = self.folders()
        archive = os.path.join(self.scratch, "source.tar")
        run("tar", "-cf", archive, "-C", self.source_tree(), ".")
        run("tar", "-xpf", archive, "-C", here)
        run("tar", "--compare", "-f", archive, "-C", there)

    def test_sqlite(self):
        here, there = self.folders()
        for journal in ("delete", "truncate", "persist"):
            database = f"{here}/{journal}.db"
            run("sqlite3", database, f"PRAGMA journal_mode={journal};"
                "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);"
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
                "INSERT INTO t SELECT i, hex(randomblob(50)) FROM n;"
                "UPDATE t SET b = 'changed' WHERE a % 7 = 0; DELETE FROM t WHERE a % 11 = 0;"
                "VACUUM;")
            other = f"{there}/{journal}.db"
            self.assertEqual(run("sqlite3", other, "PRAGMA integrity_check;").stdout, "ok\n")
            self.assertEqual(run("sqlite3", other, "SELECT count(*) FROM t;").stdout, "4546\n")
            run("sqlite3", other, "INSERT INTO t VALUES (100000, 'from the other peer');")
            self.assertEqual(run("sqlite3", database, "SELECT count(*) FROM t;").stdout, "4547\n")

    def test_save_by_rename(self):
        here, there = self.folders()
        for version in range(20):
            with open(f"{here}/.file.swp", "w") as out:
                out.write(f"version {version}\n" * 100)
                out.flush()
                os.fsync(out.fileno())
            os.chmod(f"{here}/.file.swp", 0o640)
            if os.path.exists(f"{here}/file"):
                os.replace(f"{here}/file", f"{here}/file~")
            os.rename(f"{here}/.file.swp", f"{here}/file")
            with open(f"{there}/file") as file:
                self.assertEqual(file.read(), f"version {version}\n" * 100)
        self.assertEqual(sorted(os.listdir(there)), ["file", "file~"])

    def test_copies_of_copies(self):
        here, there = self.folders()
        shutil.copytree(self.source_tree(), f"{here}/one")
        run("cp", "-a", f"{there}/one", f"{there}/two")
        run("mv", f"{here}/two", f"{here}/three")
        left = filecmp.dircmp(f"{there}/one", f"{there}/three")
        self.assertEqual((left.left_only, left.right_only, left.diff_files), ([], [], []))
        run("rm", "-rf", f"{there}/one")
        self.assertEqual(os.listdir(here), ["three"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
