"""What an image and a video cost in energy and money, by model and accelerator.

python -m benchmarks.diffusion [DIR]      DIR defaults to results/week/diffusion; writes cost.csv and cost.png

Eight accelerators (one server of most chips) at 70 % of what they could make, owned at the catalog's prices, PUE 1.2.
Each figure is run thrice: at the calibrated coefficients, and at both ends of the 90 % band of a model (and, for a chip
that nobody measured, a generation) that was not in the fit.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.catalog.diffusion import diffusion_model
from sim.run import run, step_costs
from sim.scenario import Scenario
from sim.study.jobs import batch_totals

CHIPS = ("A100-SXM-80GB", "H100-SXM-80GB", "H200-SXM-141GB", "B200-SXM-180GB", "MI300X-192GB")
MODELS = (
    "SANA1.5-1.6B",
    "PixArt-Sigma",
    "Stable-Diffusion-XL",
    "Stable-Diffusion-3.5-medium",
    "FLUX.1-dev",
    "Wan2.1-T2V-1.3B",
    "CogVideoX1.5-5B",
    "HunyuanVideo",
)
ACCELERATORS, LOAD, JOBS = 8, 0.7, 400
IMAGE_BATCH, VIDEO_BATCH = 4, 1
Z90 = 1.645
BAND = "dense_flops"
"""It moves all of the accelerator's time by as much as models and generations left out of the fit were missed."""


@dataclass(frozen=True)
class Cost:
    """One model on one chip: energy at the meter [Wh] and cost [$] of one, low, middle and high, and latency [s]."""

    model: str
    accelerator: str
    batch: int
    per_s_at_most: float
    e2e_s_p50: float
    wh: tuple[float, ...]
    usd: tuple[float, ...]
    known: str

    def row(self) -> dict[str, Any]:
        """As a line of the table."""
        parts = {
            f"{n}_{s}": v
            for n, t in (("wh", self.wh), ("usd", self.usd))
            for s, v in zip(("low", "", "high"), t, strict=True)
        }
        named = {k.rstrip("_"): float(f"{v:.4g}") for k, v in parts.items()}
        return {
            "model": self.model,
            "accelerator": self.accelerator,
            "max_batch": self.batch,
            "per_s_at_most": float(f"{self.per_s_at_most:.4g}"),
            "e2e_s_p50": float(f"{self.e2e_s_p50:.4g}"),
            **named,
            "step_cost_known_by": self.known,
        }


def scenario(model: str, chip: str, batch: int, rate_per_s: float) -> Scenario:
    """Poisson demand for one model on eight accelerators, for about `JOBS` jobs."""
    return Scenario.model_validate(
        {
            "name": "diffusion",
            "duration": JOBS / rate_per_s,
            "workload": [{"model": model, "arrivals": {"process": "poisson", "rate_per_s": rate_per_s}}],
            "pool": [
                {
                    "model": model,
                    "accelerator": chip,
                    "replicas": ACCELERATORS,
                    "scheduler": {"max_batch": batch},
                }
            ],
            "site": {"pue": 1.2},
        }
    )


def cost_of(model: str, chip: str) -> Cost:
    """Run one model on one chip at the middle and both ends of the band."""
    found = diffusion_model(model)
    batch = IMAGE_BATCH if found.kind == "image" else VIDEO_BATCH
    jobs = []
    for z in (Z90, 0.0, -Z90):
        shift = {BAND: z}
        (cost,) = step_costs(scenario(model, chip, batch, 1.0), {}, shift)
        most_per_s = ACCELERATORS * batch / batch_totals(cost, batch, found.steps)[0]
        made = scenario(model, chip, batch, LOAD * most_per_s)
        jobs.append((most_per_s, run(made, calibration_z=shift).summary["jobs"][0]))
    most_per_s, middle = jobs[1]
    return Cost(
        model=model,
        accelerator=chip,
        batch=batch,
        per_s_at_most=most_per_s,
        e2e_s_p50=middle["latency_s"]["p50"],
        wh=tuple(sorted(j["wh_per_item"] for _, j in jobs)),
        usd=tuple(sorted(j["usd_per_item"] for _, j in jobs)),
        known=cost.knowledge.basis,
    )


def plot(costs: Sequence[Cost], path: Path) -> None:
    """Wh and dollars of one, by model and chip, with their bands."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(14, 6), sharey=True)
    for axis, name, unit in zip(axes, ("wh", "usd"), ("energy at the meter [Wh]", "cost [$]"), strict=True):
        for i, chip in enumerate(CHIPS):
            some = [c for c in costs if c.accelerator == chip]
            at = [MODELS.index(c.model) + 0.16 * (i - 2) for c in some]
            low, middle, high = (list(v) for v in zip(*(getattr(c, name) for c in some), strict=True))
            errors = [
                [m - b for m, b in zip(middle, low, strict=True)],
                [t - m for m, t in zip(middle, high, strict=True)],
            ]
            guessed = "" if some[0].known == "measured" else " (datasheet only)"
            axis.errorbar(
                middle, at, xerr=errors, fmt="o", ms=4, capsize=2, color=f"C{i}", label=chip + guessed
            )
        axis.set_xscale("log")
        axis.set_xlabel(f"{unit} of one image or video")
        axis.grid(axis="x", which="both", color="0.9")
    axes[0].set_yticks(range(len(MODELS)), [label(m) for m in MODELS], fontsize=8)
    axes[1].legend(fontsize=8, loc="lower left")
    axes[1].invert_yaxis()
    figure.suptitle("Eight accelerators at 70 % of what they could make; bars: 90 % band of the step cost")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def label(name: str) -> str:
    """A model with its job."""
    model = diffusion_model(name)
    frames = f" x {model.frames}" if model.frames > 1 else ""
    return f"{name}\n{model.size[0]} x {model.size[1]}{frames}, {model.steps} steps"


def main(folder: Path) -> None:
    """Write the table and the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    costs = [cost_of(model, chip) for model in MODELS for chip in CHIPS]
    rows = [c.row() for c in costs]
    with (folder / "cost.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    plot(costs, folder / "cost.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/week/diffusion"))
