"""The same users under a technique: its name and parameters read, and pools for the models that it asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sim.errors import Fault, UserError
from sim.scenario.mitigation import NONE, Mitigation, completed, find_technique, mitigation_faults
from sim.scenario.overrides import parse_value
from sim.scenario.pool import Pool
from sim.scenario.schema import Scenario
from sim.scenario.technique import Technique
from sim.study.sizing_guess import guess_replicas

JUDGE = "Llama-3.1-8B"
"""Fills every role (judge, reward) that a technique names and the user does not."""
LONGEST_S = 30 * 86_400.0


@dataclass(frozen=True)
class Trial:
    """A technique as asked for.  text: the user's words.  form: None of plain requests."""

    text: str
    mitigation: Mitigation
    form: Technique | None

    @property
    def family(self) -> str:
        """Of the catalog."""
        return self.form.family if self.form else "baseline"


def read_trials(texts: Sequence[str], own: Sequence[Technique]) -> tuple[Trial, ...]:
    """Techniques written `name` or `name:parameter=value:role=model`, "none" first whether asked for or not.

    Raises UserError with every unknown name, parameter or value that is out of range.
    """
    faults: list[Fault] = []
    trials = []
    for text in dict.fromkeys((NONE, *texts)):
        try:
            trials.append(_trial(text, own))
        except UserError as error:
            faults += error.faults
    if faults:
        raise UserError(faults)
    return tuple(trials)


def _trial(text: str, own: Sequence[Technique]) -> Trial:
    name, *settings = text.split(":")
    numbers: dict[str, object] = {}
    models: dict[str, object] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(
                Fault("--techniques", f'"{setting}" is no parameter=value', f"for example {name}:samples=40")
            )
        read = parse_value(value.strip())
        (models if isinstance(read, str) else numbers)[key.strip()] = read
    try:
        given = Mitigation.model_validate({**numbers, "technique": name.strip(), "models": models})
    except ValueError as error:
        raise UserError(Fault("--techniques", f'"{text}": {error}')) from None
    if faults := mitigation_faults("--techniques", given, own):
        raise UserError(faults)
    whole = completed(given, own)
    if whole.technique == NONE:
        return Trial(text, whole, None)
    form = find_technique(whole.technique, own)
    filled = {**dict.fromkeys(form.roles, JUDGE), **whole.models}
    return Trial(text, whole.model_copy(update={"models": filled}), form)


def under(scenario: Scenario, trial: Trial, *, prefix_cache: bool) -> tuple[Scenario, tuple[str, ...]]:
    """The scenario with every workload under `trial`, its pools with or without prefix cache; and the models for
    which a pool was added, with as many replicas as the first pool's share of the demand would need.

    End-to-end targets are dropped: a fleet is provisioned to what passes must meet (see `sim.study.techniques`). Where
    there is no cache, router "session" would only crowd the calls of a request on one replica: they are spread. Demand
    without hours may go on for as long as the slowest programs take to settle.
    """
    workloads = tuple(
        w.model_copy(update={"mitigation": trial.mitigation, "slo": w.slo.model_copy(update={"e2e_s": None})})
        for w in scenario.workloads
    )
    wanted = {w.model for w in workloads} | set(trial.mitigation.models.values())
    have = {p.model for p in scenario.pools}
    # a pool that nobody asks would only idle: judges of other techniques are no cost of this one
    kept = [p for p in scenario.pools if p.model in wanted]
    added = tuple(sorted(wanted - have))
    pools = [*kept, *(_pool_like(kept[0], model) for model in added)]
    cached = [
        p.model_copy(update={"prefix_cache": p.prefix_cache.model_copy(update={"enabled": prefix_cache})})
        for p in pools
    ]
    router = "least-outstanding" if scenario.router == "session" and not prefix_cache else scenario.router
    made = scenario.model_copy(update={"workloads": workloads, "pools": tuple(cached), "router": router})
    if all(w.arrivals.process == "poisson" for w in workloads):
        made = made.model_copy(update={"duration_s": LONGEST_S})
    return (_in_proportion(made, added) if added else made), added


def _pool_like(pool: Pool, model: str) -> Pool:
    """One replica of `model` on one accelerator of the pool's kind, of its precision and stack."""
    sizes = ("tensor_parallel", "pipeline_parallel", "attention_data_parallel", "expert_parallel")
    change = {**dict.fromkeys(sizes, 1), "name": model, "model": model, "replicas": 1}
    return pool.model_copy(update=change)


def _in_proportion(scenario: Scenario, added: Sequence[str]) -> Scenario:
    """Added pools as busy as the rest would be under the scenario's demand."""
    needed = guess_replicas(scenario)
    own = [p for p in scenario.pools if p.model not in added]
    ratio = min(
        sum(q.replicas for q in own if q.model == p.model) / needed[p.model]
        for p in own
        if needed.get(p.model)
    )
    pools = tuple(
        p.model_copy(update={"replicas": max(1, math.ceil(ratio * needed.get(p.model, 1.0)))})
        if p.model in added
        else p
        for p in scenario.pools
    )
    return scenario.model_copy(update={"pools": pools})
