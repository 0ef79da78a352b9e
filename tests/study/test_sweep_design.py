"""Which runs a sweep has, with which values, under which keys."""

from __future__ import annotations

import numpy as np
import pytest

from sim.cost.interval import STEP_COST
from sim.study.sweep_design import CALIBRATION, GROUP_DRAWS, A, B
from sim.study.sweep_store import describe
from tests.study.sweeps import PLAIN, loaded
from tests.study.test_sweep_file import HEAD, PUE


def axes(tmp_path, text):
    return [dict(s.values) for s in loaded(tmp_path, HEAD + text)[1].settings]


def test_axes_are_combined_zipped_and_listed(tmp_path):
    grid = '[[axis]]\nkind = "grid"\nkeys = { "site.pue" = [1.1, 1.2], "pool.0.replicas" = [2, 3] }\n'
    assert len(axes(tmp_path, grid)) == 4
    zipped = grid.replace("grid", "zip")
    assert axes(tmp_path, zipped) == [
        {"site.pue": 1.1, "pool.0.replicas": 2},
        {"site.pue": 1.2, "pool.0.replicas": 3},
    ]
    listed = '[[axis]]\nkind = "list"\nsettings = [{ "router" = "random" }, { "pool.1.replicas" = 2 }]\n'
    assert axes(tmp_path, listed) == [{"router": "random"}, {"pool.1.replicas": 2}]
    assert len(axes(tmp_path, zipped + listed)) == 4


def test_runs_are_tornado_then_samples_of_each_setting(tmp_path):
    _, design = loaded(tmp_path)
    assert [f.name for f in design.factors] == [
        "site.pue",
        "cost.depreciation_years",
        "calibration of step cost",
    ]
    assert design.tornado_rows == 1 + 2 * 2 + GROUP_DRAWS
    assert design.block == 5
    assert design.tasks == 2 * (design.tornado_rows + 4 * 5)
    assert design.tasks_until(design.samples) == design.tasks


def test_parts_of_a_base_sample_take_one_factor_from_the_other(tmp_path):
    _, design = loaded(tmp_path)
    rows = design.values[design.tornado_rows :].reshape(4, 5, -1)
    a, b = rows[:, 0], rows[:, 1]
    for f, factor in enumerate(design.factors):
        mine = np.isin(np.arange(a.shape[1]), factor.inputs)
        assert (rows[:, 2 + f] == np.where(mine, b, a)).all()
    assert design.part_of[design.tornado_rows :][:2].tolist() == [A, B]


def test_the_tornado_moves_one_factor_from_the_medians(tmp_path):
    _, design = loaded(tmp_path)
    moved = design.values[: design.tornado_rows] != design.values[0]
    for row in range(1, design.tornado_rows):
        inputs = set(np.flatnonzero(moved[row]))
        assert inputs <= set(design.factors[design.factor_of[row]].inputs)
    assert design.values[1, 0] == pytest.approx(1.11)
    assert design.values[2, 0] == pytest.approx(1.29)


def test_a_task_says_what_to_change(tmp_path):
    _, design = loaded(tmp_path)
    task = design.task(design.tasks - 1)
    assert task.changes[0] == "pool.0.replicas=3"
    assert task.changes[-1] == f"seed={task.seed}" == "seed=3"
    assert set(task.calibration_z) == set(STEP_COST)
    assert design.names[2].startswith(CALIBRATION)


def test_every_setting_sees_the_same_values_and_seed(tmp_path):
    _, design = loaded(tmp_path)
    one, other = design.task(80), design.task(81)
    assert (one.row, one.setting, other.setting) == (other.row, 0, 1)
    assert one.changes[1:] == other.changes[1:]
    assert one.key != other.key


@pytest.mark.parametrize(
    "change",
    [
        ("10 s", "11 s"),
        ("1.3 }", "1.31 }"),
        ("seed = 5", "seed = 6"),
        ("[2, 3]", "[2, 4]"),
    ],
)
def test_a_key_depends_on_all_that_makes_the_result(tmp_path, change):
    _, design = loaded(tmp_path)
    _, other = loaded(tmp_path, PLAIN.replace(*change))
    last = design.tasks - 1
    assert design.key(last) != other.key(last)
    assert design.key(last) == loaded(tmp_path)[1].key(last)


def test_more_points_keep_the_keys_of_those_there_were(tmp_path):
    _, design = loaded(tmp_path)
    _, longer = loaded(tmp_path, PLAIN.replace("points = 4", "points = 8"))
    assert [design.key(i) for i in range(design.tasks)] == [longer.key(i) for i in range(design.tasks)]


def test_factors_multiply_what_the_scenario_has_by_default(tmp_path):
    text = HEAD + PUE.replace('key = "site.pue"', 'key = "cost.depreciation_years"\napply = "factor"')
    _, design = loaded(tmp_path, text + "[sampling]\npoints = 16\n")
    assert ((design.values > 5 * 1.1) & (design.values < 5 * 1.3)).all()


def test_correlated_inputs_are_one_factor(tmp_path):
    other = (
        PUE.replace("site.pue", "site.electricity_usd_per_kwh").replace("1.1", "0.05").replace("1.3", "0.1")
    )
    tie = '[[correlation]]\nbetween = ["site.pue", "site.electricity_usd_per_kwh"]\nrank = 0.8\n'
    _, design = loaded(tmp_path, HEAD + PUE + other + tie + "[sampling]\npoints = 64\n")
    assert [f.inputs for f in design.factors] == [(0, 1)]
    assert np.corrcoef(design.values.T)[0, 1] > 0.6


def test_seeds_move_by_replication_or_are_drawn(tmp_path):
    _, fixed = loaded(tmp_path, HEAD + PUE + "[sampling]\npoints = 4\nreplications = 3\n")
    seeds = [fixed.task(i).seed for i in range(fixed.tasks)]
    assert seeds[:3] == seeds[3:6]
    assert len(set(seeds)) == 3
    _, drawn = loaded(tmp_path, HEAD + "[sampling]\npoints = 4\nvary_seed = true\n")
    assert len({drawn.task(i).seed for i in range(4)}) == 4
    assert describe(drawn, np.arange(4))["seed"].tolist() == [str(drawn.task(i).seed) for i in range(4)]
