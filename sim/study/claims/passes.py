"""Claims about techniques that call the model more than once: against hallucination, and agents."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from sim.catalog.techniques import techniques
from sim.study.claims.finding import Finding, judge
from sim.study.claims.ledger import Ledger
from sim.study.claims.runs import run_file

VERIFICATION = "verification"
AGENTS = ("react", "autogpt", "metagpt", "multi-agent-research", "coding-agent")
BUSY_CLIENTS = 64
NOTICEABLE = 1.01
"""Energy of verification over that of a plain pass, below which the engine cannot have run more than one pass."""
PRICE_WEIGHT = 4.0
"""Of an output token over an input token, in price and roughly in time."""


def of_family(family: str) -> tuple[str, ...]:
    """Names of the catalog's techniques of one family."""
    return tuple(name for name, technique in techniques().items() if technique.family == family)


def token_multiple(name: str, prompt: float, answer: float, weight: float = 1.0) -> float:
    """Tokens of a request under a technique over those of one plain pass, output counting `weight` times [1].

    All models count alike, and no prefix is cached. Closed form, see `sim.workload.expected`.
    """
    from sim.scenario import build
    from sim.workload.expected import expected
    from sim.workload.programs import program_of

    data: Mapping[str, Any] = {
        "name": "tokens",
        "duration": 1,
        "workload": [
            {
                "model": "Llama-3.1-70B",
                "arrivals": {"process": "poisson", "rate_per_s": 1},
                "lengths": {"kind": "fixed", "input": round(prompt), "output": round(answer)},
                "mitigation": name,
            }
        ],
        "pool": [{"accelerator": "H100-SXM-80GB", "model": "Llama-3.1-70B", "tensor_parallel": 4}],
    }
    scenario = build(data)
    found = expected(program_of(scenario.workloads[0], scenario), prompt, answer)
    return (found.input_tokens + weight * found.output_tokens) / (prompt + weight * answer)


def _mitigation_tokens(ledger: Ledger) -> Finding:
    lengths = ledger["prompt_tokens"], ledger["answer_tokens"]
    family = of_family(VERIFICATION)
    plain = {n: token_multiple(n, *lengths) for n in family}
    priced = {n: token_multiple(n, *lengths, PRICE_WEIGHT) for n in family}
    layers = {n: token_multiple(n, *lengths) for n in ("guardrail", "retrieval", "chain-of-thought")}
    found = median(plain.values())
    interval = min(plain.values()), max(plain.values())
    published = ledger.published or 0
    small = [n for n, v in plain.items() if v < published * (1 - ledger.tolerance)]
    inside = judge(found, interval, published, ledger.tolerance)
    return Finding(
        "holds only if" if inside == "holds" and (small or min(layers.values()) < 2) else inside,
        found,
        interval,
        f"the {len(family)} techniques of the verification family, as they stand in the catalog; the figure is the "
        "median",
        condition="answers are verified by further passes; single layers do not come near ("
        + ", ".join(f"{n} {v:.1f}" for n, v in {**layers, **{n: plain[n] for n in small}}.items())
        + ")",
        flips="the technique and its number of samples; and prefix caches, which spare most of the repeated prompts",
        note='what the claim calls layers are further passes; "not 10 % more" is true of all of them',
        figures={
            "median_output_counting_4_times": median(priced.values()),
            **{f"x_tokens, {n}": v for n, v in {**plain, **layers}.items()},
        },
    )


def joules_per_request(name: str, clients: int, *, prefix_cache: bool = False) -> float:
    """Site energy of a request under a technique [J], with `clients` always asking."""
    summary = run_file(
        "mitigation.toml",
        f"workload.0.arrivals.clients={clients}",
        f'workload.0.mitigation="{name}"',
        f"pool.0.prefix_cache={str(prefix_cache).lower()}",
    )
    return summary["energy"]["site_j"] / summary["requests"]["completed"]


def _mitigation_joules(ledger: Ledger) -> Finding:
    family = of_family(VERIFICATION)

    def multiples(clients: int, *, prefix_cache: bool = False) -> dict[str, float]:
        base = joules_per_request("none", clients)
        return {n: joules_per_request(n, clients, prefix_cache=prefix_cache) / base for n in family}

    busy = multiples(BUSY_CLIENTS)
    if max(busy.values()) < NOTICEABLE:
        return Finding("not tested", None, note="this build of the engine runs one pass per request")
    alone, cached = multiples(1), multiples(BUSY_CLIENTS, prefix_cache=True)
    found, interval = median(busy.values()), (min(busy.values()), max(busy.values()))
    few = [n for n, v in busy.items() if v < (ledger.published or 0) * (1 - ledger.tolerance)]
    verdict = judge(found, interval, ledger.published or 0, ledger.tolerance)
    light = f"the technique is not among the light ones ({', '.join(few)})"
    return Finding(
        "holds only if" if verdict == "holds" and few else verdict,
        found,
        interval,
        f"the {len(family)} techniques of the verification family; the figure is the median",
        condition=light,
        flips=f"prefix caching (median {median(cached.values()):.1f}); a fleet with room to spare, where parallel "
        f"passes share steps that run anyway (one client: median {median(alone.values()):.1f})",
        note=f"Llama-3.1-70B for every role, four H100, {BUSY_CLIENTS} requests always in flight, no prefix cache",
        figures={
            **{f"x_joules, {n}": v for n, v in busy.items()},
            **{f"x_joules with prefix cache, {n}": v for n, v in cached.items()},
            **{f"x_joules one client, {n}": v for n, v in alone.items()},
        },
    )


def _agents_calls(ledger: Ledger) -> Finding:
    lengths = ledger["prompt_tokens"], ledger["answer_tokens"]
    multiples = {n: token_multiple(n, *lengths) for n in AGENTS}
    found, interval = median(multiples.values()), (min(multiples.values()), max(multiples.values()))
    published = ledger.published or 0
    return Finding(
        "holds"
        if interval[0] >= published * (1 - ledger.tolerance)
        else judge(found, interval, published, ledger.tolerance),
        found,
        interval,
        f"{len(multiples)} kinds of agents at their default parameters, without prefix cache; the figure is the median",
        flips="prefix caching: an agent's context is mostly what it has read before",
        note="the claim is of many calls: it holds with every kind; Anthropic's 4 and 15 times are of whole chats, of "
        "several messages, where this is of one",
        figures={f"x_tokens, {n}": v for n, v in multiples.items()},
    )


TESTS = {
    "mitigation-tokens": _mitigation_tokens,
    "mitigation-joules": _mitigation_joules,
    "agents-calls": _agents_calls,
}
