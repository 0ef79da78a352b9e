"""The same users under techniques: multipliers that are known in advance, pools that are added, prices of errors."""

from __future__ import annotations

import json
from functools import cache

import pytest

from sim.errors import UserError
from sim.report.techniques import render
from sim.report.techniques_files import write_techniques
from sim.scenario import loads
from sim.study.sizing_guess import guess_replicas
from sim.study.sizing_verdict import judge_passes
from sim.study.technique_effects import avoided_errors
from sim.study.technique_ratios import by_family
from sim.study.technique_setup import JUDGE, read_trials, under
from sim.study.techniques import compare_techniques
from tests.study.planning import CHAT, chat

VOTE = "self-consistency:samples=4:inflation=1"
"""Four plain answers to one prompt: exactly four times everything that no cache spares."""


@cache
def report():
    changes = ("pool.0.replicas=2", "workload.0.slo.ttft=2 s", "workload.0.slo.tpot=60 ms", "router=session")
    return compare_techniques(chat(*changes), [VOTE, "best-of-n:samples=2"])


def row(technique, prefix_cache):
    return next(
        r for r in report()["rows"] if (r["technique"], r["prefix_cache"]) == (technique, prefix_cache)
    )


def test_plain_requests_are_the_base():
    for cached in (False, True):
        ratio = row("none", cached)["ratio_to_base"]
        assert ratio["tokens"] == ratio["flops"] == ratio["passes"] == 1
        assert all(v == pytest.approx(1) for k, v in ratio["saturated"].items())


def test_a_vote_over_four_plain_answers_is_four_times_the_work():
    ratio = row(VOTE, False)["ratio_to_base"]
    for key in ("passes", "tokens", "tokens_output_4", "prefill_flops", "decode_flops"):
        assert ratio[key] == pytest.approx(4, rel=0.02), key
    assert ratio["tokens_at_mean_lengths"] == pytest.approx(4, rel=0.01)
    for key in ("busy_accelerator_s", "joules", "usd"):
        assert ratio["saturated"][key] == pytest.approx(4, rel=0.08), key


def test_below_saturation_batches_absorb_what_capacity_must_pay_for():
    light, saturated = (row(VOTE, False)["ratio_to_base"][v] for v in ("light", "saturated"))
    assert 1 <= light["usd"] < 1.3  # the fleet is there anyway
    assert light["joules"] < saturated["joules"]


def test_a_prefix_cache_spares_prompts_and_not_answers():
    ratio = row(VOTE, True)["ratio_to_base"]
    assert ratio["prefill_flops"] < 1.3
    assert ratio["decode_flops"] == pytest.approx(4, rel=0.05)
    assert ratio["saturated"]["usd"] < row(VOTE, False)["ratio_to_base"]["saturated"]["usd"]


def test_the_resized_fleet_grows_as_its_dollars():
    for cached in (False, True):
        ratio = row(VOTE, cached)["ratio_to_base"]["resized"]
        assert ratio["usd"] == pytest.approx(ratio["accelerators"], rel=0.1)
        assert row(VOTE, cached)["resized"]["pass_attainment"] >= 0.99


def test_the_users_wait_is_for_the_slowest_of_the_samples():
    for view in ("light", "resized"):
        assert row(VOTE, False)[view]["e2e_s"]["mean"] > row("none", False)[view]["e2e_s"]["mean"]


def test_a_reward_model_gets_a_pool_and_is_paid_for():
    text = CHAT.replace("Llama-3.1-8B", "Qwen3-8B")
    plain, scored = read_trials(["best-of-n:samples=2"], ())
    made, added = under(loads(text), scored, prefix_cache=True)
    assert added == (JUDGE,)
    assert [p.model for p in made.pools] == ["Qwen3-8B", JUDGE]
    assert all(p.prefix_cache.enabled for p in made.pools)
    assert set(guess_replicas(made)) == {"Qwen3-8B", JUDGE}
    assert under(made, plain, prefix_cache=False)[0].pools[0].model == "Qwen3-8B"
    assert (
        len(under(made, plain, prefix_cache=False)[0].pools) == 1
    )  # a judge that nobody asks is not paid for


