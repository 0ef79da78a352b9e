from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.scenario import build, dump_toml, json_schema, loads, resolved, scenario_sha256
from sim.scenario.fields import Table
from sim.scenario.keys import fields_of, table_options
from sim.scenario.schema import Scenario
from tests.scenario.texts import CHAT, LEAST, least

positive = st.floats(1e-6, 1e9)
counts = st.integers(1, 2**40)
tokens = st.integers(1, 100_000)
spans = st.tuples(tokens, tokens).map(sorted)
names = st.text(min_size=1, max_size=12).filter(lambda t: t.isprintable() or "\n" in t or "\x7f" in t)

arrivals = st.one_of(
    st.fixed_dictionaries({"process": st.just("poisson"), "rate_per_s": positive}),
    st.fixed_dictionaries({"process": st.just("gamma"), "rate_per_s": positive, "cv": positive}),
    st.fixed_dictionaries({"process": st.just("deterministic"), "rate_per_s": positive}),
    st.fixed_dictionaries(
        {"process": st.just("closed"), "clients": counts},
        optional={"think": st.sampled_from(["2 s", 0, "1.5 min"]), "requests": counts},
    ),
    st.fixed_dictionaries(
        {"process": st.just("users"), "users": positive, "requests_per_user_per_day": positive},
        optional={"shape": st.just([1.0, 2] * 12), "start_hour": st.floats(0, 167)},
    ),
    st.fixed_dictionaries({"process": st.just("all-at-once"), "requests": counts}),
)
lognormal = st.one_of(
    st.fixed_dictionaries({"mean": st.floats(1, 1e6), "cv": st.floats(0, 10)}),
    st.fixed_dictionaries({"median": st.floats(1, 1e6), "sigma": st.floats(0, 5)}),
)
quantiles = st.tuples(tokens, tokens, tokens).map(sorted).map(lambda t: [[0, t[0]], [0.25, t[1]], [1, t[2]]])
lengths = st.one_of(
    st.just("azure-2023-code"),
    st.fixed_dictionaries({"kind": st.just("fixed"), "input": tokens, "output": tokens}),
    st.fixed_dictionaries({"kind": st.just("uniform"), "input": spans, "output": spans}),
    st.fixed_dictionaries({"kind": st.just("lognormal"), "input": lognormal, "output": lognormal}),
    st.fixed_dictionaries({"kind": st.just("quantiles"), "input": quantiles, "output": quantiles}),
)
pools = st.fixed_dictionaries(
    {"accelerator": st.sampled_from(["H100", "V100", "TPU-v5e"]), "model": st.just("Llama-3.1-8B")},
    optional={
        "precision": st.just("int8"),
        "tensor_parallel": st.sampled_from([1, 2, 8]),
        "replicas": st.integers(1, 1000),
        "memory_fraction": st.floats(0.1, 1),
        "scheduler": st.fixed_dictionaries(
            {"kind": st.sampled_from(["prefill-first", "static"])},
            optional={
                "max_batch": st.integers(1, 1000),
                "queue_limit": counts,
                "kv_watermark": st.floats(0, 0.9),
            },
        ),
    },
)
scenarios = st.fixed_dictionaries(
    {
        "name": names,
        "duration": st.sampled_from(["1 h", 60, "90 s", "0.1 ms"]),
        "workload": st.lists(
            st.fixed_dictionaries(
                {"model": st.just("Llama-3.1-8B"), "arrivals": arrivals, "lengths": lengths},
                optional={
                    "slo": st.fixed_dictionaries({}, optional={"ttft": positive, "e2e": st.just("9 s")})
                },
            ),
            min_size=1,
            max_size=3,
        ),
        "pool": st.lists(pools, min_size=1, max_size=3),
    },
    optional={
        "seed": st.integers(0, 2**63 - 1),
        "site": st.fixed_dictionaries({}, optional={"pue": st.floats(1, 3), "carbon_g_per_kwh": positive}),
        "cost": st.fixed_dictionaries(
            {}, optional={"server_price_usd": st.just("$270_000"), "basis": st.just("rent")}
        ),
        "revenue": st.fixed_dictionaries({"usd_per_mtok_input": positive, "usd_per_mtok_output": positive}),
        "output": st.fixed_dictionaries({"window": st.sampled_from(["auto", 5, "1 min"])}),
    },
)


