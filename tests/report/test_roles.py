"""Hand-overs and drafts in words."""

from __future__ import annotations

from sim.report.roles import role_lines


def test_pools_without_either_say_nothing():
    assert list(role_lines({"pools": [{"name": "h100"}, {"name": "decode", "role": "decode"}]})) == []


def test_what_is_sent_and_what_is_verified():
    handover = {"prompts": 2, "tokens": 3000, "bytes": 1.5e9, "mean_s": 0.0125}
    drafts = {
        "method": "draft",
        "draft": "Llama-3.2-1B",
        "length": 3,
        "acceptance": 0.7,
        "tokens_per_step": 2.533,
    }
    layer = {"method": "mtp", "length": 1, "acceptance": 0.85, "tokens_per_step": 1.85}
    pools = [
        {"name": "prefill", "role": "prefill", "handover": handover},
        {"name": "decode", "role": "decode", "speculation": drafts},
        {"name": "deepseek", "speculation": layer},
        {"name": "idle", "handover": {**handover, "prompts": 0, "mean_s": None}},
    ]
    lines = dict(role_lines({"pools": pools}))
    assert lines["prefill"] == "hands 2 prompts on (1.5 GB of KV), 12.5 ms on the way in the mean"
    assert lines["decode"] == (
        "verifies 3 tokens of Llama-3.2-1B a step, 70 % accepted (given): 2.53 tokens a step"
    )
    assert "1 token of mtp" in lines["deepseek"]
    assert set(lines) == {"prefill", "decode", "deepseek"}
