"""Sweep files: a base scenario, what is varied about it, what is uncertain, and how that is sampled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from sim.errors import Fault, ScenarioError
from sim.scenario.faults import faults_of
from sim.scenario.fields import Count, Fraction, Name, Number, Positive, Refusal, Table, Whole
from sim.scenario.load import read_data

Keys = dict[str, tuple[Any, ...]]


class GridAxis(Table):
    """Every combination of the values of several keys."""

    kind: Literal["grid"]
    keys: Keys = Field(
        min_length=1,
        description="Lists of values by key of the scenario; every combination is one setting.",
        examples=[{"pool.0.replicas": [6, 8], "site.pue": [1.1, 1.3]}],
    )

    @field_validator("keys")
    @classmethod
    def _not_empty(cls, value: Keys) -> Keys:
        return _with_values(value)


class ZipAxis(Table):
    """Keys that move together: the first values of all lists, then the second, and so on."""

    kind: Literal["zip"]
    keys: Keys = Field(
        min_length=1,
        description="Lists of equal length by key of the scenario; the i-th values together are one setting.",
        examples=[{"pool.0.replicas": [4, 8], "workload.0.arrivals.rate_per_s": [40, 80]}],
    )

    @field_validator("keys")
    @classmethod
    def _equal_lengths(cls, value: Keys) -> Keys:
        lengths = {len(values) for values in _with_values(value).values()}
        if len(lengths) > 1:
            raise Refusal(
                f"lists of a zip must be equally long; these have {', '.join(map(str, sorted(lengths)))} values",
                'kind = "grid" combines lists of any length',
            )
        return value


class ListAxis(Table):
    """Settings written out one by one."""

    kind: Literal["list"]
    settings: tuple[dict[str, Any], ...] = Field(
        min_length=1,
        description="Tables of key = value; each is one setting.",
        examples=[[{"pool.0.accelerator": "A100-SXM-80GB", "pool.0.precision": "int8"}]],
    )


Axis = Annotated[GridAxis | ZipAxis | ListAxis, Field(discriminator="kind")]


class Normal(Table):
    """Normal distribution."""

    kind: Literal["normal"]
    mean: Number = Field(description="Mean.")
    sd: Positive = Field(description="Standard deviation.")


class Lognormal(Table):
    """Lognormal distribution."""

    kind: Literal["lognormal"]
    median: Positive = Field(default=1.0, description="Median.")
    sigma: Positive = Field(
        description="Standard deviation of the natural logarithm; median / exp(1.645 sigma) to "
        "median x exp(1.645 sigma) holds 90 %."
    )


class Triangular(Table):
    """Triangular distribution."""

    kind: Literal["triangular"]
    low: Number = Field(description="Least value.")
    mode: Number = Field(description="Likeliest value.")
    high: Number = Field(description="Largest value.")

    @model_validator(mode="after")
    def _in_order(self) -> Triangular:
        if not self.low <= self.mode <= self.high or self.low == self.high:
            raise Refusal(
                f"needs low <= mode <= high, low < high; given {self.low:g}, {self.mode:g}, {self.high:g}"
            )
        return self


class Beta(Table):
    """Beta distribution, stretched from low to high."""

    kind: Literal["beta"]
    alpha: Positive = Field(description="First shape.")
    beta: Positive = Field(description="Second shape.")
    low: Number = Field(default=0.0, description="Least value.")
    high: Number = Field(default=1.0, description="Largest value.")

    @model_validator(mode="after")
    def _in_order(self) -> Beta:
        if self.low >= self.high:
            raise Refusal(f"needs low < high; given {self.low:g}, {self.high:g}")
        return self


class Uniform(Table):
    """Uniform distribution."""

    kind: Literal["uniform"]
    low: Number = Field(description="Least value.")
    high: Number = Field(description="Largest value.")

    @model_validator(mode="after")
    def _in_order(self) -> Uniform:
        if self.low >= self.high:
            raise Refusal(f"needs low < high; given {self.low:g}, {self.high:g}")
        return self


class Empirical(Table):
    """Observed values, each drawn as it is."""

    kind: Literal["empirical"]
    values: tuple[Number, ...] = Field(min_length=1, description="Values that were observed.")
    weights: tuple[Positive, ...] | None = Field(
        default=None, description="How often each counts; default: all alike."
    )

    @field_validator("weights")
    @classmethod
    def _one_each(cls, value: tuple[float, ...] | None, info: ValidationInfo) -> tuple[float, ...] | None:
        if value is not None and len(value) != len(info.data.get("values", value)):
            raise Refusal("needs one weight for each value")
        return value


Distribution = Annotated[
    Normal | Lognormal | Triangular | Beta | Uniform | Empirical, Field(discriminator="kind")
]


class Uncertain(Table):
    """One uncertain number of the scenario."""

    key: Name = Field(description="Key of the scenario, dotted.", examples=["site.electricity_usd_per_kwh"])
    distribution: Distribution = Field(
        description="Its distribution.", examples=[{"kind": "lognormal", "median": 0.08, "sigma": 0.2}]
    )
    apply: Literal["value", "factor"] = Field(
        default="value",
        description="value: what is drawn stands in place of the scenario's value. factor: it multiplies it.",
    )
    at_least: Number | None = Field(default=None, description="Draws below are excluded (truncation).")
    at_most: Number | None = Field(default=None, description="Draws above are excluded (truncation).")
    whole: bool = Field(default=False, description="Rounded to a whole number.")
    group: str = Field(
        default="",
        description="Inputs of one group count as one factor in the sensitivity. Default: its own.",
    )

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Uncertain:
        if self.at_least is not None and self.at_most is not None and self.at_least >= self.at_most:
            raise Refusal("needs at_least < at_most")
        return self


class Correlation(Table):
    """Rank correlation of two uncertain inputs."""

    between: tuple[Name, Name] = Field(description="Keys of two [[uncertain]] inputs.")
    rank: Number = Field(gt=-1, lt=1, description="Spearman's rank correlation, by a Gaussian copula.")


class Calibration(Table):
    """The intervals of the calibrated coefficients as uncertain inputs."""

    step_cost: bool = Field(default=True, description="Draw the coefficients of step time (and of memory).")
    energy: bool = Field(default=True, description="Draw the coefficients of power.")
    grouped: bool = Field(
        default=True,
        description="Step cost and energy are one factor each in the sensitivity; false: every coefficient is.",
    )


class Sampling(Table):
    """How the uncertain inputs are sampled."""

    method: Literal["monte-carlo", "latin-hypercube", "sobol"] = Field(
        default="latin-hypercube", description="sobol: scrambled Sobol sequence, of a power of two of points."
    )
    points: Count = Field(default=128, le=2**24, description="Samples of the uncertain inputs, at most.")
    replications: Count = Field(default=1, le=10_000, description="Runs of each point, each of its own seed.")
    seed: Whole = Field(default=0, ge=0, lt=2**63, description="Seed of the sampling.")
    vary_seed: bool = Field(
        default=False,
        description="The simulation's own seed is an uncertain input too. Otherwise every point sees the same "
        "random demand, so that differences are the inputs' own.",
    )


class Stop(Table):
    """End before all points, once the mean of a metric is known well enough in every setting."""

    metric: Name = Field(
        description="Metric, by its dotted name in the JSON result.", examples=["cost.usd_per_request"]
    )
    within: Positive = Field(lt=1, description="Half width of the confidence interval over the mean [1].")
    confidence: Fraction = Field(default=0.95, gt=0, lt=1, description="Confidence of the interval [1].")
    at_least: Count = Field(
        default=64, ge=8, description="Points before the first look; then at every doubling."
    )

    @field_validator("at_least")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        return _power_of_two(value, "the rule looks at 8, 16, 32, ... points")


class Sensitivity(Table):
    """What drives a metric."""

    metric: Name = Field(
        default="cost.usd_per_request",
        description="Metric, by its dotted name in the JSON result.",
        examples=["latency.ttft_s.p99"],
    )
    indices: bool = Field(
        default=True,
        description="Sobol indices of first and total order (Saltelli 2010): points x (factors + 2) runs.",
    )
    tornado: bool = Field(default=True, description="Each factor alone from its 5th to its 95th percentile.")


class Sweep(Table):
    """A sweep of a scenario."""

    name: Name = Field(description="Name of the sweep.", examples=["quickstart-drivers"])
    scenario: Name = Field(
        description="File of the base scenario; a relative path starts at the sweep file.",
        examples=["quickstart.toml"],
    )
    changes: dict[str, Any] = Field(
        default_factory=dict,
        alias="set",
        description="Changes of the base scenario, key = value.",
        examples=[{"duration": "1 min"}],
    )
    axes: tuple[Axis, ...] = Field(
        default=(), alias="axis", description="What is varied on purpose; several axes are combined."
    )
    uncertain: tuple[Uncertain, ...] = Field(default=(), description="What is not known.")
    correlation: tuple[Correlation, ...] = Field(default=(), description="Correlations of uncertain inputs.")
    calibration: Calibration | None = Field(
        default=None, description="Uncertainty of the step cost; without it, coefficients are as fitted."
    )
    sampling: Sampling = Field(default_factory=Sampling, description="How it is sampled.")
    stop: Stop | None = Field(default=None, description="When it is enough.")
    sensitivity: Sensitivity | None = Field(default=None, description="What drives the outcome.")
    slo_met: Fraction = Field(
        default=0.99, description="Share of requests within their targets from which a run meets its SLO [1]."
    )

    @field_validator("correlation")
    @classmethod
    def _of_inputs(cls, value: tuple[Correlation, ...], info: ValidationInfo) -> tuple[Correlation, ...]:
        keys = {normal_key(u.key) for u in info.data.get("uncertain", ())}
        for correlation in value:
            for key in correlation.between:
                if normal_key(key) not in keys:
                    raise Refusal(f'"{key}" is not the key of an [[uncertain]] input')
            if len({normal_key(key) for key in correlation.between}) < 2:
                raise Refusal(f'correlates "{correlation.between[0]}" with itself')
        return value

    @model_validator(mode="after")
    def _agree(self) -> Sweep:
        faults = [*self._repeated_keys(), *self._sizes()]
        if faults:
            raise ScenarioError(faults)
        return self

    def _repeated_keys(self) -> list[Fault]:
        seen: dict[str, str] = {}
        faults = []
        for path, key in self._keys():
            name = normal_key(key)
            if name == "seed":
                hint = "use sampling.replications, or sampling.vary_seed"
                faults.append(Fault(path, "the seed is not varied by its key", hint))
            elif name in seen:
                faults.append(Fault(path, f'"{key}" is varied twice, also in {seen[name]}'))
            seen[name] = path
        return faults

    def _keys(self) -> list[tuple[str, str]]:
        found = []
        for i, axis in enumerate(self.axes):
            keys = axis.keys if not isinstance(axis, ListAxis) else {k: () for s in axis.settings for k in s}
            found += [(f"axis[{i}]", key) for key in keys]
        return [*found, *((f"uncertain[{i}].key", u.key) for i, u in enumerate(self.uncertain))]

    def _sizes(self) -> list[Fault]:
        faults = []
        points, power = self.sampling.points, self.sampling.points & (self.sampling.points - 1) == 0
        if self.sampling.method == "sobol" and not power:
            near = 1 << (points.bit_length() - 1)
            faults.append(
                Fault(
                    "sampling.points",
                    f"must be a power of two for sobol; given {points}",
                    f"{near} or {2 * near}",
                )
            )
        if self.sensitivity is not None and not self.has_inputs:
            hint = "add [[uncertain]] inputs or a [calibration] table"
            faults.append(Fault("sensitivity", "nothing is uncertain", hint))
        if self.stop is not None and not self.has_inputs:
            faults.append(Fault("stop", "nothing is uncertain", "leave it out, or add [[uncertain]] inputs"))
        if self.stop is not None and self.sampling.method == "latin-hypercube":
            hint = 'sampling.method = "monte-carlo" or "sobol"'
            faults.append(Fault("stop", "a Latin hypercube is only one when it is complete", hint))
        return faults

    @property
    def has_inputs(self) -> bool:
        """Whether anything is uncertain."""
        drawn = self.calibration is not None and (self.calibration.step_cost or self.calibration.energy)
        return bool(self.uncertain) or drawn or self.sampling.vary_seed


def load_sweep(path: str | Path) -> Sweep:
    """The sweep in a TOML file. Raises ScenarioError with every fault in it."""
    path = Path(path)
    data = read_data(path)
    try:
        sweep = Sweep.model_validate(data)
    except ValidationError as error:
        raise ScenarioError(faults_of(error, data, Sweep), str(path)) from None
    except ScenarioError as error:
        raise ScenarioError(error.faults, str(path)) from None
    return sweep.model_copy(update={"scenario": str((path.parent / sweep.scenario).absolute())})


def normal_key(key: str) -> str:
    """A dotted key with indices written in one way: pool[0].replicas as pool.0.replicas."""
    return key.replace("[", ".").replace("]", "").strip()


def _with_values(keys: Mapping[str, tuple[Any, ...]]) -> Keys:
    for key, values in keys.items():
        if not values:
            raise Refusal(f'"{key}" has no values')
    return dict(keys)


def _power_of_two(value: int, why: str) -> int:
    if value & (value - 1):
        raise Refusal(f"must be a power of two: {why}; given {value}")
    return value
