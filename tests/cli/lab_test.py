# SPDX-License-Identifier: MIT
"""The life of a lab, through the tool alone: real daemons, real mounts."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from compare_trees import compare_trees  # noqa: E402
from run_demo import mounts_below  # noqa: E402

BIN = os.environ.get("SHOAL_BIN_DIR", str(ROOT / "build/release/bin"))
SHOAL = os.path.join(os.path.abspath(BIN), "shoal")
PATIENCE_SECONDS = 60


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE_SECONDS} s in vain for {what}")
        time.sleep(0.05)  # between two polls of a condition


def make_tree(folder):
    """Some of everything; tests/swarm goes further."""
    os.makedirs(f"{folder}/sub/deep")
    for number in range(200):
        with open(f"{folder}/sub/file-{number}", "wb") as out:
            out.write(os.urandom(number * 97))
    with open(f"{folder}/large.bin", "wb") as out:
        out.write(os.urandom(5_000_001))
    with open(os.fsencode(folder) + b"/not-utf8-\xff", "wb") as out:
        out.write(b"odd")
    pathlib.Path(folder, "empty").touch()
    os.symlink("sub/file-1", f"{folder}/link")
    os.link(f"{folder}/large.bin", f"{folder}/sub/deep/same.bin")
    os.chmod(f"{folder}/sub/file-3", 0o751)
    os.utime(f"{folder}/sub/file-4", ns=(1, 1_234_567_890_123_456_789))


class LabTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.base = tempfile.mkdtemp(prefix="shoal-lab-test-")
        # What the tool remembers (the lab started last) stays in the test.
        self.environment = {key: value for key, value in os.environ.items()
                            if key not in ("SHOAL_LAB", "SHOAL_DIR")}
        self.environment["XDG_STATE_HOME"] = f"{self.base}/state"
        self.labs = []
        self.addCleanup(self.tear_down)

    def tear_down(self):
        for lab in self.labs:
            self.shoal("lab", "stop", "--dir", lab)
        left = mounts_below(self.base)
        for point in left:
            for command in (["umount", "-l", point], ["fusermount3", "-u", "-z", point]):
                with contextlib.suppress(OSError):
                    subprocess.run(command, check=False, capture_output=True)
        if not mounts_below(self.base):
            shutil.rmtree(self.base, ignore_errors=True)
        self.assertEqual(left, [], "stop left mounts behind")

    def shoal(self, *arguments, cwd=None, **more):
        return subprocess.run([SHOAL, *arguments], env=self.environment, cwd=cwd, timeout=180,
                              check=False, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def good(self, *arguments, code=0, **more):
        done = self.shoal(*arguments, **more)
        self.assertEqual(done.returncode, code,
                         f"shoal {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done

    def json_of(self, *arguments, code=0, **more):
        parsed = json.loads(self.good(*arguments, "--json", code=code, **more).stdout)
        self.assertEqual(parsed["schema"], 1)
        return parsed

    def new_lab(self, name, peers, copies=2):
        folder = os.path.join(self.base, name)
        self.labs.append(folder)
        self.good("lab", "start", "--peers", str(peers), "--copies", str(copies), "--dir", folder)
        return folder

    def status(self, lab):
        done = self.shoal("lab", "status", "--dir", lab, "--json")
        self.assertIn(done.returncode, (0, 3), done.stderr)
        return json.loads(done.stdout)

    def wait_copied(self, lab):
        wait_for(lambda: self.status(lab)["health"]["under"] == 0, "all files to have their copies")

    def assert_same(self, tree, copy):
        found, totals = compare_trees(tree, copy)
        self.assertEqual(found, [])
        return totals

    def assert_nothing_runs(self, lab):
        for process in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = process.read_bytes().split(b"\0")
                is_daemon = os.path.basename(words[0]) in (b"trackerd", b"peerd")
                self.assertFalse(is_daemon and any(os.fsencode(lab) in word for word in words), words)
        self.assertEqual(mounts_below(lab), [])

    def test_a_lab_lives_through_kill_restart_stop_and_start(self):
        lab = self.new_lab("lab", peers=3)
        mounts = {peer: f"{lab}/peer{peer}/mnt" for peer in (1, 2, 3)}
        tree = f"{self.base}/tree"
        make_tree(tree)

        status = self.json_of("lab", "status", "--dir", lab)
        self.assertEqual(status["state"], "healthy")
        self.assertEqual([peer["mount"] for peer in status["peers"]], list(mounts.values()))
        for daemon, file in ((status["tracker"], "tracker/trackerd.pid"),
                             (status["peers"][0], "peer1/peerd.pid")):
            self.assertTrue(daemon["running"])
            self.assertEqual(int(pathlib.Path(lab, file).read_text()), daemon["pid"])
        again = self.good("lab", "start", "--dir", lab, code=1)
        self.assertIn("is running", again.stderr)

        subprocess.run(["cp", "-a", tree, mounts[1]], check=True)
        self.assert_same(tree, mounts[2] + "/tree")
        self.wait_copied(lab)
        self.look_around(lab, mounts, tree)

        # The lab started last is the default.
        self.good("lab", "kill", "1")
        degraded = self.json_of("lab", "status", code=3)
        self.assertEqual(degraded["state"], "degraded")
        self.assertFalse(degraded["peers"][0]["running"])
        self.assertFalse(degraded["peers"][0]["mounted"])
        self.good("lab", "kill", "1", code=6)
        self.assert_same(tree, mounts[3] + "/tree")
        self.good("lab", "restart", "peer1")
        self.assert_same(tree, mounts[1] + "/tree")

        self.good("lab", "kill", "tracker", "--dir", lab)
        self.assertIsNone(self.json_of("lab", "status", code=3)["health"])
        self.good("lab", "restart", "tracker", "--dir", lab)
        pathlib.Path(mounts[2], "after").write_text("the restart")
        self.assertEqual(pathlib.Path(mounts[3], "after").read_text(), "the restart")

        self.good("lab", "stop", "--dir", lab)
        self.assert_nothing_runs(lab)
        self.assertEqual(self.json_of("lab", "status", code=3)["state"], "stopped")
        self.good("lab", "stop")
        self.good("lab", "start", "--dir", lab, "--peers", "2", code=2)
        self.good("lab", "start", "--dir", lab)
        self.assert_same(tree, mounts[2] + "/tree")
        self.assertEqual(self.identities(lab), self.identities_before)

    def identities(self, lab):
        peers = self.json_of("peers", "--dir", lab)["peers"]
        return {peer["name"]: peer["peer"] for peer in peers}

    def look_around(self, lab, mounts, tree):
        self.identities_before = self.identities(lab)
        self.assertEqual(set(self.identities_before), {"peer1", "peer2", "peer3"})
        swarm = self.json_of("status", "--dir", f"{lab}/peer2")
        self.assertEqual(swarm["swarm"]["health"]["under"], 0)
        self.assertEqual(swarm["peer"]["mount"], mounts[2])
        self.assertIn("healthy", self.good("status", cwd=mounts[1]).stdout)

        found = self.json_of("find", "large", "--dir", lab)["found"]
        self.assertEqual([entry["path"] for entry in found], ["/tree/large.bin"])
        self.assertEqual(found[0]["bytes"], 5_000_001)
        self.assertGreaterEqual(len(found[0]["holders"]), 2)
        odd = self.json_of("find", "not-utf8", "--dir", lab)["found"]
        self.assertEqual(odd[0]["path_b64"], "L3RyZWUvbm90LXV0Zjgt/w==")
        self.good("find", "no-such-name", "--dir", lab, code=6)

        self.look_for_conflicts(lab, mounts)
        info = self.json_of("info", "large.bin", cwd=mounts[1] + "/tree")
        self.assertEqual((info["chunks"], info["health"], info["links"]), (5, "healthy", 2))
        elsewhere = self.json_of("info", mounts[2] + "/tree/large.bin")
        self.assertEqual(info["root"], elsewhere["root"])
        self.good("info", "/nothing", "--dir", lab, code=6)

        target = f"{self.base}/fetched"
        got = self.json_of("get", "/tree/large.bin", target, "--dir", lab)
        self.assertEqual(got["root"], info["root"])
        self.assertEqual(pathlib.Path(target).read_bytes(),
                         pathlib.Path(tree, "large.bin").read_bytes())
        self.assertEqual(os.stat(target).st_mtime_ns, os.stat(f"{tree}/large.bin").st_mtime_ns)
        self.good("get", "/tree/large.bin", target, "--dir", lab, code=1)
        to_stdout = subprocess.run([SHOAL, "get", "/tree/link", "-", "--dir", lab], check=True,
                                   env=self.environment, capture_output=True)
        self.assertEqual(to_stdout.stdout, pathlib.Path(tree, "sub/file-1").read_bytes())

    def look_for_conflicts(self, lab, mounts):
        self.assertEqual(self.json_of("conflicts", "--dir", lab)["conflicts"], [])
        self.assertIn("no conflict", self.good("conflicts", "--dir", f"{lab}/peer1").stderr)
        kept = pathlib.Path(mounts[2], "a.conflict-attic-20261121T081502.123Z")
        kept.write_text("mine")
        pathlib.Path(mounts[2], "a.conflict-list").touch()
        listed = self.json_of("conflicts", "--dir", lab)["conflicts"]
        self.assertEqual(listed, [{"path": "/" + kept.name, "name": "a", "kind": "file",
                                   "bytes": 4, "peer": "attic",
                                   "time": "2026-11-21T08:15:02.123000000Z"}])
        self.assertRegex(self.good("conflicts", cwd=mounts[1]).stdout, "attic.*2026-11-21.*/a")
        kept.unlink()
        pathlib.Path(mounts[2], "a.conflict-list").unlink()

    def test_two_labs_run_side_by_side(self):
        first = self.new_lab("first", peers=1, copies=1)
        second = self.new_lab("second", peers=1, copies=1)
        pathlib.Path(first, "peer1/mnt/here").write_text("first")
        self.assertEqual(os.listdir(f"{second}/peer1/mnt"), [])
        self.good("info", "/here", cwd=f"{first}/peer1/mnt")  # though the other was started last
        self.good("lab", "stop", "--dir", first)
        self.assert_nothing_runs(first)
        pathlib.Path(second, "peer1/mnt/there").write_text("second")
        self.assertEqual(self.json_of("lab", "status", "--dir", second)["state"], "healthy")

    def test_a_mount_is_taken_away_and_a_dead_one_cleared(self):
        lab = self.new_lab("lab", peers=1, copies=1)
        mount = f"{lab}/peer1/mnt"
        with open(f"{mount}/open", "w", encoding="utf-8") as held:
            held.write("x")
            held.flush()
            self.assertIn("in use", self.good("umount", mount, code=1).stderr)
        self.good("umount", mount)
        self.assertEqual(mounts_below(lab), [])
        self.good("umount", mount, code=6)
        self.good("lab", "restart", "1", "--dir", lab)
        self.assertEqual(pathlib.Path(mount, "open").read_text(), "x")
        self.good("lab", "kill", "1", "--dir", lab)
        self.assertIn("dead", self.good("umount", mount).stderr)
        self.assertEqual(mounts_below(lab), [])

    def test_no_verb_hangs_with_a_daemon_that_does_not_answer(self):
        lab = self.new_lab("lab", peers=2, copies=1)
        mount = f"{lab}/peer1/mnt"
        status = self.status(lab)
        daemons = [status["tracker"]["pid"], status["peers"][0]["pid"]]
        with contextlib.ExitStack() as undo:
            for pid in daemons:
                os.kill(pid, signal.SIGSTOP)
                undo.callback(os.kill, pid, signal.SIGCONT)
            self.assertIn("does not answer", self.good("umount", mount, code=4).stderr)
            for daemon, words in (("peer1", ["status"]), ("tracker", ["status"]),
                                  ("peer2", ["status"]), ("peer2", ["find", "x"])):
                done = self.good(*words, "--dir", f"{lab}/{daemon}", code=4)
                self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
            self.json_of("lab", "status", "--dir", lab, code=3)
            self.assertIn("taken away", self.good("umount", "--lazy", mount).stderr)
            self.assertEqual(mounts_below(f"{lab}/peer1"), [])

    def test_mount_options_of_a_lab_are_kept_and_shown(self):
        lab = os.path.join(self.base, "lab")
        self.labs.append(lab)
        self.good("lab", "start", "--peers", "1", "--copies", "1", "--dir", lab, "-o", "delegation=off")
        for _ in range(2):
            self.assertEqual(self.status(lab)["mount_options"], "delegation=off")
            peer = self.json_of("status", "--dir", f"{lab}/peer1")["peer"]
            self.assertIn("delegation off", peer["mode"])
            self.good("lab", "restart", "1", "--dir", lab)
        self.good("lab", "stop", "--dir", lab)
        self.good("lab", "start", "--dir", lab, "-o", "")
        self.assertEqual(self.status(lab)["mount_options"], "")
        peer = self.json_of("status", "--dir", f"{lab}/peer1")["peer"]
        self.assertNotIn("delegation off", peer["mode"])

    def test_pid_files_that_lie_mislead_nobody(self):
        lab = self.new_lab("lab", peers=1, copies=1)
        pid = self.status(lab)["peers"][0]["pid"]
        file = pathlib.Path(lab, "peer1/peerd.pid")
        for lie in ("1\n", "999999\n", "no number", "", "-1\n"):
            file.write_text(lie)
            self.assertEqual(self.status(lab)["peers"][0]["pid"], pid, repr(lie))
        file.unlink()
        self.good("lab", "kill", "1", "--dir", lab)
        self.assertFalse(self.status(lab)["peers"][0]["running"])
        file.write_text(f"{os.getpid()}\n")
        self.good("lab", "stop", "--dir", lab)
        self.assert_nothing_runs(lab)

    def test_a_lab_needs_the_daemons_programs(self):
        alone = os.path.join(self.base, "bin", "shoal")
        os.mkdir(os.path.dirname(alone))
        shutil.copy(SHOAL, alone)
        done = subprocess.run([alone, "lab", "start", "--peers", "1", "--dir", f"{self.base}/none"],
                              env={**self.environment, "PATH": "/nowhere"}, check=False, text=True,
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 6, done.stderr)
        self.assertIn("trackerd is neither in", done.stderr)
        self.assertFalse(os.path.exists(f"{self.base}/none/peer1"))

    def test_a_start_that_fails_says_why_and_leaves_nothing_running(self):
        lab = os.path.join(self.base, "broken")
        self.labs.append(lab)
        self.good("lab", "start", "--peers", "1", "--copies", "1", "--dir", lab)
        self.good("lab", "stop", "--dir", lab)
        config = pathlib.Path(lab, "peer1/peerd.toml")
        config.write_text(config.read_text() + "\nno_such_key = 1\n")
        failed = self.good("lab", "start", "--dir", lab, code=1)
        self.assertIn("no_such_key", failed.stderr)
        self.assert_nothing_runs(lab)


if __name__ == "__main__":
    if not os.path.exists("/dev/fuse"):
        print("skipped: there is no /dev/fuse, so nothing can be mounted", file=sys.stderr)
        sys.exit(77)
    unittest.main(verbosity=2)
