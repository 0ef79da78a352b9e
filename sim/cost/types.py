"""What the cost stage hands to the engine: the time and energy of one engine step, as tables."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class MemoryBudget:
    """Where one accelerator's memory goes [bytes], and the KV room of the whole replica [tokens]."""

    total_bytes: float
    weights_bytes: float
    reserve_bytes: float
    activation_bytes: float
    kv_bytes: float
    kv_bytes_per_token: float
    state_bytes_per_sequence: float
    kv_capacity_tokens: int


@dataclass(frozen=True)
class Knowledge:
    """How the step cost is known: `basis` ("measured", "same family", "datasheet only") and expected errors.

    The errors are medians of |predicted / measured - 1|.
    """

    basis: str
    stack: str
    note: str = ""
    tpot_error: float = float("nan")
    ttft_error: float = float("nan")
    throughput_error: float = float("nan")


@dataclass(frozen=True)
class StepCost:
    """Time [s] and energy [J] of one step of one replica.

    A step runs n decoding sequences that hold K KV tokens in all, and p prefill tokens whose attention work
    is W = sum over chunks of chunk x (context before + chunk / 2) [token^2]; T = n + p. Then

        accelerator = token_s[T] + sequence_s[n] + kv_s[n] K + attention_s W
        host        = host_s[n] + host_prefill_s p
        step        = max(accelerator, host) + admit_s x (calls admitted in this step)
        energy      = static_w x step + token_j[T] + sequence_j n + kv_j K + attention_j W

    Beyond the last entry of token_s and token_j the tables go on linearly with `*_beyond` per token.
    Powers and energies are of the replica's accelerators only (all of them), without host or cooling.

    token_s, token_j: float64[max_step_tokens + 1];  kv_s, sequence_s, host_s: float64[max_batch + 1].
    width, tokens_per_step: tokens that a step computes of each decoding sequence, and those of them that it emits;
        other than 1 with speculative decoding (see `sim.cost.speculation`), where T = width n + p.
    handover_s, handover_token_s: of replicas that only prefill, the time to send a prompt's KV on: for each prompt,
        and for each of its tokens (see `sim.cost.transfer`).
    first_token_s: latency outside the engine (HTTP, tokenizer, detokenizer), added to TTFT and end-to-end
        time.
    adapter_load_s: time to load an adapter, added to the step that admits a call which needs one that is not there.
    most_sequences: sequences that its places for adapters let it run at once, in the mean; infinite without adapters.
    idle_w: draw while no call is on the replica, the model resident.
    """

    token_s: np.ndarray
    token_s_beyond: float
    sequence_s: np.ndarray
    kv_s: np.ndarray
    attention_s: float
    host_s: np.ndarray
    host_prefill_s: float
    admit_s: float
    first_token_s: float
    token_j: np.ndarray
    token_j_beyond: float
    sequence_j: float
    kv_j: float
    attention_j: float
    static_w: float
    idle_w: float
    accelerators: int
    memory: MemoryBudget
    knowledge: Knowledge
    warnings: tuple[str, ...] = field(default=())
    width: int = 1
    tokens_per_step: float = 1.0
    handover_s: float = 0.0
    handover_token_s: float = 0.0
    adapter_load_s: float = 0.0
    most_sequences: float = math.inf
