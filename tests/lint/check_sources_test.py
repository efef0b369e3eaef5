#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of check_sources.py on small trees and single lines."""

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import check_sources  # pylint: disable=wrong-import-position

SPDX = "// SPDX-License-Identifier: MIT\n"


def rules(findings):
    return [finding.rule for finding in findings]


class Includes(unittest.TestCase):
    def check(self, path, include):
        return rules(check_sources.check_includes(path, f"#include {include}\n"))

    def test_allows_the_arrows_of_the_design(self):
        for path, include in (
                ("wire/frame.cc", '"base/result.h"'), ("tracker/core.cc", '"wire/limits.h"'),
                ("cache/blob.cc", '"base/file.h"'), ("fs/ops/read.cc", '"cache/blob_store.h"'),
                ("peerd/swarm.cc", '"wire/rpc.h"'), ("cli/main.cc", '"wire/rpc.h"'),
                ("base/log.cc", '"base/log.h"')):
            self.assertEqual(self.check(path, include), [], (path, include))

    def test_refuses_arrows_that_point_up_or_sideways(self):
        for path, include in (
                ("base/log.cc", '"wire/limits.h"'), ("wire/rpc.cc", '"cache/blob.h"'),
                ("cache/blob.cc", '"wire/rpc.h"'), ("tracker/core.cc", '"cache/blob.h"'),
                ("fs/ops/read.cc", '"peerd/fetcher.h"'), ("peerd/swarm.cc", '"fs/mount.h"'),
                ("cli/main.cc", '"cache/blob.h"'), ("peerd/fetcher.h", '"tracker/core.h"')):
            self.assertEqual(self.check(path, include), ["arrows"], (path, include))

    def test_lets_only_the_composing_files_join_peerd_and_fs(self):
        self.assertEqual(self.check("peerd/main.cc", '"fs/mount.h"'), [])
        self.assertEqual(self.check("peerd/mount_swarm.cc", '"fs/mount.h"'), [])
        self.assertEqual(self.check("peerd/mount_swarm.h", '"fs/mount.h"'), ["arrows"])
        self.assertEqual(self.check("peerd/main.cc", '"tracker/core.h"'), ["arrows"])

    def test_lets_tests_include_everything_but_nothing_include_tests(self):
        self.assertEqual(self.check("tests/fs/x_test.cc", '"peerd/fetcher.h"'), [])
        self.assertEqual(self.check("base/log.cc", '"tests/support/temp_dir.h"'), ["arrows"])

    def test_asks_for_root_relative_includes(self):
        self.assertEqual(self.check("base/log.cc", '"log.h"'), ["arrows"])
        self.assertEqual(self.check("base/log.cc", '"../base/log.h"'), ["arrows"])

    def test_gives_each_library_one_door(self):
        for path, include in (
                ("base/sqlite.cc", "<sqlite3.h>"), ("wire/codec.h", "<cereal/cereal.hpp>"),
                ("fs/ops/read.cc", "<fuse_lowlevel.h>"), ("base/hash.cc", "<openssl/evp.h>"),
                ("wire/tls.cc", "<asio/ssl/stream.hpp>"), ("base/log.cc", "<spdlog/spdlog.h>"),
                ("base/config.cc", "<toml++/toml.h>"), ("tracker/main.cc", "<CLI/CLI.hpp>"),
                ("cli/find.cc", "<CLI/App.hpp>"), ("base/timer.cc", "<asio/steady_timer.hpp>"),
                ("base/text.h", "<fmt/format.h>")):
            self.assertEqual(self.check(path, include), [], (path, include))
        for path, include in (
                ("cache/blob_index.cc", "<sqlite3.h>"), ("wire/messages.h", "<cereal/cereal.hpp>"),
                ("fs/inode_table.h", "<fuse3/fuse_lowlevel.h>"), ("wire/invitation.cc", "<openssl/rand.h>"),
                ("wire/rpc.cc", "<asio/ssl/stream.hpp>"), ("peerd/swarm.cc", "<spdlog/spdlog.h>"),
                ("tracker/service.cc", "<CLI/CLI.hpp>"), ("wire/rpc.h", "<asio.hpp>"),
                ("wire/rpc.cc", "<asio/steady_timer.hpp>"), ("base/text.h", "<format>"),
                ("base/text.h", "<boost/asio.hpp>"), ("fs/x.cc", '"sqlite3.h"')):
            self.assertEqual(self.check(path, include), ["doors"], (path, include))

    def test_frees_tests_from_doors_except_where_sense_would_suffer(self):
        self.assertEqual(self.check("tests/cache/x_test.cc", "<sqlite3.h>"), [])
        self.assertEqual(self.check("tests/cache/x_test.cc", "<asio.hpp>"), ["doors"])


