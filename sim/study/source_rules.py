"""What data/sources.toml says of a configuration, and the number formats in sources' words."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from sim.catalog.types import Model
from sim.study.rows import Case

_PRECISIONS = (
    (r"mxfp4", "mxfp4"),
    (r"nvfp4|fp4", "fp4"),
    (r"w4a16|int4|gptq|awq|4.?bit", "int4"),
    (r"w8a16|weight = int8", "w8a16"),
    (r"w8a8|smoothquant|int8", "int8"),
    (r"weight = fp16", "bf16"),
    (r"fp8", "fp8"),
    (r"16", "bf16"),
)
_KV = re.compile(r"kv cache = (\w+)|(\w+)kv|kv[ _-]?(fp8|int8|fp16|bf16)", re.IGNORECASE)


def rules_for(case: Case) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What all matching rules set, later over earlier, and their assumptions."""
    text = case.text
    seen = {
        **{k: text[k] for k in ("source", "framework", "scenario", "model", "accelerator", "precision")},
        "path": text["url_or_repo_path"],
        "notes": case.notes[""],
        "gpus": text["num_gpus"],
        "output": text["output_len"],
        "load": text["batch_or_concurrency"],
    }
    values: dict[str, Any] = {}
    assumed: dict[str, None] = {}
    for patterns, sets in _rules():
        if all(p.search(seen[k]) for k, p in patterns):
            values.update(sets)
            if "assumption" in sets:
                assumed[sets["assumption"]] = None
    return values, tuple(assumed)


@functools.cache
def _rules() -> tuple[tuple[tuple[tuple[str, re.Pattern], ...], dict[str, Any]], ...]:
    text = resources.files("sim.study").joinpath("data/sources.toml").read_text(encoding="utf-8")
    found = []
    for rule in tomllib.loads(text)["rule"]:
        patterns = tuple((k, re.compile(p, re.IGNORECASE)) for k, p in rule["when"].items())
        found.append((patterns, {k: v for k, v in rule.items() if k != "when"}))
    return tuple(found)


def weight_precision(text: str, model: Model) -> str:
    """The weights' number format in a source's words; blank is 16 bits."""
    plain = text.lower()
    name = next((name for pattern, name in _PRECISIONS if re.search(pattern, plain)), "bf16")
    if name == "fp4" and model.native_precision == "mxfp4":
        return "mxfp4"
    return name


def cache_precision(text: str, rule: Mapping[str, Any]) -> str:
    """The number format of cached keys and values: the rule\'s, or in a source\'s words."""
    if "kv_precision" in rule:
        return rule["kv_precision"]
    hit = _KV.search(text)
    name = next((g for g in hit.groups() if g), "bf16").lower() if hit else "bf16"
    return name if name in ("fp8", "int8") else "bf16"
