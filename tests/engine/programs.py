"""Random programs of passes, for tests."""

from __future__ import annotations

from hypothesis import strategies as st

from sim.workload.program import ONE, Amount, Program, Read, Repeat, Stage, Tool
from tests.engine.setups import MODELS


def amounts(least: int, most: int, cap: int) -> st.SearchStrategy[Amount]:
    return st.builds(
        Amount,
        constant=st.integers(least, most).map(float),
        per_prompt=st.sampled_from([0.0, 0.0, 0.1]),
        per_answer=st.sampled_from([0.0, 0.5, 1.0]),
        per_previous=st.sampled_from([0.0, 0.3]),
        cv=st.sampled_from([0.0, 0.4, 1.5]),
        least=st.just(0),
        most=st.just(cap),
    )


@st.composite
def programs(draw, models=MODELS) -> Program:
    """Up to four stages that read anything they may, with tools, loops that end early, and stages passed over."""
    names = [f"stage-{s}" for s in range(draw(st.integers(1, 4)))]
    stages = []
    for s, name in enumerate(names):
        repeats = draw(st.sampled_from([False, False, True]))
        loop = None
        if repeats:
            back = draw(st.integers(max(0, s - 2), s))
            times = Amount(constant=draw(st.integers(1, 3)), cv=draw(st.sampled_from([0.0, 0.5])), most=4)
            loop = Repeat(names[back], times, draw(st.sampled_from([0.0, 0.4])))
        stages.append(
            Stage(
                name,
                draw(st.sampled_from(models)),
                reads=tuple(draw(st.lists(reads(names), min_size=1, max_size=4))),
                calls=draw(st.one_of(st.just(ONE), amounts(1, 4, 6))),
                output=draw(amounts(0, 12, 60)),
                tool=draw(tools()),
                probability=draw(st.sampled_from([1.0, 1.0, 0.6])),
                repeat=loop,
                longest_input=draw(st.sampled_from([2**30, 2**30, 90])),
                # a program of no passes takes no time: a client that does not think would ask for ever at one instant
                first=s == 0 or draw(st.sampled_from([True, True, True, False])),
            )
        )
    return Program("random", tuple(stages), streamed=draw(st.booleans()))


def reads(names: list[str]) -> st.SearchStrategy[Read]:
    return st.one_of(
        st.just(Read("prompt")),
        st.just(Read("transcript")),
        st.builds(
            lambda t, n: Read("template", tokens=t, name=n), st.integers(0, 60), st.sampled_from(["", "a"])
        ),
        st.builds(
            lambda k, s, share: Read(k, stage=s, share=share),
            st.sampled_from(["all", "own", "others"]),
            st.sampled_from(names),
            st.sampled_from([1.0, 1.0, 0.5]),
        ),
    )


def tools() -> st.SearchStrategy[Tool]:
    return st.one_of(
        st.just(Tool()),
        st.builds(
            Tool,
            delay_s=st.sampled_from([0.0, 0.1, 1.0]),
            delay_cv=st.sampled_from([0.0, 0.8]),
            tokens=amounts(0, 40, 100),
            first=st.booleans(),
        ),
    )
