# SPDX-License-Identifier: MIT
"""The checker itself: it lets good histories pass and catches bad ones."""

import random
import unittest

from history import (ABSENT, NEVER, PRESENT, Call, check_log, check_register, cut_off_step, name_step,
                     register_step, search)


def write(value, begin, end=NEVER):
    return Call("write", value, begin, end)


def read(value, begin, end):
    return Call("read", value, begin, end)


# (name, calls, whether it is linearizable)
REGISTERS = [
    ("nothing", [], True),
    ("the initial value", [read(None, 1, 2)], True),
    ("one after the other", [write(1, 1, 2), read(1, 3, 4), write(2, 5, 6), read(2, 7, 8)], True),
    ("old after the write", [write(1, 1, 2), read(None, 3, 4)], False),
    ("old or new during the write", [write(1, 1, 6), read(None, 2, 3), read(1, 4, 5)], True),
    ("new, then old", [write(1, 1, 9), read(1, 2, 3), read(None, 4, 5)], False),
    ("new, then old, of two readers at once", [write(1, 1, 9), read(1, 2, 5), read(None, 4, 6)], True),
    ("a value from nowhere", [write(1, 1, 2), read(7, 3, 4)], False),
    ("a value before its write", [read(1, 1, 2), write(1, 3, 4)], False),
    ("back to a value that was replaced",
     [write(1, 1, 2), write(2, 3, 4), read(2, 5, 6), read(1, 7, 8)], False),
    ("two writes at once, either last", [write(1, 1, 5), write(2, 2, 6), read(1, 7, 8)], True),
    ("two writes at once, both last",
     [write(1, 1, 5), write(2, 2, 6), read(1, 7, 8), read(2, 9, 10)], False),
    ("a write in the middle of a value's time",
     [write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)], False),
    ("a cut off write that happened", [write(1, 1), read(1, 5, 6)], True),
    ("a cut off write that did not happen", [write(1, 1), read(None, 5, 6), read(None, 7, 8)], True),
    ("a cut off write that happened late", [write(1, 1), read(None, 5, 6), read(1, 7, 8)], True),
    ("a cut off write that happened and was undone",
     [write(1, 1), read(1, 5, 6), read(None, 7, 8)], False),
]


def make(done, begin, end):
    return Call("make", "done" if done else "exists", begin, end)


def remove(done, begin, end):
    return Call("remove", "done" if done else "none", begin, end)


def look(what, begin, end):
    return Call("look", what, begin, end)


NAMES = [
    ("made, seen, removed, gone", [make(True, 1, 2), look(PRESENT, 3, 4), remove(True, 5, 6),
                                   look(ABSENT, 7, 8)], True),
    ("seen after its removal", [make(True, 1, 2), remove(True, 3, 4), look(PRESENT, 5, 6)], False),
    ("not seen after it was made", [make(True, 1, 2), look(ABSENT, 3, 4)], False),
    ("made by two", [make(True, 1, 5), make(True, 2, 6)], False),
    ("made by one of two", [make(True, 1, 5), make(False, 2, 6)], True),
    ("made by two with a removal in between", [make(True, 1, 9), make(True, 2, 9), remove(True, 3, 9)],
     True),
    ("removed by two", [make(True, 1, 2), remove(True, 3, 6), remove(True, 4, 7)], False),
    ("found where it cannot be", [make(False, 1, 2)], False),
    ("missed where it is", [make(True, 1, 2), remove(False, 3, 4)], False),
    ("a cut off removal that happened", [make(True, 1, 2), Call("remove", None, 3),
                                         look(PRESENT, 4, 5), look(ABSENT, 6, 7)], True),
    ("a cut off removal that did not", [make(True, 1, 2), Call("remove", None, 3),
                                        look(PRESENT, 4, 5)], True),
    ("a cut off removal that happened twice",
     [make(True, 1, 2), Call("remove", None, 3), look(ABSENT, 4, 5), make(True, 6, 7),
      look(ABSENT, 8, 9)], False),
]