class Coroutines(unittest.TestCase):
    def check(self, body):
        return check_sources.check_coroutines("wire/x.cc", body)

    def test_accepts_one_named_co_await_a_statement(self):
        self.assertEqual(self.check("""
          // if (co_await x) in a comment, "co_await ? a : b" in a string
          auto reply = co_await client.get(key, std::move(request));
          if (!reply) { co_await group.stop(); }
          if (done) co_await group.stop();
          for (int i = 0; i < 3; ++i) co_await timer.wait();
          co_return co_await finish();
        """), [])

    def test_refuses_what_compilers_get_wrong(self):
        for body in ("auto [a, b] = co_await f();", "auto&& [a, b] =\n co_await f();",
                     "if (co_await f()) return;", "while (auto x = co_await f()) g();",
                     "use(co_await f(), co_await g());", "auto x = a ? co_await f() : b;",
                     "if (a) x(); else if (co_await f()) y();"):
            self.assertEqual(rules(self.check(body)), ["coroutines"], body)

    def test_names_the_line(self):
        self.assertEqual(self.check("\n\nif (co_await f())\n  g();")[0].line, 3)

    def test_is_not_misled_by_digit_separators_and_char_literals(self):
        self.assertEqual(rules(self.check("x = 1'000; c = '\"'; if (co_await f()) g(); d = 2'000;")),
                         ["coroutines"])


class Tree(unittest.TestCase):
    def run_on(self, files, *options):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                status = check_sources.main(["--root", folder, *options])
            return status, output.getvalue()

    def test_passes_a_clean_tree(self):
        status, output = self.run_on({"base/a.h": SPDX + "#pragma once\n",
                                      "CMakeLists.txt": "# SPDX-License-Identifier: MIT\n"})
        self.assertEqual(status, 0)
        self.assertIn("1 sources are clean", output)

    def test_says_where_and_what_to_do(self):
        status, output = self.run_on({"base/a.cc": SPDX + '#include "fs/b.h"\n'})
        self.assertEqual(status, 1)
        self.assertIn("base/a.cc:2: arrows: base includes fs/b.h", output)

    def test_wants_the_licence_line_in_sources_and_scripts(self):
        status, output = self.run_on({"wire/a.h": "#pragma once\n", "scripts/go": "#!/bin/sh\n",
                                      "scripts/ok": "#!/bin/sh\n# SPDX-License-Identifier: MIT\n"})
        self.assertEqual(status, 1)
        self.assertIn("wire/a.h:1: spdx", output)
        self.assertIn("scripts/go:1: spdx", output)
        self.assertNotIn("scripts/ok", output)

    def test_names_what_is_not_formatted(self):
        status, output = self.run_on({".clang-format": "BasedOnStyle: Google\n",
                                      "base/bad.cc": "int   a ;\n", "base/good.cc": "int a;\n"},
                                     "--format")
        if status == 77:
            self.skipTest(output)
        self.assertEqual(status, 1)
        self.assertIn("base/bad.cc: format", output)
        self.assertNotIn("good.cc", output)


if __name__ == "__main__":
    unittest.main()
