"""A program of passes: what one request makes the data center compute, as data.

A request runs stages in series. A stage is a number of calls in parallel, and the next stage begins when the last of
them has ended (a join). What a call reads is a list of texts, from the front: so its length follows from earlier
passes, and two calls that begin with the same texts share a prefix. A plain chat is a program of one stage of one
call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

UNBOUNDED = 2**30
"""Stands for a limit that is not set [tokens, or times]."""
Kind = Literal["template", "prompt", "all", "own", "others", "transcript"]
"""What a text is:

template    instructions, the same for every request of the workload and every stage that names it
prompt      what the user sent
all         the outputs of all calls of a stage's latest execution: an earlier stage, this one, or a later one of the
            same loop; nothing where it has not run yet
own         of these, the output of the call with the same place in its stage (their mean length)
others      of these, all but the call's own
transcript  everything that this stage's call of the same place has emitted and been told so far (grows at its end)
"""


@dataclass(frozen=True)
class Read:
    """One text of a call's input.

    stage: name of the stage whose outputs are read (kinds all, own, others).  tokens: length of a template.
    share: part of an output that is read, from 0 to 1 (without what a model thought before it answered).
    name: of a template; templates of one name and length are one text.
    """

    kind: Kind
    stage: str = ""
    tokens: int = 0
    share: float = 1.0
    name: str = ""


@dataclass(frozen=True)
class Amount:
    """A random whole number: `cv` = 0 gives the mean rounded, else lognormal with that coefficient of variation.

    mean = constant + per_prompt x the prompt's tokens + per_answer x the tokens of the answer that the workload's
    length table gives the request + per_previous x the mean output of the preceding stage's calls.
    The draw is then held between `least` and `most`.
    """

    constant: float = 0.0
    per_prompt: float = 0.0
    per_answer: float = 0.0
    per_previous: float = 0.0
    cv: float = 0.0
    least: int = 0
    most: int = 2**30


ONE = Amount(constant=1, least=1, most=1)


@dataclass(frozen=True)
class Tool:
    """A search, an execution or a lookup before a stage's calls: it takes time, and its result is read.

    delay_s, delay_cv: mean and coefficient of variation of the time [s], lognormal.
    tokens: what each call reads of the result, after its other texts (in its transcript, if it reads one).
    first: whether it also runs before the stage's first execution, as a retrieval does; the result of an action
    only comes from the second on.
    """

    delay_s: float = 0.0
    delay_cv: float = 0.0
    tokens: Amount = Amount()
    first: bool = True


@dataclass(frozen=True)
class Repeat:
    """After a stage, go back to `stage` (it or an earlier one), until the body has run `times` in all.

    times: drawn once per request.  stop: probability, after each execution, that the loop ends early (a success).
    An execution of the body counts whichever of its stages were skipped. Loops do not overlap.
    """

    stage: str
    times: Amount
    stop: float = 0.0


@dataclass(frozen=True)
class Stage:
    """Calls in parallel, and what follows them.

    model: catalog name of the model that computes them.  probability: that the stage is run at all, drawn each time.
    calls: drawn at each execution; each call draws its own output, and the stage's tool its own delay and tokens.
    longest_input: tokens that a call reads at most; beyond it the beginning of its last growing text is left out.
    drawn_output: each call's output is drawn anew from the workload's lengths, and `output` is not used; the request's
    first pass has the answer that the request came with.
    first: whether it is run in the first execution of the loop that it is in; a critique has nothing to read before
    the first draft, so that the loop (critique, draft) can end after any draft.
    """

    name: str
    model: str
    reads: tuple[Read, ...] = (Read("prompt"),)
    calls: Amount = ONE
    output: Amount = field(default_factory=lambda: Amount(per_answer=1.0))
    tool: Tool = Tool()
    probability: float = 1.0
    repeat: Repeat | None = None
    longest_input: int = UNBOUNDED
    first: bool = True
    drawn_output: bool = False


@dataclass(frozen=True)
class Program:
    """Stages in order.

    streamed: whether the user sees the last stage's tokens as they come (its first token is the request's TTFT);
    else the answer shows when the last stage has ended, as after a vote or a check.
    session: whether it is a conversation, of which each pass counts as a request of its own.
    """

    name: str
    stages: tuple[Stage, ...]
    streamed: bool = True
    session: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether this is one call that reads the prompt and answers it."""
        return self.stages == (Stage(self.stages[0].name, self.stages[0].model),) and self.streamed

    @property
    def passes_are_requests(self) -> bool:
        """Whether each pass counts as a request: plain requests and turns of sessions."""
        return self.is_plain or self.session


def job(model: str) -> Program:
    """An image or video: one pass that shows when its last step has ended."""
    return Program("none", (Stage("denoise", model),), streamed=False)


def plain(model: str) -> Program:
    """One pass, straight from the prompt to the answer."""
    return Program("none", (Stage("answer", model),))