def append(token, begin, end=NEVER):
    return Call("append", token, begin, end)


# (name, calls, the tokens in the end, whether it is linearizable)
LOGS = [
    ("in order", [append("a", 1, 2), append("b", 3, 4), Call("read", 1, 2.2, 2.5)], "ab", True),
    ("at once in any order", [append("a", 1, 4), append("b", 2, 3)], "ba", True),
    ("against the order", [append("a", 1, 2), append("b", 3, 4)], "ba", False),
    ("lost", [append("a", 1, 2), append("b", 3, 4)], "b", False),
    ("cut off and lost", [append("a", 1), append("b", 3, 4)], "b", True),
    ("twice", [append("a", 1, 2)], "aa", False),
    ("from nowhere", [append("a", 1, 2)], "ax", False),
    ("size behind", [append("a", 1, 2), Call("read", 0, 3, 4)], "a", False),
    ("size ahead", [Call("read", 1, 1, 2), append("a", 3, 4)], "a", False),
    ("size going back", [append("a", 1, 9), Call("read", 1, 2, 3), Call("read", 0, 4, 5)], "a", False),
    ("another beginning", [append("a", 1, 9), append("b", 1, 9), Call("see", ("a",), 2, 3)], "ba", False),
    ("the same beginning", [append("a", 1, 9), append("b", 1, 9), Call("see", ("b",), 2, 3)], "ba", True),
]


class Checker(unittest.TestCase):
    def test_registers(self):
        for name, calls, is_good in REGISTERS:
            with self.subTest(name):
                self.assertEqual(check_register(calls) is None, is_good, check_register(calls))
                self.assertEqual(search(calls, None, register_step) is None, is_good)

    def test_names(self):
        for name, calls, is_good in NAMES:
            with self.subTest(name):
                wrong = search(calls, ABSENT, cut_off_step(name_step))
                self.assertEqual(wrong is None, is_good, wrong)

    def test_logs(self):
        for name, calls, final, is_good in LOGS:
            with self.subTest(name):
                wrong = check_log(calls, final)
                self.assertEqual(wrong is None, is_good, wrong)

    def test_both_ways_agree_about_random_registers(self):
        generator = random.Random(1)
        outcomes = [0, 0]
        for _ in range(3_000):
            calls = []
            count = generator.randrange(1, 4)
            for value in range(1, count + 1):
                begin = generator.randrange(20)
                end = NEVER if generator.randrange(6) == 0 else begin + generator.randrange(1, 8)
                calls.append(write(value, begin + 0.1 * value, end + 0.01 * value))
            for number in range(generator.randrange(1, 5)):
                begin = generator.randrange(25) + 0.5 + 0.001 * number
                value = generator.choice([None, *range(1, count + 1)])
                calls.append(read(value, begin, begin + generator.randrange(1, 8)))
            quick = check_register(calls) is None
            slow = search(calls, None, register_step) is None
            self.assertEqual(quick, slow, [str(call) for call in calls])
            outcomes[quick] += 1
        self.assertGreater(min(outcomes), 300, "good and bad ones")

    def test_what_really_happened_is_always_explained(self):
        """Calls with a moment each, made in that order, and a begin and an end around it."""
        generator = random.Random(2)
        for _ in range(200):
            state, calls = ABSENT, []
            for moment in range(40):
                action = generator.choice(("make", "remove", "look"))
                before = state
                if action == "make":
                    value, state = ("done", PRESENT) if before == ABSENT else ("exists", PRESENT)
                elif action == "remove":
                    value, state = ("done", ABSENT) if before == PRESENT else ("none", ABSENT)
                else:
                    value = before
                begin, end = moment - generator.random() * 4, moment + generator.random() * 4
                calls.append(Call(action, value, begin, end))
            self.assertIsNone(search(calls, ABSENT, cut_off_step(name_step)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
