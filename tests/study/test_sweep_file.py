"""Sweep files and what is said of wrong ones."""

from __future__ import annotations

import pytest

from sim.errors import UserError
from sim.study.sweep import plan_sweep
from sim.study.sweep_file import load_sweep
from tests.samples import ROOT
from tests.study.sweeps import PLAIN, loaded, written

HEAD = 'name = "x"\nscenario = "small.toml"\n'
PUE = '[[uncertain]]\nkey = "site.pue"\ndistribution = { kind = "uniform", low = 1.1, high = 1.3 }\n'
WRONG = {
    HEAD + "points = 3\n": "points: is not a key of the sweep's top level",
    HEAD + '[[axis]]\nkind = "gird"\nkeys = {}\n': 'did you mean "grid"?',
    HEAD
    + '[[axis]]\nkind = "zip"\nkeys = { "site.pue" = [1.1, 1.2], "pool.0.replicas" = [2] }\n': "equally long",
    HEAD + '[[axis]]\nkind = "grid"\nkeys = { "site.pue" = [] }\n': '"site.pue" has no values',
    HEAD + PUE.replace("uniform", "unifrom"): 'did you mean "uniform"?',
    HEAD + PUE.replace("1.3", "1.0"): "needs low < high",
    HEAD + PUE + PUE: '"site.pue" is varied twice',
    HEAD + '[[axis]]\nkind = "grid"\nkeys = { seed = [1, 2] }\n': "use sampling.replications",
    HEAD + PUE + '[sampling]\nmethod = "sobol"\npoints = 100\n': "power of two for sobol; given 100",
    HEAD + "[sensitivity]\n": "nothing is uncertain",
    HEAD + PUE + '[stop]\nmetric = "cost.usd_per_request"\nwithin = 0.1\n': "only one when it is complete",
    HEAD
    + PUE
    + '[[correlation]]\nbetween = ["site.pue", "site.pu"]\nrank = 0.5\n': '"site.pu" is not the key',
    HEAD + PUE.replace("site.pue", "site.pu"): "site.pu: is not a key of [site]",
    HEAD + PUE.replace('key = "site.pue"', 'key = "name"\napply = "factor"'): "is no number",
    HEAD + '[[axis]]\nkind = "grid"\nkeys = { "pool.0.accelerator" = ["H1000"] }\n': "H1000",
    HEAD.replace("small", "smal") + PUE: 'did you mean "small.toml"',
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_with_its_key(text, tmp_path):
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, text)
    assert WRONG[text] in str(caught.value)


def test_the_example_is_valid():
    design = plan_sweep(load_sweep(ROOT / "scenarios" / "quickstart-sweep.toml"))
    assert design.tasks < 1000
    assert {f.name for f in design.factors} > {"calibration of step cost", "calibration of energy"}


def test_the_base_scenario_lies_beside_the_sweep(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    path = written(tmp_path, PLAIN)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_sweep(path).scenario == str(tmp_path / "small.toml")