def test_a_model_for_a_role_may_be_named():
    (_, trial) = read_trials(["guardrail:judge=Qwen3-8B:policy=100"], ())
    assert trial.mitigation.models == {"judge": "Qwen3-8B"}
    assert trial.mitigation.parameters["policy"] == 100


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("debat", "debate"),
        ("debate:agent=3", "agents"),
        ("debate:agents", "parameter=value"),
        ("debate:agents=0", "agents"),
        ("guardrail:judg=Llama-3.1-8B", "judge"),
        ("guardrail:judge=Llama-9", "Llama"),
    ],
)
def test_wrong_words_are_named(text, said):
    with pytest.raises(UserError) as raised:
        read_trials([text], ())
    assert said in str(raised.value)


def test_demand_without_a_rate_cannot_be_compared():
    closed = 'workload.0.arrivals={ process = "closed", clients = 4, requests = 100 }'
    with pytest.raises(UserError, match="rate"):
        compare_techniques(chat(closed), ["debate"])


def test_the_guess_counts_the_passes_of_a_program():
    needed = guess_replicas(chat())["Llama-3.1-8B"]
    vote = "workload.0.mitigation={ technique = 'self-consistency', samples = 4, inflation = 1 }"
    assert guess_replicas(chat(vote))["Llama-3.1-8B"] == pytest.approx(4 * needed, rel=0.35)


def test_targets_of_passes_are_judged_by_all_passes():
    def workload(*stages, attainment=None):
        return {
            "stages": [{"passes": n, "rejected": r, "good": g} for n, r, g in stages],
            "slo": {"attainment": attainment},
            "requests": {"arrived": 10, "rejected": 0},
        }

    def summary(*workloads, growing=False):
        return {"workloads": workloads, "overload": {"growing": growing}, "requests": {"arrived": 10}}

    assert judge_passes(summary(workload((90, 0, 1.0), (10, 0, 0.9)))).attainment == pytest.approx(0.99)
    assert judge_passes(summary(workload((98, 2, 1.0)))).attainment == pytest.approx(0.98)
    assert judge_passes(summary(workload((10, 0, 1.0)), workload(attainment=0.5))).attainment == 0.5
    assert not judge_passes(summary(workload((10, 0, 1.0)), growing=True)).met


def test_an_effect_has_a_price_under_its_own_parameters_alone():
    few, many = read_trials(["self-consistency:samples=5", "self-consistency:samples=40"], ())[1:]
    figures = {"resized": {"usd": 0.004}, "saturated": {"usd": 0.003}}
    base = {"resized": {"usd": 0.001}, "saturated": {"usd": 0.001}}
    (priced,) = avoided_errors(many, figures, base)
    assert priced["errors_avoided"] == pytest.approx(0.179)
    assert priced["usd_per_error_avoided"] == pytest.approx(0.003 / 0.179)
    (bare,) = avoided_errors(few, figures, base)
    assert bare["usd_per_error_avoided"] is None
    (held,) = avoided_errors(many, {**figures, "resized": None}, base)
    assert held["view"] == "saturated"


def test_families_count_what_is_nearer_to_ten():
    def one(family, cache, usd):
        resized = None if usd is None else {"usd": usd}
        ratio = {"tokens": 2.0, "resized": resized}
        return {"technique": "x", "family": family, "prefix_cache": cache, "ratio_to_base": ratio}

    (layer, agent) = by_family(
        [
            one("layer", False, 3.0),
            one("layer", False, 3.5),
            one("layer", True, 1.1),
            one("agent", False, None),
        ]
    )
    assert layer["usd_without_cache"]["nearer_to_ten"] == 1
    assert layer["usd_with_cache"]["nearer_to_ten"] == 0
    assert agent["usd_without_cache"] is None


def test_the_report_is_plain_data_and_reads_well(tmp_path):
    made = report()
    text = render(made)
    assert VOTE in text and "prefix cache" in text and "accelerators" in text
    write_techniques(json.loads(json.dumps(made, allow_nan=False)), tmp_path)
    assert {p.name for p in tmp_path.iterdir()} >= {"compare.json", "compare.csv", "compare.png"}
