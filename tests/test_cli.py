"""The command line: exit codes, what goes to which stream, and what is left on disk."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from sim import cli, results
from sim.run import run
from tests import golden
from tests.engine.setups import cost
from tests.samples import ROOT, SMALL

BROKEN = """
name = "broken"
duration = "1 hour and a bit"
sede = 3
[[workload]]
name = "chat"
model = "Llama-3.1-70B"
arrivals = { process = "poison", rate_per_s = 40 }
lengths = "azure-2023-conversation"
[[pool]]
accelerator = "H1000"
model = "Llama-3.1-70B"
replicas = -1
"""


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    """A small scenario in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    (tmp_path / "broken.toml").write_text(BROKEN)
    return "small.toml"


def simulate(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


def kept(folder):
    return sorted(p.name for p in folder.iterdir())


def test_run_prints_the_answer_and_keeps_the_result(scenario, tmp_path):
    done = simulate("run", scenario)
    assert done.exit_code == 0
    where = re.search(r"result in (runs/small-[0-9a-f]{8})$", done.stdout.strip())
    assert where
    stored = results.read(where[1])
    assert where[1].endswith(stored.summary["scenario_sha256"][:8])
    requests = stored.summary["requests"]
    assert f"{requests['completed']:,} of {requests['arrived']:,} requests completed" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert kept(tmp_path) == ["broken.toml", "runs", "small.toml"]


def test_the_default_command_is_run(scenario):
    plain, named = simulate(scenario, "--out", "out"), simulate("run", scenario, "--out", "out")
    assert plain.exit_code == named.exit_code == 0
    assert plain.stdout == named.stdout


@pytest.mark.parametrize("arguments", [("small.toml", "--json"), ("--json", "--seed", "3", "small.toml")])
def test_json_is_all_there_is_and_nothing_is_written(scenario, tmp_path, arguments):
    done = simulate(*arguments)
    assert done.exit_code == 0
    summary = json.loads(done.stdout)
    assert summary["requests"]["completed"] > 0
    assert summary["engine"] == "kernel"
    assert kept(tmp_path) == ["broken.toml", "small.toml"]


def test_json_with_a_directory_writes_the_same(scenario):
    done = simulate(scenario, "--json", "--out", "out")
    assert json.loads(done.stdout) == results.read("out").summary
    assert "result in out" in done.stderr


def test_warnings_go_to_standard_error_with_json(scenario):
    done = simulate(
        scenario, "--json", "--set", "workload.0.arrivals.rate_per_s=200", "--set", "duration=4 min"
    )
    assert json.loads(done.stdout)["overload"]["growing"] is True
    assert "warning: offered load above capacity" in done.stderr


def test_changes_and_seed_are_applied(scenario):
    done = simulate(scenario, "--json", "--seed", "11", "--set", "pool.0.replicas=3", "--set", "site.pue=1.5")
    summary = json.loads(done.stdout)
    assert summary["seed"] == 11
    assert summary["fleet"]["replicas"] == 4
    assert summary["energy"]["site_j"] == pytest.approx(1.5 * summary["energy"]["it_j"])


def test_requests_are_logged_on_demand(scenario):
    assert simulate(scenario, "--out", "out", "--log-requests", "25").exit_code == 0
    assert len(results.read("out").requests["e2e_s"]) == 25
    refused = simulate(scenario, "--json", "--log-requests", "25")
    assert refused.exit_code == 2
    assert "--log-requests: keeps requests in a directory" in refused.stderr


def test_the_reference_engine_gives_the_same(scenario):
    changes = ("--json", "--set", "duration=10 s", "--set", "warmup=0")
    kernel, simpy = (
        json.loads(simulate(scenario, *changes, "--engine", e).stdout) for e in ("kernel", "simpy")
    )
    assert simpy["engine"] == "simpy"
    assert kernel["tokens"] == simpy["tokens"]
    assert kernel["latency"]["e2e_s"]["mean"] == pytest.approx(simpy["latency"]["e2e_s"]["mean"], rel=1e-9)
    assert kernel["energy"]["site_j"] == pytest.approx(simpy["energy"]["site_j"], rel=1e-9)


def test_output_of_a_small_run(scenario, monkeypatch):
    """On made-up step costs, so that the figures stay when the models of hardware get better."""
    monkeypatch.setattr("sim.cost.step.step_cost", lambda *_, max_batch, **__: cost(max_batch=max_batch))
    done = simulate(scenario, "--out", "out")
    golden.check("small_run.txt", done.stdout)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("broken_file", ["broken.toml"]),
        ("broken_check", ["check", "broken.toml"]),
        ("missing_file", ["run", "smal.toml"]),
        ("unknown_command", ["chekc", "small.toml"]),
        ("unknown_word", ["xyzzy"]),
        ("bad_change", ["run", "small.toml", "--set", "pool.replicas=3", "--set", "nonsense"]),
        ("foreign_directory", ["run", "small.toml", "--out", "."]),
        ("unknown_catalog", ["catalog", "acelerators"]),
        ("unknown_entry", ["catalog", "accelerators", "H1O0"]),
    ],
)
def test_what_the_user_got_wrong_is_explained(scenario, name, arguments):
    done = simulate(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    golden.check(f"{name}.txt", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "small.toml", "--sed", "3"], "--sed"),
        (["run", "small.toml", "--engine", "c"], "'kernel', 'simpy'"),
        (["run"], "Missing argument 'SCENARIO.toml'"),
        (["run", "small.toml", "--log-requests", "-1"], "--log-requests"),
    ],
)
def test_wrong_options_are_named(scenario, arguments, said):
    done = simulate(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_model_that_does_not_fit_is_said_before_the_run(scenario, command):
    done = simulate(command, scenario, "--set", "pool.1.tensor_parallel=1", "--set", "pool.1.precision=bf16")
    assert done.exit_code == 2
    assert done.stderr.startswith(
        "small.toml: 1 fault\n  pool[1].tensor_parallel: Llama-3.1-70B in bf16 does not"
    )
    assert "the smallest tensor_parallel that fits is" in done.stderr


def test_names_are_shown_as_they_are_written(scenario):
    done = simulate(scenario, "--out", "out", "--set", "name=[red]hot[/]", "--set", "pool.0.name=[bold]a")
    assert done.stdout.startswith("[red]hot[/]\n")
    assert "[bold]a  2 x 1 A100-SXM-80GB" in done.stdout


def test_nothing_is_run_when_the_result_has_no_place(scenario, tmp_path, monkeypatch):
    monkeypatch.setattr(cli.run, "run", lambda *_, **__: pytest.fail("ran"))
    assert simulate("run", scenario, "--out", str(tmp_path)).exit_code == 2


def test_a_fault_of_ours_says_so(scenario, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(cli.run, "run", fail)
    done = simulate(scenario, "--json")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "ZeroDivisionError: oops" in done.stderr
    assert "a fault of the program, not of your file" in done.stderr


def test_a_kernel_that_must_be_compiled_is_announced(scenario, monkeypatch):
    monkeypatch.setattr("sim.engine.kernel.jit.is_compiled", lambda: False)
    assert (
        "compiling the kernel for this machine (once, about half a minute)"
        in simulate(scenario, "--json").stderr
    )
    assert (
        "compiling" not in simulate(scenario, "--json", "--engine", "simpy", "--set", "duration=9 s").stderr
    )


def test_an_interrupted_run_leaves_nothing(scenario, tmp_path, monkeypatch):
    def stopped(made, **options):
        def progress(time_s):
            if time_s > 30:
                raise KeyboardInterrupt

        return run(made, **{**options, "progress": progress})

    assert simulate(scenario, "--out", "out").exit_code == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    monkeypatch.setattr(cli.run, "run", stopped)
    done = simulate(scenario, "--out", "out")
    assert done.exit_code == 130
    assert re.search(
        r"interrupted: stopped at 30.* s of simulated time .*; the earlier result in out stays", done.stderr
    )
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before
    fresh = simulate(scenario, "--out", "new")
    assert fresh.exit_code == 130
    assert "; nothing was written" in fresh.stderr
    assert kept(tmp_path) == ["broken.toml", "out", "small.toml"]


ANNOUNCED = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs are started with it ignored
sys.path.insert(0, sys.argv.pop(1))
from sim import cli
from sim.run import run

def announced(*args, progress, **options):
    return run(*args, progress=lambda time_s: print("at", time_s, flush=True), **options)

cli.run.run = announced
cli.main()
"""


def test_control_c_stops_a_long_run(tmp_path):
    """A real interrupt of a real process, in the middle of a simulation of years."""
    (tmp_path / "long.toml").write_text(SMALL)
    changes = ["--set", "duration=1000 d", "--set", "warmup=0", "--set", "output.window=1 d"]
    with subprocess.Popen(
        [sys.executable, "-c", ANNOUNCED, str(ROOT), "run", "long.toml", *changes, "--out", "out"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline().startswith("at ")
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert "interrupted: stopped at" in said
    assert kept(tmp_path) == ["long.toml"]


def test_check_says_what_a_scenario_comes_to(scenario):
    done = simulate("check", scenario)
    assert done.exit_code == 0
    assert "small.toml is a valid scenario: small" in done.stdout
    assert re.search(r"pool h100: 1 x 4 H100-SXM-80GB.*KV room for [\d,]+ tokens", done.stdout)


def test_schema_is_json():
    schema = json.loads(simulate("schema").stdout)
    assert {"workload", "pool", "site", "cost"} <= set(schema["properties"])


def test_catalogs_are_listed_and_searched():
    kinds = json.loads(simulate("catalog", "--json").stdout)
    assert {"accelerators", "models", "workloads", "prices"} <= set(kinds)
    for kind, count in kinds.items():
        listed = simulate("catalog", kind)
        assert listed.exit_code == 0
        assert len(listed.stdout.splitlines()) == count + 1
        assert len(json.loads(simulate("catalog", kind, "--json").stdout)) == count
    one = simulate("catalog", "accelerators", "H100-SXM")
    assert "H100-SXM-80GB" in one.stdout
    assert "confidence" in one.stdout
    assert "A100" not in one.stdout


def test_help_names_every_command():
    text = simulate("--help").stdout
    for name, command in cli.main.commands.items():
        assert name in text
        assert command.help
        assert simulate(name, "--help").exit_code == 0


def test_the_readme_shows_every_command_and_links_every_page():
    readme = (ROOT / "README.md").read_text()
    for name in cli.main.commands:
        assert f"bin/simulate {name} " in readme, name
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in readme, page.name


@pytest.mark.parametrize(
    "name", ["quickstart.toml", "azure-code.toml", "site-virginia.toml", "mooncake.toml"]
)
def test_scenarios_say_what_they_show(name):
    text = (ROOT / "scenarios" / name).read_text()
    assert text.startswith("# ")
    assert text.index("It shows") < text.index("name =")


def test_the_quickstart_is_big_enough_and_meets_its_targets():
    done = simulate("run", ROOT / "scenarios" / "quickstart.toml", "--json")
    summary = json.loads(done.stdout)
    assert summary["requests"]["completed"] >= 100_000
    assert summary["slo"]["attainment"] >= 0.99
    assert 0.7 <= summary["overload"]["groups"][0]["load"] <= 0.9
    assert summary["overload"]["growing"] is False