@settings(deadline=None, max_examples=60)
@given(scenarios)
def test_what_is_written_out_reads_back_equal(data):
    scenario = build(data)
    assert loads(dump_toml(scenario)) == scenario
    assert build(resolved(scenario)) == scenario
    assert build(json.loads(json.dumps(resolved(scenario)))) == scenario
    assert scenario_sha256(loads(dump_toml(scenario))) == scenario_sha256(scenario)


def test_the_example_reads_back_equal():
    assert loads(dump_toml(loads(CHAT))) == loads(CHAT)


def test_defaults_are_written_out_by_their_toml_keys():
    data = tomllib.loads(dump_toml(loads(CHAT)))
    assert data["duration"] == 3600.0
    assert data["workload"][0]["slo"] == {"ttft": 1.0, "tpot": 0.05}
    assert data["pool"][0]["scheduler"]["kv_reserve"] == "prompt"
    assert data["cost"]["depreciation_years"] == 5.0
    assert "revenue" not in data


def test_the_hash_knows_the_meaning_and_not_the_spelling():
    first = scenario_sha256(loads(LEAST))
    assert len(first) == 64
    assert scenario_sha256(loads(LEAST.replace("= 60", '= "1 min"') + "replicas = 1\n# a remark\n")) == first
    assert scenario_sha256(loads(LEAST.replace('"H100"', '"H100-SXM-80GB"'))) == first
    assert scenario_sha256(loads(LEAST, ["seed=1"])) != first
    assert scenario_sha256(loads(LEAST, ["site.pue=1.3"])) != first


def test_the_hash_takes_a_trace_by_its_content(tmp_path):
    text = least(arrivals='{ process = "trace", path = "t.csv" }', lengths=" ")
    hashes = []
    for folder, row in (("a", "0,1,1"), ("b", "0,1,1"), ("c", "0,1,2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.csv").write_text(f"arrival_s,input_tokens,output_tokens\n{row}\n")
        hashes.append(scenario_sha256(loads(text, folder=tmp_path / folder)))
    assert hashes[0] == hashes[1] != hashes[2]


def tables(table: type[Table] = Scenario, seen: tuple[type[Table], ...] = ()):
    """Every table class of the schema."""
    if table in seen:
        return seen
    seen = (*seen, table)
    for field in table.model_fields.values():
        for inner in table_options(field.annotation).values():
            seen = tables(inner, seen) if inner else seen
    return seen


def test_every_table_of_the_schema_is_reached():
    assert {t.__name__ for t in tables()} >= {
        "Workload",
        "Pool",
        "Site",
        "Cost",
        "Revenue",
        "Output",
        "MeanCv",
    }
    assert len(tables()) >= 25


@pytest.mark.parametrize("table", tables(), ids=lambda t: t.__name__)
def test_every_key_is_described_with_its_unit(table):
    assert table.__doc__
    for key, field in fields_of(table).items():
        if key in ("process", "kind") and field.is_required():
            continue
        assert field.description, key
        assert field.description[0].isupper() or key == "basis" or ":" in field.description
        numeric = any(word in key for word in ("fraction", "usd", "_per_", "duration", "think", "pue"))
        assert not numeric or "[" in field.description, f"{key} has no unit"


def test_the_json_schema_holds_every_key_and_no_nulls():
    schema = json_schema()
    text = json.dumps(schema)
    assert set(schema["properties"]) == set(fields_of(Scenario))
    assert schema["required"] == ["name", "duration", "workload", "pool"]
    assert schema["additionalProperties"] is False
    assert "null" not in text
    assert set(schema["$defs"]) == {t.__name__ for t in tables()} - {"Scenario"}
    assert set(schema["$defs"]["Pool"]["required"]) == {"accelerator", "model"}
    assert schema["properties"]["duration"]["description"].endswith("completion.")


@pytest.mark.parametrize("table", tables(), ids=lambda t: t.__name__)
def test_examples_are_right(table):
    """Each example of a field passes that field's own checks, put into a table that is otherwise complete."""
    full = {k: f.examples[0] for k, f in fields_of(table).items() if f.examples}
    for key, field in fields_of(table).items():
        for example in field.examples or []:
            values = {**full, key: example}
            try:
                table.model_validate(values)
            except ValueError as error:
                wrong = [e["loc"] for e in error.errors() if e["loc"][:1] == (key,)]
                assert not wrong, (key, example, str(error))
