"""Where a trace file is: relative paths start at the scenario's folder, and are kept absolute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from sim.errors import did_you_mean
from sim.scenario.fields import Refusal

TraceFormat = Literal[
    "auto", "azure", "burstgpt", "mooncake", "bailian", "vidur", "splitwise", "servegen", "csv"
]

FORMAT_HELP = (
    "Layout of the file. CSV: azure (TIMESTAMP, ContextTokens, GeneratedTokens), burstgpt (Timestamp, Request tokens, "
    "Response tokens), vidur (arrived_at, num_prefill_tokens, num_decode_tokens), splitwise (arrival_timestamp, "
    "prompt_size, token_size), servegen (timestamp, input_tokens, output_tokens), csv (arrival_s, input_tokens, "
    "output_tokens). JSON lines: mooncake (timestamp in ms, input_length, output_length, hash_ids), bailian (the same "
    "with chat_id and timestamp in s). auto looks at the names of the columns."
)


def _existing(path: str, info: ValidationInfo) -> str:
    folder = Path((info.context or {}).get("folder", "."))
    full = (folder / path).absolute()
    try:
        if full.is_dir():
            raise Refusal(f'"{path}" is a folder, not a trace file')
        if not full.is_file():
            raise Refusal(f'"{path}" does not exist', _nearby(full))
    except OSError as error:
        raise Refusal(f'"{path}" cannot be read: {error.strerror}') from None
    return str(full)


def _nearby(full: Path) -> str:
    looked_at = f"looked for {full}"
    siblings = [p.name for p in full.parent.iterdir() if p.is_file()] if full.parent.is_dir() else []
    guess = did_you_mean(full.name, siblings)
    return f"{looked_at}; {guess}" if guess else looked_at


TracePath = Annotated[str, Field(min_length=1), AfterValidator(_existing)]
"""An existing file; relative paths start at the folder of the scenario file."""
