"""Expected passes and tokens: against multipliers reckoned by hand from published shapes, and runs in plain Python."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.catalog.models import model
from sim.catalog.shapes import parameters_total
from sim.catalog.techniques import techniques
from sim.scenario.mitigation import catalog_technique
from sim.workload.expected import at_least, expected, mean
from sim.workload.program import Amount, Program, Read, Repeat, Stage, Tool
from sim.workload.programs import program_from
from tests.oracles.program_walk import draw, walks
from tests.samples import ROOT

PROMPT, ANSWER = 1155, 211
"""Means of Azure's conversation service of 2023."""
OWN, SMALL = "Llama-3.1-70B", "Llama-3.1-8B"


def multiplier(name: str, weight: float, small: bool, **parameters: float) -> float:
    """(in + w out) over that of one plain pass; a smaller model counts by its parameters."""
    made = catalog_technique(name)
    models = {"": OWN, **dict.fromkeys(made.roles, SMALL if small else OWN)}
    found = expected(program_from(made, {**made.defaults, **parameters}, models), PROMPT, ANSWER).by_model()
    sizes = {m: parameters_total(model(m)) / parameters_total(model(OWN)) for m in found}
    tokens = sum(sizes[m] * (read + weight * emitted) for m, (_, read, emitted) in found.items())
    return tokens / (PROMPT + weight * ANSWER)


RECKONED = [
    # technique, parameters, judge or reward model of 8 B, multiplier at w = 1, at w = 4 (a range: least and most)
    ("guardrail", {}, True, 1.29, 1.20),
    ("guardrail", {}, False, 3.6, 2.8),
    ("retrieval", {}, False, (2.5, 3.9), (2, 3)),
    ("retrieval", {"passages": 2000}, False, 2.5, 2),
    ("retrieval", {"passages": 4000}, False, 3.9, 3),
    ("chain-of-thought", {}, False, 1.2, 1.6),
    ("self-consistency", {"samples": 5}, False, (5, 8), (5, 8)),
    ("self-consistency", {"samples": 40}, False, (40, 65), (40, 65)),
    ("chain-of-verification-joint", {}, False, 2.5, 3.0),
    ("chain-of-verification", {"questions": 6}, False, 6.1, 5.7),
    ("chain-of-verification", {"questions": 15}, False, 10.6, 10.0),
    ("selfcheckgpt", {}, False, 21, 21),
    ("selfcheckgpt-prompt", {}, False, (45, 55), (45, 55)),
    ("selfcheckgpt-prompt", {"samples": 5}, False, (12, 15), (12, 15)),
    ("semantic-entropy", {"samples": 5}, False, (6, 11), (6, 11)),
    ("semantic-entropy", {"samples": 10}, False, (6, 11), (6, 11)),
    ("debate", {}, False, 7.4, 7.0),
    ("debate", {"rounds": 3}, False, 11.8, 10.9),
    ("self-refine", {}, False, 8.1, 7.5),
    ("reflexion", {"success": 0}, False, 5.7, 5.3),
    ("best-of-n", {}, True, 18, 17),
    ("repeated-sampling", {}, False, 250, 250),
    ("reasoning", {}, False, 2.1, 4.0),
    ("reasoning", {"inflation": 16}, False, 3.3, 7.3),
    ("react", {"steps": 3}, False, 4, 4),
    ("react", {}, False, 30, 24),
    ("react", {"steps": 30}, False, 225, 163),
    ("multi-agent-research", {}, False, 15, 15),
    ("coding-agent", {}, False, (100, 1000), (100, 1000)),
]


