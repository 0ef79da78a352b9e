"""The reference engine's prefix cache: texts by their whole path, in a dictionary, and a list in order of last use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.engine.kernel.ident import number_of, pass_of
from sim.engine.plan import Plan

if TYPE_CHECKING:
    from sim.engine.reference.call import Call

Path = tuple
"""A text's identity behind those of all texts before it."""


@dataclass
class Text:
    """A text in memory: tokens from its front, and how many running calls read it."""

    tokens: int
    users: int = 0


def texts_of(plan: Plan, call: Call) -> list[tuple[tuple, int]]:
    """Identity and tokens of each text that a call reads, from the front; they sum to its input."""
    request = call.request
    place = 0 if request is None else pass_of(call.id) - request.first_pass
    given = [(("prompt", call.id), call.input)] if request is None else request.texts(plan, place)
    found, left = [], call.input
    for identity, tokens in given:
        for name, length in _blocks(plan, call, identity, tokens):
            if length > left:  # cut short: a text of its own
                name, length = ("cut", call.id), left
            if length > 0:
                found.append((name, length))
                left -= length
    return found


def _blocks(plan: Plan, call: Call, identity: tuple, tokens: int) -> list[tuple[tuple, int]]:
    """A prompt whose blocks the trace names, block by block; any other text whole."""
    workload = plan.workloads[call.workload]
    block = int(workload["prompt_blocks"])
    if block == 0 or identity[0] != "prompt":
        return [(identity, tokens)]
    row = workload["trace_offset"] + number_of(call.id) % workload["trace_count"]
    names = plan.blocks[plan.block_first[row] : plan.block_first[row + 1]]
    if len(names) == 0:
        return [(identity, tokens)]
    lengths = [block] * (len(names) - 1) + [tokens - block * (len(names) - 1)]
    return [(("block", int(n)), length) for n, length in zip(names, lengths, strict=True)]


class PrefixCache:
    """The texts in the KV memory of one replica."""

    def __init__(self, block: int):
        self.block = block
        self.texts: dict[Path, Text] = {}
        self.idle: list[Path] = []  # from the longest unused to the latest
        self.paths: dict[Call, list[Path]] = {}

    def in_use(self) -> int:
        """Tokens of texts that running calls read."""
        return sum(t.tokens for t in self.texts.values() if t.users)

    def would_take(self, texts: list[tuple[tuple, int]]) -> int:
        """Tokens that come to be in use if a call reads these texts."""
        total, path = 0, ()
        for name, length in texts:
            path = (*path, name)
            if path not in self.texts or self.texts[path].users == 0:
                total += length
        return total

    def found(self, texts: list[tuple[tuple, int]], tokens: int) -> int:
        """Of an input of `tokens`, those that need not be computed."""
        found, path = 0, ()
        for name, length in texts:
            path = (*path, name)
            resident = min(self.texts[path].tokens, length) if path in self.texts else 0
            found += resident
            if resident < length:
                break
        return min(found // self.block * self.block, tokens - 1)

    def take(self, call: Call, texts: list[tuple[tuple, int]]) -> int:
        """Hold a call's texts; returns the tokens found from the front without a gap."""
        found, whole, path = 0, True, ()
        self.paths[call] = []
        for name, length in texts:
            path = (*path, name)
            text = self.texts.setdefault(path, Text(0))
            resident = min(text.tokens, length)
            found += resident if whole else 0
            whole = whole and resident == length
            if path in self.idle:
                self.idle.remove(path)
            text.tokens = length
            text.users += 1
            self.paths[call].append(path)
        return found

    def release(self, call: Call, forget: int = 0) -> None:
        """A call reads its texts no longer; the last `forget` tokens of them were never computed."""
        paths = self.paths.pop(call)
        for path in reversed(paths):
            self.texts[path].users -= 1
            if self.texts[path].users == 0:
                self.idle.append(path)
        for path in reversed(paths):
            if forget <= 0 or self.texts[path].users:
                break
            forget -= self.shorten(path, forget)

    def leave(self, call: Call, plan: Plan) -> None:
        """A call is done: its output stays behind its input."""
        paths, request = self.paths[call], call.request
        path = paths[-1] if paths else ()
        name: tuple = ("output", call.id)
        if request is not None:
            stage = request.row(plan)
            who = (request.id, request.stage, request.progress[request.stage].seen + 1, 1.0)
            place = pass_of(call.id) - request.first_pass
            name = ("all", *who) if request.calls == 1 else ("own", *who, place)
            if stage["grows"] and call.input < stage["longest_input"] and call.output:
                told = request.texts(plan, place)[-1][1]
                if told and paths and self.texts[path].users == 1:
                    self.texts[path].tokens += call.output
                    self.release(call)
                    return
                if not told:  # the transcript begins with this output
                    name = ("transcript", request.id, request.stage, place)
        if call.output and (*path, name) not in self.texts:
            self.texts[(*path, name)] = Text(call.output)
            self.idle.append((*path, name))
        self.release(call)

    def make_room(self, room: float) -> None:
        """Evict idle texts, the longest unused first, until they fit in `room` tokens."""
        excess = int(sum(self.texts[p].tokens for p in self.idle) - room)
        while excess > 0 and self.idle:
            excess -= self.shorten(self.idle[0], -(-excess // self.block) * self.block)

    def shorten(self, path: Path, tokens: int) -> int:
        """Take up to `tokens` off the end of an idle text; returns how many."""
        text = self.texts[path]
        gone = min(text.tokens, tokens)
        text.tokens -= gone
        if text.tokens == 0:
            del self.texts[path]
            self.idle.remove(path)
        return gone
