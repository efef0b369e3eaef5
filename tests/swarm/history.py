# SPDX-License-Identifier: MIT
"""Whether what programs saw could have happened one call after the other.

Pure: no files, no clock. A history is a list of Calls on one object. It is linearizable when each call
can be given a moment between its begin and its end so that the results are those of the calls made one
by one at these moments. A call that was cut off has no end: it may have happened at any moment after
its begin, or not at all.

`check_register` is for objects that take unique values and is quick: P. B. Gibbons, E. Korach, Testing
Shared Memories, SIAM J. Comput. 26 (1997), section 4: reads and their write make a zone. `check_log` is
for a file that is only appended to. `search` knows nothing but a function that says what each call does,
and tries what is possible; with few calls at once there is not much.
"""

import math
from typing import Any, NamedTuple

NEVER = math.inf
IMPOSSIBLE = object()

# Configurations that a search may look at before it gives up, so that every check ends.
MOST_CONFIGURATIONS = 2_000_000


class Call(NamedTuple):
    """One call: what was asked for, what came back, and when it began and ended on one clock."""
    action: str
    value: Any = None  # what was to be written, or what was read
    begin: float = 0
    end: float = NEVER
    who: str = ""

    @property
    def is_cut_off(self):
        return self.end == NEVER

    def __str__(self):
        until = "cut off" if self.is_cut_off else f"{self.end}"
        return f"{self.who}: {self.action} {self.value!r} [{self.begin}, {until}]"


class TooLarge(Exception):
    """The search gave up; that says nothing about the history."""


# -- registers ------------------------------------------------------------------------------------


def check_register(calls, initial=None):
    """Calls are write(value), each value once, and read(value). None, or what is wrong."""
    writes = {initial: Call("write", initial, -math.inf, -math.inf, "initially")}
    for call in calls:
        if call.action == "write":
            if call.value in writes:
                raise ValueError(f"{call.value!r} is written twice")
            writes[call.value] = call
    reads = {}
    for call in calls:
        if call.action != "read" or call.is_cut_off:
            continue
        if call.value not in writes:
            return f"nobody wrote what was read: {call}"
        if call.end < writes[call.value].begin:
            return f"read before it was written: {call}; {writes[call.value]}"
        reads.setdefault(call.value, []).append(call)
    forward, backward = [], []
    for value, write in writes.items():
        cluster = [write, *reads.get(value, [])]
        if write.is_cut_off and len(cluster) == 1:
            continue  # it need not have happened
        # The value was there from the first end on, if that came before the last begin.
        first_end = min(cluster, key=lambda call: call.end)
        last_begin = max(cluster, key=lambda call: call.begin)
        if first_end.end < last_begin.begin:
            forward.append((first_end, last_begin))
        else:
            backward.append((last_begin, first_end))
    forward.sort(key=lambda zone: zone[0].end)
    for (_, one_last), (two_first, two_last) in zip(forward, forward[1:]):
        if two_first.end < one_last.begin:
            return (f"two values at once: {one_last} although {two_first}"
                    if one_last.begin < two_last.begin else
                    f"two values at once: {two_last} between {one_last} and its write")
    for last_begin, first_end in backward:
        for first, last in forward:
            if first.end < last_begin.begin and first_end.end < last.begin:
                return f"{first} and {last} although in between: {first_end}"
    return None


# -- anything -------------------------------------------------------------------------------------


def search(calls, initial, step):
    """step(state, call) is the state after the call, or IMPOSSIBLE when it could not have had that
    outcome then; states can be hashed. None, or the call that cannot be explained. Errors: TooLarge."""
    events = []
    for number, call in enumerate(calls):
        events.append((call.begin, 0, number))
        if not call.is_cut_off:
            events.append((call.end, 1, number))
    events.sort()
    # What may be the case: the state, and which of the calls under way have had their moment.
    possible = {(initial, frozenset())}
    under_way = set()
    looked_at = 0
    for _, is_end, number in events:
        if not is_end:
            under_way.add(number)
            continue
        # Each call that ends now must have had its moment; others under way may have had theirs before.
        reached = set()
        todo = list(possible)
        seen = set(todo)
        while todo:
            looked_at += 1
            if looked_at > MOST_CONFIGURATIONS:
                raise TooLarge(f"{len(calls)} calls")
            state, done = todo.pop()
            if number in done:
                reached.add((state, done - {number}))
                continue
            for other in under_way:
                if other in done:
                    continue
                after = step(state, calls[other])
                if after is IMPOSSIBLE:
                    continue
                following = (after, done | {other})
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
        under_way.discard(number)
        if not reached:
            states = sorted({repr(state) for state, _ in possible})
            return f"cannot be explained: {calls[number]}; before it: {', '.join(states[:6])}"
        possible = reached
    return None


def register_step(state, call):
    if call.action == "write":
        return call.value
    return state if call.value == state else IMPOSSIBLE


ABSENT = "absent"
PRESENT = "present"


def name_step(state, call):
    """A name: make and remove say whether they did it, look what was there."""
    if call.action == "make":
        if call.value == "done":
            return PRESENT if state == ABSENT else IMPOSSIBLE
        return state if state == PRESENT else IMPOSSIBLE  # it exists already
    if call.action == "remove":
        if call.value == "done":
            return ABSENT if state == PRESENT else IMPOSSIBLE
        return state if state == ABSENT else IMPOSSIBLE  # there is none
    return state if call.value == state else IMPOSSIBLE


def cut_off_step(step):
    """For calls that were cut off, of which nobody knows the outcome: they did it, or they did not."""
    def choose(state, call):
        if not call.is_cut_off or call.action in ("read", "look"):
            return step(state, call)
        return step(state, call._replace(value="done") if call.action in ("make", "remove") else call)
    return choose


# -- logs -----------------------------------------------------------------------------------------


def check_log(calls, final):
    """Calls are append(token), each once, read(number of tokens that were there) and
    see(tuple of tokens). final: all tokens in the end. None, or what is wrong."""
    final = list(final)
    place = {token: number for number, token in enumerate(final)}
    if len(place) != len(final):
        return "something is there twice"
    appends = {call.value: call for call in calls if call.action == "append"}
    for token in final:
        if token not in appends:
            return f"nobody appended {token!r}"
    for token, call in appends.items():
        if token not in place and not call.is_cut_off:
            return f"lost: {call}"
    latest = None
    for token in final:  # whoever began after another had ended comes behind it
        call = appends[token]
        if latest is not None and call.end < latest.begin:
            return f"in the wrong order: {latest} before {call}"
        if latest is None or call.begin > latest.begin:
            latest = call
    looks = []
    for call in calls:
        if call.is_cut_off or call.action == "append":
            continue
        count = call.value
        if call.action == "see":
            count = len(call.value)
            if list(call.value) != final[:count]:
                return f"not how it began in the end: {call}"
        if count > len(final):
            return f"more than there was in the end: {call}"
        looks.append((call, count))
    for call, count in looks:
        for token in final[:count]:
            if appends[token].begin > call.end:
                return f"seen before it was appended: {appends[token]}; {call}"
        for token in final[count:]:
            if appends[token].end < call.begin:
                return f"not seen although it was there: {appends[token]}; {call}"
    looks.sort(key=lambda look: look[0].end)
    for number, (call, count) in enumerate(looks):
        for later, later_count in looks[number + 1:]:
            if later.begin > call.end and later_count < count:
                return f"less than was there before: {call}; {later}"
    return None
