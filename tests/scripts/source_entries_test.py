#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of source_entries.py on entries of both formats."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "scripts"))
import source_entries  # pylint: disable=wrong-import-position

STANZA = """\
Types: deb
# a remark
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/archive.gpg
"""


class Lines(unittest.TestCase):
    def rewrite(self, line):
        return source_entries.rewrite_line(line, "bookworm", ["forky", "sid"])

    def test_keeps_address_and_key(self):
        self.assertEqual(
            self.rewrite("deb [arch=amd64 signed-by=/k.gpg] http://mirror.test/debian bookworm main"),
            "deb-src [signed-by=/k.gpg] http://mirror.test/debian forky main\n"
            "deb-src [signed-by=/k.gpg] http://mirror.test/debian sid main\n")

    def test_can_name_packages_of_other_components(self):
        self.assertEqual(
            source_entries.rewrite_line("deb http://mirror.test/debian bookworm main", "bookworm",
                                        ["bookworm"], ("deb", ["main", "non-free"])),
            "deb http://mirror.test/debian bookworm main non-free\n")

    def test_writes_no_brackets_without_options(self):
        self.assertEqual(
            self.rewrite("deb http://mirror.test/debian stable contrib main # ours").splitlines()[0],
            "deb-src http://mirror.test/debian forky main")

    def test_takes_nothing_over_that_turns_verification_off(self):
        entry = self.rewrite("deb [trusted=yes allow-insecure=yes] http://m.test/debian bookworm main")
        self.assertEqual(entry.splitlines()[0], "deb-src http://m.test/debian forky main")

    def test_refuses_other_releases_components_discs_and_remarks(self):
        for line in ("deb http://m.test/debian bookworm-updates main", "",
                     "deb http://m.test/debian bookworm contrib",
                     "deb http://m.test/tool ./", "# deb http://m.test/debian bookworm main",
                     "deb cdrom:[Debian]/ bookworm main"):
            self.assertIsNone(self.rewrite(line), line)


class Stanzas(unittest.TestCase):
    def rewrite(self, stanza):
        return source_entries.rewrite_stanza(stanza, "bookworm", ["forky", "sid"])

    def test_keeps_address_and_key(self):
        self.assertEqual(self.rewrite(STANZA), (
            "Types: deb-src\nSuites: forky sid\nComponents: main\n"
            "URIs: http://mirror.test/debian\nSigned-By: /usr/share/keyrings/archive.gpg\n"))

    def test_can_name_packages_of_other_components(self):
        entry = source_entries.rewrite_stanza(STANZA, "bookworm", ["bookworm"],
                                              ("deb", ["main", "non-free"]))
        self.assertTrue(entry.startswith("Types: deb\nSuites: bookworm\nComponents: main non-free\n"))

    def test_keeps_an_embedded_key_whole(self):
        key = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END-----\n"
        entry = self.rewrite(STANZA.split("Signed-By")[0] + key)
        self.assertIn("\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END-----\n", entry)

    def test_takes_nothing_over_that_turns_verification_off(self):
        entry = self.rewrite(STANZA + "Trusted: yes\nAllow-Insecure: yes\nArchitectures-Add: i386\n")
        self.assertNotIn("rusted", entry)
        self.assertNotIn("nsecure", entry)
        self.assertNotIn("i386", entry)

    def test_refuses_disabled_and_foreign_stanzas(self):
        self.assertIsNone(self.rewrite(STANZA + "Enabled: no\n"))
        self.assertIsNone(self.rewrite(STANZA.replace("Suites: bookworm bookworm-updates",
                                                      "Suites: bookworm-security")))


class Files(unittest.TestCase):
    def test_finds_the_first_fitting_stanza(self):
        other = STANZA.replace("bookworm bookworm-updates", "bookworm-security")
        suffix, entry = source_entries.rewrite_file(
            "debian.sources", other + "\n" + STANZA.replace("mirror", "second"), "bookworm", ["sid"])
        self.assertEqual(suffix, ".sources")
        self.assertIn("http://second.test/debian", entry)


if __name__ == "__main__":
    unittest.main()