@pytest.mark.parametrize(
    ("name", "parameters", "small", "flops_like", "price_like"),
    RECKONED,
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_token_multipliers_are_those_reckoned_by_hand(name, parameters, small, flops_like, price_like):
    for weight, reckoned in ((1, flops_like), (4, price_like)):
        low, high = reckoned if isinstance(reckoned, tuple) else (reckoned, reckoned)
        assert 0.9 * low <= multiplier(name, weight, small, **parameters) <= 1.1 * high


def test_every_technique_costs_more_than_none():
    assert multiplier("none", 1, False) == 1
    assert all(multiplier(n, 1, False) > 1 for n in set(techniques()) - {"none"})


def test_tokens_and_prices_of_whole_tasks():
    """AutoGPT: $14.4 a task; MetaGPT: 31,000 tokens and $1.09, at GPT-4's $30 and $60 per million."""
    for name, usd in (("autogpt", 14.4), ("metagpt", 1.09)):
        made = catalog_technique(name)
        found = expected(program_from(made, made.defaults, {"": OWN}), PROMPT, ANSWER)
        price_usd = 30e-6 * found.input_tokens + 60e-6 * found.output_tokens
        assert price_usd == pytest.approx(usd, rel=0.1)
    assert found.input_tokens + found.output_tokens == pytest.approx(31_000, rel=0.1)


def test_reflexion_stops_at_success():
    """Attempts: (1 - (1 - s)^n) / s; reflections: one fewer, but for none after the first success."""
    made = catalog_technique("reflexion")
    s, n = 0.4, 5
    found = expected(
        program_from(made, {**made.defaults, "success": s, "trials": n}, {"": OWN}), PROMPT, ANSWER
    )
    reflect, attempt = found.stages
    assert attempt.passes == pytest.approx((1 - (1 - s) ** n) / s)
    assert reflect.passes == pytest.approx(attempt.passes - 1)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_growing_context_is_a_sum_of_the_steps_before(steps):
    made = catalog_technique("react")
    found = expected(program_from(made, {**made.defaults, "steps": steps}, {"": OWN}), PROMPT, ANSWER)
    grown = (ANSWER + 400) * steps * (steps - 1) / 2
    assert found.input_tokens == steps * PROMPT + grown
    assert (found.passes, found.output_tokens) == (steps, steps * ANSWER)


@pytest.mark.parametrize("amount", [
    Amount(constant=3, cv=1.0, least=1),
    Amount(constant=30, cv=0.8, least=1, most=480),
    Amount(per_answer=8, cv=1.0, least=1, most=3000),
    Amount(constant=1, cv=3.0, most=50),
    Amount(constant=2000, cv=0.3, least=1900),
    Amount(constant=0.2, cv=0.5),
    Amount(constant=2.5),
    Amount(constant=7, least=10),
])  # fmt: skip
def test_the_mean_of_an_amount_is_the_sum_of_its_tail(amount):
    top = min(amount.most, 60_000)
    tail = math.fsum(at_least(amount, k, PROMPT, ANSWER) for k in range(1, top + 1))
    assert mean(amount, PROMPT, ANSWER) == pytest.approx(tail, rel=1e-5)


def test_the_mean_of_an_amount_is_that_of_its_draws():
    import random

    rng = random.Random(5)
    amount = Amount(constant=4, per_prompt=0.01, cv=0.7, least=2, most=60)
    draws = [draw(amount, PROMPT, ANSWER, 0.0, rng) for _ in range(20_000)]
    error = statistics.stdev(draws) / math.sqrt(len(draws))
    assert mean(amount, PROMPT, ANSWER) == pytest.approx(statistics.fmean(draws), abs=5 * error)


lengths = st.builds(
    Amount,
    constant=st.integers(1, 300).map(float),
    per_answer=st.sampled_from([0.0, 0.5, 1.0]),
    cv=st.sampled_from([0.0, 0.4]),
)
counts = st.one_of(
    st.integers(1, 4).map(lambda n: Amount(constant=n, least=1, most=n)),
    st.integers(2, 4).map(lambda n: Amount(constant=n, cv=0.4, least=1, most=12)),
)
"""Nothing whose effect would be too rare to meet among the walks."""


@st.composite
def programs(draws) -> Program:
    """Up to four stages, one loop among them, and reads of all kinds."""
    size = draws(st.integers(1, 4))
    start = draws(st.integers(0, size - 1))
    end = draws(st.integers(start, size - 1))
    looped = draws(st.booleans())
    stages = []
    for i in range(size):
        inside = looped and start <= i <= end
        reach = end if inside else i
        read = st.one_of(
            st.just(Read("prompt")),
            st.just(Read("transcript")),
            st.builds(Read, st.just("template"), tokens=st.integers(0, 200)),
            st.builds(
                Read,
                st.sampled_from(["all", "own", "others"]),
                st.integers(0, reach).map(lambda k: f"s{k}"),
                share=st.sampled_from([1.0, 0.5]),
            ),
        )
        tool = Tool(
            tokens=draws(st.sampled_from([Amount(), Amount(constant=90)])), first=draws(st.booleans())
        )
        repeat = Repeat(f"s{start}", draws(counts), stop=draws(st.sampled_from([0.0, 0.3])))
        stages.append(
            Stage(
                f"s{i}",
                draws(st.sampled_from([OWN, SMALL])),
                reads=tuple(draws(st.lists(read, max_size=3))),
                calls=draws(counts),
                output=draws(lengths),
                tool=tool,
                probability=draws(st.sampled_from([1.0, 0.6])),
                repeat=repeat if looped and i == end else None,
                first=not inside or draws(st.booleans()),
            )
        )
    return Program("random", tuple(stages))


@settings(deadline=None, max_examples=40)
@given(programs())
def test_random_programs_come_to_what_they_do_in_the_mean(program):
    count = 1000
    found = expected(program, 100, 50)
    runs = walks(program, 100, 50, count)
    for index, stage in enumerate(program.stages):
        mine = [[p for p in run if p.stage == stage.name] for run in runs]
        samples = {
            "passes": [float(len(m)) for m in mine],
            "input_tokens": [sum(p.read for p in m) for m in mine],
            "output_tokens": [float(sum(p.emitted for p in m)) for m in mine],
        }
        for what, values in samples.items():
            error = statistics.stdev(values) / math.sqrt(count)
            value = getattr(found.stages[index], what)
            assert value == pytest.approx(statistics.fmean(values), rel=0.02, abs=6 * error + 1e-6), what


@pytest.mark.parametrize("name", sorted(techniques()))
def test_the_catalogs_programs_come_to_what_they_do_in_the_mean(name):
    made = catalog_technique(name)
    program = program_from(made, made.defaults, {"": OWN, **dict.fromkeys(made.roles, SMALL)})
    found = expected(program, PROMPT, ANSWER)
    count = 2000 if name in ("coding-agent", "reasoning", "reflexion") else 3
    runs = walks(program, PROMPT, ANSWER, count)
    for what, of in (
        ("passes", lambda p: 1),
        ("input_tokens", lambda p: p.read),
        ("output_tokens", lambda p: p.emitted),
    ):
        values = [float(sum(of(p) for p in run)) for run in runs]
        error = statistics.stdev(values) / math.sqrt(count)
        assert getattr(found, what) == pytest.approx(statistics.fmean(values), rel=1e-3, abs=5 * error)


def test_what_models_do_adds_up():
    made = catalog_technique("guardrail")
    found = expected(program_from(made, made.defaults, {"": OWN, "judge": SMALL}), PROMPT, ANSWER)
    by_model = found.by_model()
    assert set(by_model) == {OWN, SMALL}
    assert sum(n for n, _, _ in by_model.values()) == found.passes == 3
    assert sum(r for _, r, _ in by_model.values()) == found.input_tokens
    assert sum(e for _, _, e in by_model.values()) == found.output_tokens


@pytest.mark.parametrize("name", sorted(techniques()))
def test_the_documented_multipliers_are_those_computed(name):
    text = (ROOT / "docs" / "techniques.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
    made = catalog_technique(name)
    found = expected(program_from(made, made.defaults, dict.fromkeys(("", *made.roles), OWN)), PROMPT, ANSWER)
    passes, factors = (cell.strip() for cell in row.split("|")[5:7])
    assert float(passes) == pytest.approx(found.passes, rel=0.01)
    for weight, documented in zip((1, 4), factors.split(" / "), strict=True):
        assert float(documented) == pytest.approx(multiplier(name, weight, small=False), rel=0.01)
