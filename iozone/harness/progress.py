# SPDX-License-Identifier: MIT
"""How far a series of steps is, and how long the rest will take. Time comes in as an argument."""


class Estimate:
    """Steps are (key, seconds expected at first); a key that was measured counts as measured."""

    def __init__(self, steps):
        self.left = list(steps)
        self.seen = {}  # key: seconds of the last time
        self.expected_seconds = 0.0  # of what is done, as expected and
        self.taken_seconds = 0.0     # as measured

    def done(self, seconds):
        """The next step took that long."""
        key, expected = self.left.pop(0)
        self.seen[key] = seconds
        self.expected_seconds += expected
        self.taken_seconds += seconds

    def seconds_left(self):
        """Steps not seen yet are taken to be as much slower than expected as those that were."""
        pace = self.taken_seconds / self.expected_seconds if self.expected_seconds else 1.0
        return sum(self.seen.get(key, expected * pace) for key, expected in self.left)

    def seconds_of(self, keys):
        """How long steps took that have been made before."""
        return sum(self.seen[key] for key in keys)


def spoken(seconds):
    """A span for a person: 40 s, 12 min."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
