# SPDX-License-Identifier: MIT
"""Who may mount and who sees what: root's mount as other users see it, an ordinary user's through
fusermount3, and a machine that cannot mount at all."""

import errno
import os
import shutil
import subprocess
import tempfile
import unittest

from lab import BIN, SHOAL, Lab

NOBODY = 65534  # an ordinary user that every machine has
SCRIPTS = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../scripts"))


def as_nobody(code, *arguments):
    """Runs shell code as an ordinary user."""
    return subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                           "sh", "-c", code, "sh", *arguments],
                          capture_output=True, text=True, timeout=60, check=False)


def in_namespace(code, *arguments):
    """Runs shell code as root where mounts of its own are seen by nobody else."""
    return subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", code, "sh", *arguments],
                          capture_output=True, text=True, timeout=120, check=False)


@unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
class Users(unittest.TestCase):
    def test_others_see_roots_mount_under_their_own_permissions(self):
        with Lab(peers=2) as lab:
            here, there = lab.mnt(1), lab.mnt(2)
            for name, mode in (("secret", 0o600), ("public", 0o644)):
                with open(f"{here}/{name}", "w", encoding="ascii") as file:
                    file.write(name)
                os.chmod(f"{here}/{name}", mode)
            os.mkdir(f"{here}/free")
            os.chmod(f"{here}/free", 0o1777)
            self.assertEqual(as_nobody('cat "$1"', f"{there}/public").stdout, "public")
            for code in ('cat "$1/secret"', 'echo x >> "$1/public"', 'touch "$1/new"',
                         'rm -f "$1/public"', 'chmod 777 "$1/secret"'):
                refused = as_nobody(code, there)
                self.assertNotEqual(refused.returncode, 0, code)
                self.assertRegex(refused.stderr, "Permission denied|not permitted", code)
            for code in ('ls "$1"', 'cat "$1/identity.pem"', 'cat "$1/log"', 'cat "$1/peerd.toml"',
                         'cat "$1/journal"', 'ls "$1/store"'):
                self.assertNotEqual(as_nobody(code, f"{lab.dir}/peer2").returncode, 0, code)
            self.assertNotEqual(as_nobody('ls "$1"', f"{lab.dir}/tracker").returncode, 0)
            made = as_nobody('echo mine > "$1/free/file" && chmod 640 "$1/free/file"', there)
            self.assertEqual(made.returncode, 0, made.stderr)
            seen = os.stat(f"{here}/free/file")
            self.assertEqual((seen.st_uid, seen.st_gid, seen.st_mode & 0o777), (NOBODY, NOBODY, 0o640))

    def test_an_ordinary_user_mounts_through_fusermount3(self):
        folder = tempfile.mkdtemp(prefix="shoal-test-", dir="/tmp")
        self.addCleanup(shutil.rmtree, folder)
        os.chown(folder, NOBODY, NOBODY)
        done = in_namespace("""
            set -e
            mount -t tmpfs shoal-test "$2" && mknod -m 666 "$2/fuse" c 10 229
            mount --bind "$2/fuse" /dev/fuse
            umount -l "$2"
            exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -e -c '
                "$1" lab start --peers 2 --dir "$2/lab"
                trap "\\"$1\\" lab stop --dir \\"$2/lab\\"" EXIT
                echo hello > "$2/lab/peer1/mnt/file"
                ln -s file "$2/lab/peer1/mnt/link"
                cat "$2/lab/peer2/mnt/link"
                ! chown root "$2/lab/peer2/mnt/file"
                "$1" lab kill 1 --dir "$2/lab"
                "$1" lab restart 1 --dir "$2/lab"
                echo "$(cat "$2/lab/peer1/mnt/file") again"
                "$1" umount "$2/lab/peer1/mnt"
                ! grep "$2/lab/peer1/mnt" /proc/mounts
            ' sh "$1" "$2"
            """, SHOAL, folder)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.splitlines(), ["hello", "hello again"])

    def test_without_dev_fuse_every_program_says_so_in_one_sentence(self):
        folder = tempfile.mkdtemp(prefix="shoal-test-", dir="/tmp")
        self.addCleanup(shutil.rmtree, folder)
        subprocess.run([f"{BIN}/trackerd", "init", "--dir", f"{folder}/t", "--listen", "127.0.0.1:0"],
                       check=True, capture_output=True)
        without = """
            mount -t tmpfs shoal-test "$1" && cp -a /dev/null /dev/zero /dev/urandom "$1"
            ln -s /proc/self/fd "$1/fd"
            mount --move "$1" /dev
            shift
            exec "$@"
            """
        for name, *command in (
                ("shoal", SHOAL, "lab", "start", "--peers", "1", "--dir", f"{folder}/lab"),
                ("scripts/demo", f"{SCRIPTS}/demo", "--check"),
                ("peerd", "sh", "-c", f"""
                    cd "{folder}"; "$1/trackerd" --dir t 2>/dev/null & tracker=$!
                    until [ -e t/endpoint ]; do sleep 0.02; done
                    "$2" invite -q --dir t | "$1/peerd" join - --dir p > /dev/null; mkdir -p m
                    "$1/peerd" --dir p --mount m; code=$?
                    kill $tracker; wait $tracker; exit $code
                    """, "sh", os.path.abspath(BIN), SHOAL)):
            with self.subTest(name):
                os.makedirs(f"{folder}/dev", exist_ok=True)
                done = in_namespace(without, f"{folder}/dev", *command)
                self.assertNotEqual(done.returncode, 0)
                said = [line for line in (done.stdout + done.stderr).splitlines() if "/dev/fuse" in line]
                self.assertEqual(len(said), 1, done.stdout + done.stderr)
                self.assertRegex(said[0], "container")
                self.assertFalse(os.path.exists(f"{folder}/lab/peer1"), "nothing is left half-way")


if __name__ == "__main__":
    unittest.main(verbosity=2)
