"""A prefix cache's curve as files: cache_curve.csv and cache_curve.png."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.report.files import flat, pyplot, save, write_csv

Report = Mapping[str, Any]


def write_cache_curve(report: Report, place: Path) -> None:
    """Write the rows and the picture into the folder `place`. The picture needs matplotlib."""
    place.mkdir(parents=True, exist_ok=True)
    write_csv([flat(r) for r in report["rows"]], place / "cache_curve.csv")
    plot(report, place / "cache_curve.png")


def plot(report: Report, path: Path) -> None:
    """Hit rate against room; against hit rate, TTFT as recorded, and energy and cost where the targets just hold."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.7))
    _hit_rates(report, axes[0])
    room = sorted(_series(report, "room") + _series(report, "no cache"), key=lambda r: r["hit_rate"])
    rates = [100 * r["hit_rate"] for r in room]
    for key, label in (("ttft_p50_s", "p50"), ("ttft_mean_s", "mean"), ("ttft_p99_s", "p99")):
        axes[1].semilogy(rates, [r[key] for r in room], "o-", ms=4, label=label)
    axes[1].yaxis.set_major_formatter("{x:g}")
    axes[1].set_xlabel("hit rate, % of prompt tokens")
    axes[1].set_ylabel("TTFT [s]")
    axes[1].set_title("One deployment at the recorded load", fontsize=10)
    held = [r for r in room if r["held"] is not None]
    for get, label in (
        (lambda r: r["held"]["requests_per_s"], "requests/s that it holds"),
        (lambda r: r["held"]["wh_per_request"], "energy per request"),
        (lambda r: r["held"]["usd_per_request"], "dollars per request"),
    ):
        values = [get(r) / get(held[0]) for r in held]
        axes[2].plot([100 * r["held"]["hit_rate"] for r in held], values, "o-", ms=4, label=label)
    axes[2].set_xlabel("hit rate, % of prompt tokens")
    axes[2].set_ylabel("relative to no cache")
    axes[2].set_title(
        f"At the load where {100 * report['attainment']:g} % just meet the targets", fontsize=10
    )
    axes[2].set_ylim(bottom=0)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.tight_layout()
    save(figure, path)


def _hit_rates(report: Report, axis: Any) -> None:
    room = sorted(_series(report, "room"), key=lambda r: r["kv_tokens_per_replica"])
    tokens = [r["kv_tokens_per_replica"] / 1e6 for r in room]
    axis.semilogx(tokens, [100 * r["hit_rate"] for r in room], "o-", ms=4, color="C0", label="one replica")
    lru = [100 * r["lru_hit_rate"] for r in room]
    axis.semilogx(tokens, lru, "x", ms=7, color="k", label="LRU of whole blocks, counted from the file")
    for i, r in enumerate(_series(report, "chip")):
        axis.plot(r["kv_tokens_per_replica"] / 1e6, 100 * r["hit_rate"], "s", ms=6, color="C2")
        name = r["setting"].split("-")[0]
        at = (r["kv_tokens_per_replica"] / 1e6, 100 * r["hit_rate"])
        axis.annotate(
            name, at, textcoords="offset points", xytext=(0, 8 if i % 2 else -15), fontsize=8, color="C2"
        )
    split = sorted(_series(report, "split"), key=lambda r: r["kv_tokens_per_replica"])
    each = [r["kv_tokens_per_replica"] / 1e6 for r in split]
    label = f"the same chips as {', '.join(str(r['replicas']) for r in split)} replicas"
    axis.semilogx(each, [100 * r["hit_rate"] for r in split], "v--", ms=6, color="C1", label=label)
    top = 100 * report["ideal"]["token_rate"]
    axis.axhline(top, color="k", lw=0.8, ls=":")
    axis.text(tokens[0], top + 0.8, f"what the file allows: {top:.1f} % of tokens", fontsize=8)
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_ylim(0, top + 8)
    axis.set_xlabel("KV room of a replica, million tokens")
    axis.set_ylabel("hit rate, % of prompt tokens")
    axis.set_title("Prompt tokens found in the cache", fontsize=10)


def _series(report: Report, name: str) -> list[Any]:
    return [r for r in report["rows"] if r["series"] == name]
