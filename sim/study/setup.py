"""From a measured configuration to what the simulator needs: chip, model, deployment, stack and protocol.

Nothing is guessed silently: what the source leaves open is filled from `data/sources.toml` and listed in
`Setup.assumptions`; what cannot be resolved is `Unanswered` with the reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sim.catalog.accelerators import resolve_accelerator
from sim.catalog.models import resolve_model
from sim.catalog.types import Accelerator, Model
from sim.cost.deployment import Deployment
from sim.cost.memory import weight_bytes
from sim.cost.stacks import resolve_stack
from sim.study.rows import Case, first_number
from sim.study.source_rules import cache_precision, rules_for, weight_precision

_COUNT = re.compile(r"^(\d+) ?x ?\D")


@dataclass(frozen=True)
class Protocol:
    """How a source measured; lengths in tokens.

    kind: "closed" (clients that re-issue at once), "open" (Poisson), "static" (one batch), "burst" (all
        requests at once), "steady" (a batch held full), "serial" (one client), "layer" (one layer alone).
    size: clients, requests per second, batch, or tokens, as the kind has it.
    requests: how many in all.  shortest: lengths are uniform from this share of the nominal up to it.
    spread: coefficient of variation of lengths that are uniform about the nominal instead; 0 for none.
    replicas: instances that share the load.  share: measured rate over the saturated one.
    cached: prompts were in the prefix cache (a warm run of the same prompts).  ttft_weight: in the fit.
    served: requests pass an HTTP server; else the engine is driven directly.  phase: of a layer.
    """

    kind: str
    size: float
    input_len: float
    output_len: float
    requests: int
    shortest: float = 1.0
    spread: float = 0.0
    scheduler: str = "chunked"
    token_budget: int = 8192
    max_batch: int = 1024
    reserve_full: bool = False
    statistic: str = "mean"
    replicas: int = 1
    share: float = 1.0
    phase: str = ""
    served: bool = True
    cached: bool = False
    ttft_weight: float = 1.0


@dataclass(frozen=True)
class Setup:
    """A configuration as the simulator sees it; equal setups are measured alike and predicted once."""

    accelerator: str
    model: str
    deployment: Deployment
    protocol: Protocol


@dataclass(frozen=True)
class Reading:
    """A case with its setup, what was assumed for it, and why it is not fitted to ("" if it is)."""

    case: Case
    setup: Setup
    chip: Accelerator
    model: Model
    assumptions: tuple[str, ...]
    unfit: str


@dataclass(frozen=True)
class Unanswered:
    """A case that cannot be predicted, and why."""

    case: Case
    why: str


class _NoAnswer(Exception):
    pass


def read(case: Case) -> Reading | Unanswered:
    """The setup of one case, or why it has none."""
    try:
        return _read(case)
    except _NoAnswer as reason:
        return Unanswered(case, str(reason))


def _read(case: Case) -> Reading:
    rule, assumed = rules_for(case)
    if rule.get("unanswered"):
        raise _NoAnswer(rule["unanswered"])
    if "kind" not in rule:
        raise _NoAnswer(f'scenario "{case.text["scenario"]}" is no known way of measuring')
    chip = _chip(rule.get("accelerator", case.text["accelerator"]))
    model = _model(case.text["model"])
    deployment, replicas, notes = _deployment(case, rule, chip, model)
    protocol, more = _protocol(case, rule, replicas)
    setup = Setup(chip.name, model.name, deployment, protocol)
    unfit = str(rule.get("unfit", ""))
    return Reading(case, setup, chip, model, (*assumed, *notes, *more), unfit)


def _chip(name: str) -> Accelerator:
    found = resolve_accelerator(name)
    if found is None:
        raise _NoAnswer(f'accelerator "{name}" is not in the catalog')
    return found


def _model(name: str) -> Model:
    if not name:
        raise _NoAnswer("no model: not a measurement of serving")
    found = resolve_model(name)
    if found is None:
        raise _NoAnswer(f'model "{name}" is not in the catalog of language models')
    return found


def _deployment(
    case: Case, rule: Mapping[str, Any], chip: Accelerator, model: Model
) -> tuple[Deployment, int, tuple[str, ...]]:
    """Deployment of one replica, replicas, and what was assumed."""
    notes: list[str] = []
    precision = rule.get("precision") or weight_precision(case.text["precision"], model)
    if rule.get("fit_gpus") and case.number("tp") is None and "replica_gpus" not in rule:
        rule = {**rule, "replica_gpus": _fewest_gpus(model, chip, precision)}
    sizes = _parallel_sizes(case, rule, chip)
    if not re.search(r"\d", case.text["precision"]):
        notes.append("precision is blank: 16 bits")
    stack = rule.get("stack")
    if stack is None:
        found = resolve_stack(case.text["framework"], chip.vendor, _date(case))
        stack = found.name
        if found.note:
            notes.append(found.note)
    deployment = Deployment(
        precision=precision,
        kv_precision=cache_precision(case.text["precision"], rule),
        tensor_parallel=sizes["tp"],
        pipeline_parallel=sizes["pp"],
        attention_data_parallel=sizes["adp"],
        expert_parallel=sizes["ep"] if model.moe else 1,
        stack=stack,
        memory_fraction=rule.get("memory_fraction", 0.9),
    )
    gpus = int(case.number("num_gpus") or _count(case) or deployment.accelerators)
    if (
        rule.get("replica_gpus")
        and gpus >= 64
        and "tp" in case.text
        and int(case.number("tp") or 1) in (1, 64)
    ):
        gpus = int(rule["replica_gpus"])
    return deployment, max(1, gpus // deployment.accelerators), tuple(notes)


def _parallel_sizes(case: Case, rule: Mapping[str, Any], chip: Accelerator) -> dict[str, int]:
    """Tensor, pipeline, expert parallel sizes and copies of the attention, from columns, then notes."""
    note = case.notes
    gpus = int(case.number("num_gpus") or _count(case) or 1)
    tp, pp = case.number("tp"), case.number("pp")
    adp = first_number(note.get("attention_dp_size", "")) or 1
    ep = first_number(note.get("moe_ep_size", "")) or first_number(note.get("EP", "")) or 1
    if rule.get("replica_gpus") and (tp is None or gpus >= 64):
        tp, pp, adp, ep = float(rule["replica_gpus"]), 1.0, 1.0, 1.0
    if tp is None:
        tp, pp = _described(note.get("parallelism", ""), gpus, pp)
    pp = pp or 1
    sizes = {k: max(1, int(v)) for k, v in (("tp", tp), ("pp", pp), ("adp", adp), ("ep", ep))}
    group = sizes["tp"] * sizes["adp"]
    if group % sizes["ep"]:
        sizes["ep"] = math.gcd(group, sizes["ep"])
    return sizes


def _fewest_gpus(model: Model, chip: Accelerator, precision: str) -> int:
    """The fewest accelerators, a power of two, whose memory the weights fill to three quarters at most."""
    for gpus in (1, 2, 4, 8):
        held = weight_bytes(model, Deployment(precision=precision, tensor_parallel=gpus))
        if held < 0.75 * chip.memory_bytes:
            return gpus
    return 16


def _described(words: str, gpus: int, pp: float | None) -> tuple[float, float]:
    """Tensor and pipeline sizes from words such as "Hybrid TP = 2 and PP = 2"; else all tensor parallel."""
    numbers = [float(n) for n in re.findall(r"\d+", words)]
    if len(numbers) == 2:
        return numbers[0], numbers[1]
    if re.search(r"pipeline|\bPP\b", words, re.IGNORECASE):
        return 1.0, float(gpus)
    return gpus / (pp or 1), pp or 1


def _count(case: Case) -> int | None:
    """The count in "8x H100"."""
    hit = _COUNT.match(case.text["accelerator"])
    return int(hit[1]) if hit else None


def _date(case: Case) -> str:
    return case.notes.get("measured", "") or case.notes.get("date", "")


def _protocol(case: Case, rule: Mapping[str, Any], replicas: int) -> tuple[Protocol, tuple[str, ...]]:
    kind, notes = rule["kind"], []
    input_len, output_len = case.number("input_len"), case.number("output_len")
    for name, given in (("input_len", input_len), ("output_len", output_len)):
        if given is None and name in rule:
            notes.append(f"{name} is not stated: {rule[name]} tokens")
    input_len = input_len if input_len is not None else rule.get("input_len")
    output_len = output_len if output_len is not None else rule.get("output_len")
    if kind == "layer":
        return _layer(case, rule, input_len), tuple(notes)
    if kind == "static" and output_len is None and any("ttft" in r.metric for r in case.rows):
        output_len = 1.0
    missing = [n for n, v in (("input_len", input_len), ("output_len", output_len)) if v is None]
    if input_len is None or output_len is None:
        raise _NoAnswer(f"{' and '.join(missing)} not stated, and no known workload of this source")
    size = _size(case, kind)
    return (
        Protocol(
            kind=kind,
            size=size,
            input_len=float(input_len),
            output_len=max(float(output_len), 1.0),
            requests=_requests(case, rule, kind, size, replicas),
            shortest=rule.get("shortest", 1.0),
            spread=rule.get("spread", first_number(case.notes.get("length_cv", "")) or 0.0),
            scheduler=rule.get("scheduler", "static" if kind == "static" else "chunked"),
            token_budget=rule.get("token_budget", 8192),
            max_batch=_max_batch(rule, kind, size, replicas),
            reserve_full=rule.get("reserve_full", False),
            statistic=rule.get("statistic", "mean"),
            replicas=replicas,
            share=rule.get("share", 1.0),
            cached=rule.get("cached", False),
            ttft_weight=rule.get("ttft_weight", 1.0),
            served=rule.get("served", kind in ("closed", "open", "serial")),
        ),
        tuple(notes),
    )


def _layer(case: Case, rule: Mapping[str, Any], input_len: float | None) -> Protocol:
    """One layer alone: prompts of `input_len` tokens, or `batch` decoding sequences."""
    phase = "prefill" if "prompt" in case.notes[""] or "prefill" in case.notes[""] else "decode"
    size = case.number("input_len") if phase == "prefill" else case.number("batch_or_concurrency")
    if size is None:
        raise _NoAnswer("neither tokens nor sequences are stated")
    context = rule.get("input_len", input_len or 512.0)
    return Protocol("layer", size, context, 1.0, 1, phase=phase, max_batch=1)


def _size(case: Case, kind: str) -> float:
    text = case.text["batch_or_concurrency"]
    size = first_number(text)
    if kind == "steady":
        running = case.notes.get("measured avg batch") or case.notes.get("avg batch")
        size = (first_number(running) if running else None) or size
    if kind == "closed" and (first_number(case.notes.get("attention_dp_size", "")) or 1) == 1:
        # of many workers behind one load generator, the notes give what one of them holds
        size = first_number(case.notes.get("batch_size", "")) or size
    if kind == "open":
        size = first_number(case.notes.get("request_rate", "")) if size is None else size
    if kind == "serial":
        return 1.0
    if kind == "burst":
        return size or 0.0
    if size is None or size <= 0:
        raise _NoAnswer(f'batch_or_concurrency is "{text}": how much load was offered is not stated')
    return size


def _requests(case: Case, rule: Mapping[str, Any], kind: str, size: float, replicas: int) -> int:
    counted = first_number(case.notes.get("requests", ""))
    if counted and kind in ("closed", "open", "burst"):
        return int(counted)
    if kind == "closed":
        return max(1, round(size * rule.get("requests_per_client", 10)))
    if kind == "static":
        return max(1, round(size))
    if kind == "serial":
        return 10
    lengths = f"{case.text['input_len']}/{case.text['output_len']} "
    stated = re.search(rf"(?:num_requests:|,) ?{re.escape(lengths)}(\d+)", case.notes[""])
    if stated:
        return int(stated[1])
    if kind == "burst" and "requests" not in rule:
        return round(size) if size >= 1 else 1000
    return int(rule.get("requests", 300) * (replicas if rule.get("per_replica") else 1))


def _max_batch(rule: Mapping[str, Any], kind: str, size: float, replicas: int) -> int:
    most = int(rule.get("max_batch", 1024))
    if kind in ("static", "closed", "steady"):
        needed = math.ceil(size / replicas)
        return max(1, needed if kind != "closed" else min(needed - int(rule.get("waiting", 0)), most))
    return 1 if kind == "serial" else most


def with_stack(setup: Setup, stack: str) -> Setup:
    """The same setup under another serving stack."""
    return replace(setup, deployment=replace(setup.deployment, stack=stack))
