"""What a result file does not say: the accelerator, the parallel sizes, the precision, the serving stack.

Facts are given as `key=value,key=value`, as a TOML file of such keys, or in a TOML file beside the result that has its
name (`run-7.json`, `run-7.toml`). What is given wins over what the file says.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from sim.errors import Fault, UserError, did_you_mean

COLUMNS = {
    "accelerator": "name of the accelerator, such as H100-SXM-80GB",
    "num_gpus": "accelerators in all; default: tp x pp x dp",
    "tp": "tensor parallel size",
    "pp": "pipeline parallel size",
    "model": "name of the model, such as Llama-3.1-70B",
    "precision": "of the weights, such as bf16 or fp8",
    "framework": "serving stack and version, such as vllm 0.11",
    "batch_or_concurrency": "clients, or requests per second",
    "input_len": "mean prompt tokens",
    "output_len": "mean generated tokens",
    "source": "who measured",
    "url_or_repo_path": "where it is published",
    "commit_or_version": "of what was measured",
}
NOTES = {
    "ep": "moe_ep_size",
    "dp": "attention_dp_size",
    "date": "measured",
}
"""Facts that the schema keeps in its notes, by the name that it has there."""
LOAD = "load"
LOADS = ("poisson", "constant", "gamma", "capped", "concurrent", "burst", "serial")
KEYS = (*COLUMNS, *NOTES, LOAD)
NEEDED = ("accelerator", "tp", "precision", "model", "framework", LOAD)
_EXAMPLES = {
    "accelerator": "H100-SXM-80GB",
    "tp": "4",
    "precision": "fp8",
    "model": "Llama-3.1-70B",
    "framework": '"vllm 0.11"',
    LOAD: "poisson",
}


class ResultFile(str):
    """A path, with facts about its file."""

    facts: Mapping[str, str]

    def __new__(cls, path: str, facts: Mapping[str, str]) -> ResultFile:
        made = super().__new__(cls, path)
        made.facts = facts
        return made


def parse_facts(given: Sequence[str]) -> dict[str, str]:
    """Facts in `key=value,key=value` texts and TOML files, later over earlier.

    Raises UserError for a key that is none, naming the nearest, and for a file that cannot be read.
    """
    facts: dict[str, str] = {}
    for text in given:
        if text.endswith(".toml"):
            facts |= _of_file(Path(text))
            continue
        for part in text.split(","):
            key, equals, value = part.partition("=")
            if not equals or not value.strip():
                raise UserError(
                    Fault(part.strip(), "is not a fact", "write key=value, for example accelerator=H100,tp=4")
                )
            facts[key.strip()] = value.strip().strip('"')
    _check(facts, "--describe")
    return facts


def beside(path: Path) -> dict[str, str]:
    """Facts in the TOML file of the same name, if there is one."""
    side = path.with_suffix(".toml")
    return _of_file(side) if side.is_file() else {}


def demand(facts: Mapping[str, str], path: Path, tool: str) -> None:
    """Raises UserError that names every needed fact that neither the file nor the user says."""
    missing = [key for key in NEEDED if not facts.get(key)]
    if missing:
        example = ",".join(f"{key}={_EXAMPLES[key]}" for key in missing)
        hint = f"say it with --describe {example}, or in {path.with_suffix('.toml').name} beside the file"
        raise UserError(
            Fault("", f"this result of {tool} does not say {', '.join(missing)}", hint), str(path)
        )
    if facts[LOAD] not in LOADS:
        nearby = did_you_mean(facts[LOAD], LOADS)
        raise UserError(
            Fault(LOAD, f'"{facts[LOAD]}" is not known; allowed: {", ".join(LOADS)}', nearby), str(path)
        )


def _of_file(path: Path) -> dict[str, str]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(Fault("", f"cannot be read: {error}"), str(path)) from None
    facts = {key: str(value) for key, value in data.items()}
    _check(facts, str(path))
    return facts


def _check(facts: Mapping[str, str], where: str) -> None:
    for key in facts:
        if key not in KEYS:
            hint = did_you_mean(key, KEYS) or f"the keys are {', '.join(KEYS)}"
            raise UserError(Fault(key, "is not a fact of a measurement", hint), where)
