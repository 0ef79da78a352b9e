"""A scenario written out: as plain data, as TOML, as JSON Schema, and as the hash that names it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.scenario.schema import Scenario
from sim.scenario.show import toml_value

_CHUNK_BYTES = 1 << 20


def resolved(scenario: Scenario) -> dict[str, Any]:
    """Plain data with every default filled in, by TOML key; `build` reads it back to an equal scenario."""
    return scenario.model_dump(mode="json", by_alias=True, exclude_none=True)


def dump_toml(scenario: Scenario) -> str:
    """TOML text of the resolved scenario, which `loads` reads back to an equal one."""
    data = resolved(scenario)
    plain = {k: v for k, v in data.items() if not isinstance(v, dict | list)}
    blocks = [_block("", plain)]
    for key, value in data.items():
        tables = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
        header = f"[[{key}]]" if isinstance(value, list) else f"[{key}]"
        blocks += [_block(header, table) for table in tables]
    return "\n\n".join(blocks) + "\n"


def scenario_sha256(scenario: Scenario) -> str:
    """SHA-256 (hex) of the resolved scenario as canonical JSON.

    Trace and price files count by their content, not by where they lie. Raises OSError where one has gone.
    """
    text = json.dumps(
        _by_content(resolved(scenario)), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def json_schema() -> dict[str, Any]:
    """JSON Schema of the scenario file, by TOML key, with descriptions, units and examples."""
    schema = Scenario.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_null_defaults(schema)}


def _without_null_defaults(node: Any) -> Any:
    """A key that may be left out has no null in TOML."""
    if isinstance(node, list):
        return [_without_null_defaults(n) for n in node]
    if not isinstance(node, dict):
        return node
    kept = {k: _without_null_defaults(v) for k, v in node.items() if not (k == "default" and v is None)}
    options = kept.get("anyOf", [])
    if {"type": "null"} in options:
        rest = [o for o in options if o != {"type": "null"}]
        del kept["anyOf"]
        kept = {**(rest[0] if len(rest) == 1 else {"anyOf": rest}), **kept}
    return kept


def _by_content(node: Any) -> Any:
    if isinstance(node, list):
        return [_by_content(n) for n in node]
    if not isinstance(node, dict):
        return node
    return {k: _digest(Path(v)) if _is_trace_path(node, k) else _by_content(v) for k, v in node.items()}


def _is_trace_path(table: Mapping[str, Any], key: str) -> bool:
    return key == "path" and bool({"trace", "hourly"} & {table.get("process"), table.get("kind")})


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _block(header: str, table: Mapping[str, Any]) -> str:
    lines = [f"{key} = {toml_value(value)}" for key, value in table.items()]
    return "\n".join([header, *lines] if header else lines)
