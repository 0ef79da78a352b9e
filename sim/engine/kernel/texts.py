"""What a call of a program reads: the texts of its input, their lengths and their identities."""

from __future__ import annotations

from numba import uint64

from sim.engine.kernel import rng
from sim.engine.kernel.ident import keyed, pass_of
from sim.engine.kernel.jit import inlined
from sim.engine.plan import ALL, OWN, PROMPT, TEMPLATE, TRANSCRIPT


@inlined
def stage_of(plan, st, q):
    """Row of `plan.stages` that request `q` is in."""
    request = st.requests[q]
    return plan.workloads[request.id >> 54].first_stage + request.stage


@inlined
def read_tokens(plan, st, q, read):
    """Tokens of one text; in a transcript that grows, the result of the stage's tool included."""
    request = st.requests[q]
    kind = read.kind
    if kind == TEMPLATE:
        return read.tokens
    if kind == PROMPT:
        return request.prompt
    of = st.progress[q, read.stage]
    if kind == TRANSCRIPT:
        return int(of.told) + request.tool * plan.stages[stage_of(plan, st, q)].grows
    if of.calls == 0:
        return 0
    if kind == ALL:
        return int(read.share * of.sum)
    if kind == OWN:
        return int(read.share * of.sum / of.calls)
    return int(read.share * of.sum * (of.calls - 1) / of.calls)


@inlined
def input_tokens(plan, st, q):
    """Tokens that each call of the running stage of request `q` reads."""
    stage = plan.stages[stage_of(plan, st, q)]
    total = 0
    for i in range(stage.first_read, stage.first_read + stage.reads):
        total += read_tokens(plan, st, q, plan.reads[i])
    if stage.grows == 0:
        total += st.requests[q].tool
    return min(max(total, 1), stage.longest_input)


@inlined
def read_key(plan, st, q, read, place):
    """Identity of a text: equal for two reads of the same words."""
    request = st.requests[q]
    kind = read.kind
    if kind == TEMPLATE:
        return rng.mix(read.text)
    if kind == PROMPT:
        return _key(plan, request.id, PROMPT, 0, 0, 0)
    if kind == TRANSCRIPT:
        return transcript_key(plan, request.id, read.stage, place)
    of = st.progress[q, read.stage]
    if kind == OWN and of.calls == 1:  # the only output is all outputs
        kind = ALL
    key = output_key(plan, request.id, read.stage, of.seen, kind, place)
    return key if read.share == 1.0 else rng.mix(key)


@inlined
def prompt_key(plan, call_id):
    """Identity of the prompt of a request."""
    return _key(plan, call_id - pass_of(call_id), PROMPT, 0, 0, 0)


@inlined
def transcript_key(plan, request_id, stage, place):
    """Identity of a growing transcript."""
    return _key(plan, request_id, TRANSCRIPT, stage, 0, place)


@inlined
def output_key(plan, request_id, stage, seen, kind, place):
    """Identity of outputs of the `seen`-th execution of a stage: ALL of them, or what is OWN of a place, or OTHERS."""
    return _key(plan, request_id, kind, stage, seen, place if kind != ALL else 0)


@inlined
def private_key(plan, call_id):
    """Identity of a text that no other call reads."""
    return _key(plan, call_id, 6, 0, 0, 0)


@inlined
def tool_key(plan, st, q):
    """Identity of the result of the tool that the running stage used."""
    request = st.requests[q]
    return _key(plan, request.id, 7, 0, request.execution, 0)


@inlined
def _key(plan, call_id, kind, stage, seen, place):
    workload_key = plan.workloads[call_id >> 54].program_key
    what = (((int(kind) << 8) | int(stage)) << 36) | (int(seen) << 18) | int(place)
    return rng.mix(rng.mix(workload_key + uint64(keyed(call_id))) + uint64(what))


@inlined
def chained(before, key):
    """Key of a text behind the texts whose key is `before`."""
    return rng.mix(before + key * uint64(0x9E3779B97F4A7C15))
