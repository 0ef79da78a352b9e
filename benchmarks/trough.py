"""Batch work in the trough of a day, with and without priorities; regions alone and together: results/week/trough.

python -m benchmarks.trough
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from sim.run import Result, run
from sim.scenario.load import build, read_data

SCENARIOS = Path("scenarios")
OUT = Path("results/week/trough")
Data = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One run: its name in the table, a scenario, and what is changed in the file's data."""

    name: str
    scenario: str
    change: Callable[[Data], None] = lambda _: None


def documents(**keys: Any) -> Callable[[Data], None]:
    """The documents' table with these keys changed, or without those that are None."""

    def change(data: Data) -> None:
        table = data["workload"][1]
        table |= keys
        for key in [k for k, v in table.items() if v is None]:
            del table[key]

    return change


def no_documents(data: Data) -> None:
    """The chats alone."""
    del data["workload"][1]


def each_for_itself(data: Data) -> None:
    """No region is ever full."""
    for pool in data["pool"]:
        pool["overflow_above"] = 1_000_000


TROUGH = (
    Case("chats alone", "trough", no_documents),
    Case("no priority", "trough", documents(priority=None, admit_below=None)),
    Case("chats first", "trough", documents(admit_below=None)),
    Case("chats first, below 64", "trough", documents(admit_below=64)),
    Case("chats first, below 32", "trough", documents(admit_below=32)),
    Case("chats first, below 16", "trough"),
    Case("chats first, below 8", "trough", documents(admit_below=8)),
)
REGIONS = (Case("each for itself", "regions", each_for_itself), Case("overflow", "regions"))


def simulate(case: Case) -> Result:
    """The run of a case."""
    path = SCENARIOS / f"{case.scenario}.toml"
    data = read_data(path)
    case.change(data)
    return run(build(data, folder=path.parent, source=str(path)))


def trough_row(case: Case, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the chats got, what the documents got, and what a token cost."""
    chat, *rest = summary["workloads"]
    documents = rest[0]["tokens"] if rest else {"input": 0, "output": 0}
    return {
        "case": case.name,
        "chats_met": chat["slo"]["attainment"],
        "chat_ttft_p99_s": chat["latency"]["ttft_s"]["p99"],
        "chat_tpot_p99_s": chat["latency"]["tpot_s"]["p99"],
        "chat_mtok": (chat["tokens"]["input"] + chat["tokens"]["output"]) / 1e6,
        "document_mtok": (documents["input"] + documents["output"]) / 1e6,
        "recomputed_mtok": summary["tokens"]["recomputed"] / 1e6,
        "busy": summary["utilization"],
        "usd_per_mtok": summary["cost"]["usd_per_mtok"],
        "usd_total": summary["cost"]["usd_total"],
        "j_per_token": summary["energy"]["site_j"]
        / (summary["tokens"]["input"] + summary["tokens"]["output"]),
        "site_w_mean": summary["power"]["site_w_mean"],
    }


def region_rows(case: Case, summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the users of each region got."""
    return [
        {
            "case": case.name,
            "region": w["name"],
            "met": w["slo"]["attainment"],
            "ttft_p50_s": w["latency"]["ttft_s"]["p50"],
            "ttft_p99_s": w["latency"]["ttft_s"]["p99"],
            "tpot_p99_s": w["latency"]["tpot_s"]["p99"],
        }
        for w in summary["workloads"]
    ]


def write(name: str, rows: list[dict[str, Any]]) -> None:
    """Rows as CSV, and on the terminal."""
    with (OUT / name).open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
    for row in rows:
        print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else str(v) for k, v in row.items()))


def picture(results: Mapping[str, Result]) -> None:
    """Tokens by the hour, with and without documents."""
    figure, axes = plt.subplots(1, len(results), figsize=(9, 3.4), sharey=True, layout="constrained")
    for axis, (name, result) in zip(axes, results.items(), strict=True):
        table = result.windows
        hours = table["start_s"] / 3600
        axis.stackplot(
            hours,
            table["prefill_tokens_per_s"] / 1e3,
            table["decode_tokens_per_s"] / 1e3,
            labels=["prefill", "decode"],
            colors=["#4c72b0", "#dd8452"],
        )
        axis.set(title=name, xlabel="hour of the day", xlim=(0, 24), xticks=range(0, 25, 6))
    axes[0].set_ylabel("thousand tokens a second, computed")
    axes[0].legend(loc="upper left", frameon=False)
    figure.savefig(OUT / "trough.png", dpi=130)


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    results = {case.name: simulate(case) for case in TROUGH}
    write("trough.csv", [trough_row(case, results[case.name].summary) for case in TROUGH])
    picture({name: results[name] for name in ("chats alone", "chats first, below 16")})
    write("regions.csv", [row for case in REGIONS for row in region_rows(case, simulate(case).summary)])


if __name__ == "__main__":
    main()
