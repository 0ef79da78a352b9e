"""Claims about whole services: joules, GPUs and dollars that serving takes, from runs of the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from sim.study.claims.finding import Finding, error_band, judge, within
from sim.study.claims.hardware import tflops_per_w
from sim.study.claims.ledger import Ledger
from sim.study.claims.runs import Steady, requests_per_replica_s, run_file, steady

DAY_S = 86_400.0
NODE = 8
BILLION = 1e9
CLAIM_B_USD = (10.0, 100.0)
"""Tens of billions of dollars."""


def _v100_waste(ledger: Ledger) -> Finding:
    batches = (8, 16, 32, 48, 64, 128, 256, 320)
    found = {}
    for chip in ("v100", "h100"):
        runs = {}
        for batch in batches:
            if chip == "v100" and batch > 64:
                continue
            changes = (f"workload.0.arrivals.clients={batch}", f"pool.0.scheduler.max_batch={batch}")
            runs[batch] = steady(f"energy-{chip}.toml", *changes)
        found[chip] = runs
    joules = {c: min(r.j_per_output_token for r in runs.values()) for c, runs in found.items()}
    ratio = joules["v100"] / joules["h100"]
    errors = [next(iter(runs.values())).error for runs in found.values()]
    interval = error_band(ratio, *errors)
    same_batch = found["v100"][48].j_per_output_token / found["h100"][48].j_per_output_token
    peak = tflops_per_w("H100-SXM-80GB", "fp16") / tflops_per_w("V100-SXM-32GB", "fp16")
    eight_bits = tflops_per_w("H100-SXM-80GB", "fp8") / tflops_per_w("V100-SXM-32GB", "fp16")
    return Finding(
        "holds" if interval[0] >= 2 else "holds only if" if ratio >= 2 or peak >= 2 else "does not hold",
        ratio,
        interval,
        "expected error of the step costs of both chips",
        condition="batches are full: at a batch of 48 on either chip it is "
        f"{same_batch:.1f} times, and peaks per watt differ by {peak:.1f}",
        flips="an H100 left idle most of the time: an H100 draws more at rest",
        note="Llama-3.1-8B in 16 bits, each chip at its best batch, site energy with host and PUE; holding is taken to "
        "mean at least twice",
        figures={
            "v100_j_per_token": joules["v100"],
            "h100_j_per_token": joules["h100"],
            "ratio_at_batch_48": same_batch,
            "peak_flops_per_watt_ratio": peak,
            "peak_flops_per_watt_ratio_fp8": eight_bits,
        },
    )


def _chatgpt(ledger: Ledger) -> Finding:
    splits = {
        "1000 in, 1000 out": (1000, 1000),
        "1800 in, 200 out": (1800, 200),
        "200 in, 1800 out": (200, 1800),
    }
    per_gpu = {}
    for words, (prompt, answer) in splits.items():
        lengths = f'workload.0.lengths={{kind="fixed",input={prompt},output={answer}}}'
        run = steady("chatgpt-2023.toml", lengths)
        per_gpu[words] = (run.input_per_s + run.output_per_s) / run.accelerators
    tokens = ledger["daily_users"] * ledger["answers_per_user"] * ledger["tokens_per_answer"]

    def gpus(rate: float, utilization: float) -> float:
        return tokens / DAY_S / rate / utilization

    def usd(rate: float, v: Mapping[str, float]) -> float:
        return gpus(rate, v["utilization"]) * 24 * v["usd_per_gpu_hour"]

    central = per_gpu["1000 in, 1000 out"]
    found = usd(central, ledger.values)
    ends = [ledger.over_ranges(lambda v, rate=rate: usd(rate, v)) for rate in per_gpu.values()]
    interval = min(e[0] for e in ends), max(e[1] for e in ends)
    return Finding(
        judge(found, interval, ledger.published or 0, ledger.tolerance),
        found,
        interval,
        "three splits of the 2,000 tokens into prompt and answer; ranges of $/GPU-hour and utilization",
        condition="most of a query's 2,000 tokens are prompt, or the GPUs are hardly ever idle"
        if found > (ledger.published or 0)
        else "GPUs stand idle for much of the day, or most tokens are generated",
        flips="the split into prompt and answer, which no source gives",
        note="GPT-3 of 175 B in 16 bits; the estimate counts hardware, not staff or training",
        figures={
            "gpus": gpus(central, ledger["utilization"]),
            "usd_per_query": found / (ledger["daily_users"] * ledger["answers_per_user"]),
            **{f"tokens_per_s_per_gpu, {w}": r for w, r in per_gpu.items()},
        },
    )


def _deepseek_day(ledger: Ledger) -> Finding:
    v = ledger.values
    cost = v["nodes"] * NODE * 24 * v["usd_per_gpu_hour"]
    uncached = v["input_btok"] - v["cached_btok"]
    revenue = 1e3 * (
        v["cached_btok"] * v["cached_usd_per_mtok"]
        + uncached * v["input_usd_per_mtok"]
        + v["output_btok"] * v["output_usd_per_mtok"]
    )
    prefill = v["input_btok"] * BILLION / DAY_S / v["prefill_tok_per_s_node"]
    decode = v["output_btok"] * BILLION / DAY_S / v["decode_tok_per_s_node"]
    margin = (revenue / cost - 1) * 100
    node_day = NODE * 24 * v["usd_per_gpu_hour"]
    v3 = 1e3 * (v["cached_btok"] * 0.07 + uncached * 0.27 + v["output_btok"] * 1.10)
    return Finding(
        judge(margin, (margin, margin), ledger.published or 0, ledger.tolerance),
        margin,
        (margin, margin),
        "exact arithmetic on the published figures",
        flips="selling at V3's prices, at night's discount or not at all: DeepSeek says that its true revenue is "
        "substantially lower",
        note="arithmetic and the two published speeds agree with the nodes; deepseek-prefill and deepseek-decode test "
        "the speeds",
        figures={
            "cost_usd": cost,
            "revenue_usd": revenue,
            "nodes_from_published_speeds": prefill + decode,
            "usd_per_mtok_uncached_input": prefill * node_day / (uncached * 1e3),
            "usd_per_mtok_output": decode * node_day / (v["output_btok"] * 1e3),
            "margin_percent_at_v3_prices": (v3 / cost - 1) * 100,
        },
    )


def _prefill_per_node(hit_share: float) -> tuple[float, Steady]:
    """Prompt tokens per second and node, those found in the cache included."""
    run = steady("deepseek-prefill.toml")
    return run.input_per_s / (1 - hit_share) / (run.accelerators / NODE), run


def _decode_per_node(speed: float) -> tuple[float, Steady]:
    """Tokens per second and node at the batch that gives each user `speed` tokens/s, between two batches."""
    points = [
        steady("deepseek-decode.toml", f"workload.0.arrivals.clients={clients}")
        for clients in (1152, 2304, 4608, 6912, 9216, 11520, 13824)
    ]
    rates = [(1 / p.token_s, p.output_per_s / (p.accelerators / NODE)) for p in points]
    for (fast, a), (slow, b) in pairwise(rates):
        if slow <= speed <= fast:
            return a + (b - a) * (fast - speed) / (fast - slow), points[0]
    return (rates[0] if speed > rates[0][0] else rates[-1])[1], points[0]


def _deepseek_prefill(ledger: Ledger) -> Finding:
    found, run = _prefill_per_node(ledger["hit_share"])
    interval = error_band(found, run.error)
    return Finding(
        judge(found, interval, ledger.published or 0, ledger.tolerance),
        found,
        interval,
        "error of unmeasured step costs, 40 %",
        condition="the step cost of experts spread over servers errs on the pessimistic side"
        if found < (ledger.published or 0)
        else "the published nodes stood idle for part of the day, or lost time that is not simulated",
        flips="the share of prompts found in the cache, 56 %: without it the published rate is "
        f"{(ledger.published or 0) * (1 - ledger['hit_share']):,.0f} computed tokens/s",
        note="capacity at full batches against an average over the day",
    )


def _deepseek_decode(ledger: Ledger) -> Finding:
    found, run = _decode_per_node(ledger["tokens_per_s_per_user"])
    low, high = (
        _decode_per_node(getattr(ledger.inputs["tokens_per_s_per_user"], e))[0] for e in ("high", "low")
    )
    interval = error_band(low, run.error)[0], error_band(high, run.error)[1]
    return Finding(
        judge(found, interval, ledger.published or 0, ledger.tolerance),
        found,
        interval,
        "error of unmeasured step costs, 40 %, and 20 to 22 tokens/s per user",
        condition="the step cost of experts spread over 18 servers errs on the pessimistic side (DeepSeek overlaps "
        "communication with two half batches, which is not simulated)"
        if found < (ledger.published or 0)
        else "the published nodes lost time that is not simulated",
        flips="the speed that a user is given",
        note="DeepSeek-V3 on 144 H800",
        figures={"tokens_per_s_per_node_low": low, "tokens_per_s_per_node_high": high},
    )


def _deepseek_cost(ledger: Ledger) -> Finding:
    prefill, first = _prefill_per_node(0.5625)
    decode, _ = _decode_per_node(21.0)

    def nodes(v: Mapping[str, float]) -> float:
        return (v["input_btok"] / prefill + v["output_btok"] / decode) * BILLION / DAY_S / v["utilization"]

    found = nodes(ledger.values)
    least, most = ledger.over_ranges(nodes)
    interval = error_band(least, first.error)[0], error_band(most, first.error)[1]
    usd = found * NODE * 24 * 2
    return Finding(
        judge(found, interval, ledger.published or 0, ledger.tolerance),
        found,
        interval,
        "error of unmeasured step costs, 40 %, and of the day's mean over its peak",
        condition="decoding is as much faster than simulated as deepseek-decode says",
        flips="the speed of decoding, which takes more than half of the nodes",
        note="the day's traffic at simulated speeds",
        figures={"usd_per_day": usd, "margin_percent": (562_027 / usd - 1) * 100},
    )


def _billion_users(ledger: Ledger) -> Finding:
    chat = run_file("chat-h100.toml")
    services = {
        "Llama-3.1-70B on H100": (requests_per_replica_s(chat) / 4, chat),
        "GPT-4 (leaked) on H100": (steady("gpt4-h100.toml").requests_per_s / 32, run_file("gpt4-h100.toml")),
        "GPT-4 (leaked) on A100": (steady("gpt4-a100.toml").requests_per_s / 128, run_file("gpt4-a100.toml")),
    }

    def gpus(rate: float, v: Mapping[str, float]) -> float:
        return v["users"] * v["requests_per_user_day"] / DAY_S * v["peak_over_mean"] / rate

    def billions(name: str, v: Mapping[str, float]) -> float:
        rate, summary = services[name]
        return gpus(rate, v) * summary["cost"]["capex_usd"] / summary["fleet"]["accelerators"] / BILLION

    central = "GPT-4 (leaked) on H100"
    ends = [ledger.over_ranges(lambda v, name=name: billions(name, v)) for name in services]
    interval = min(e[0] for e in ends), max(e[1] for e in ends)
    found = billions(central, ledger.values)
    least = CLAIM_B_USD[0] / found * ledger["requests_per_user_day"]
    return Finding(
        within(found, interval, *CLAIM_B_USD),
        found,
        interval,
        "three models and chips; ranges of requests per user and of the peak",
        condition=f"a model as heavy as the leaked GPT-4 answers {least:.1f} requests or more per user and day",
        flips="the model: " + ", ".join(f"{n} ${billions(n, ledger.values):.1f} B" for n in services),
        note="servers, network and storage for the busiest hour at capacity; Azure's conversation lengths, no "
        "reasoning, no building",
        figures={
            **{f"gpus, {n}": gpus(rate, ledger.values) for n, (rate, _) in services.items()},
            **{f"usd_bn, {n}": billions(n, ledger.values) for n in services},
            "it_mw, GPT-4 (leaked) on H100": gpus(services[central][0], ledger.values)
            * services[central][1]["power"]["it_w_mean"]
            / services[central][1]["fleet"]["accelerators"]
            / 1e6,
        },
    )


def _groq(ledger: Ledger) -> Finding:
    from sim.catalog.models import model
    from sim.catalog.shapes import kv_bytes_per_token, parameters_total

    gpu = {n: steady("groq-h100.toml", f"workload.0.arrivals.clients={n}") for n in (1, 8, 32, 128, 256)}
    summary = run_file("groq-h100.toml", "workload.0.arrivals.clients=128")
    fullest = max(s.output_per_s for s in gpu.values())
    gpu_usd = summary["cost"]["capex_usd"]
    served = model("Llama-2-70B")
    weights, kv = parameters_total(served), kv_bytes_per_token(served, 2.0)

    def users(v: Mapping[str, float]) -> float:
        """Answers that one copy holds at once: what its SRAM has beside the weights in 8 bits."""
        return (v["chips"] * v["sram_gb"] * BILLION - weights) / (kv * v["context_tokens"])

    def ratio(v: Mapping[str, float]) -> float:
        tokens = users(v) * v["tokens_per_s_per_user"]
        return (v["chips"] * v["usd_per_chip"] / tokens) / (gpu_usd / fullest)

    found, ends = ratio(ledger.values), ledger.over_ranges(ratio)
    error = next(iter(gpu.values())).error
    interval = error_band(ends[0], error)[0], error_band(ends[1], error)[1]
    quickest = max(1 / s.token_s for s in gpu.values())
    faster = ledger["tokens_per_s_per_user"] / quickest
    return Finding(
        judge(found, interval, ledger.published or 0, ledger.tolerance),
        found,
        interval,
        "ranges of the LPU's price and speed, and the expected error of the H100's step cost",
        flips=f"LPUs at ${ledger['usd_per_chip'] * (ledger.published or 0) / found:,.0f} apiece",
        note=f"purchase of hardware alone. {ledger['chips']:.0f} chips hold one copy and {users(ledger.values):.0f} "
        f"answers; four H100 with their part of a server cost ${gpu_usd:,.0f}. The claim on speed is nearer: "
        f"{faster:.1f} times one user's tokens/s on them. The LPU is not simulated: no "
        "measurement of one is in the calibration",
        figures={
            "speed_ratio_one_user": faster,
            "h100_tokens_per_s_full": fullest,
            "lpu_copy_usd": ledger["chips"] * ledger["usd_per_chip"],
            "lpu_answers_at_once": users(ledger.values),
        },
    )


TESTS = {
    "v100-waste": _v100_waste,
    "chatgpt-700k": _chatgpt,
    "deepseek-day": _deepseek_day,
    "deepseek-prefill": _deepseek_prefill,
    "deepseek-decode": _deepseek_decode,
    "deepseek-cost": _deepseek_cost,
    "billion-users": _billion_users,
    "groq": _groq,
}
