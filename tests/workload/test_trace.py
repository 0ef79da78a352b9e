from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from sim.errors import ScenarioError
from sim.workload.trace import file_sha256, read_trace

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
2023-11-16 18:17:05.9799600,0,27
"""
BURST = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,log
45,GPT-4,1087,230,1317,log
"""
MOONCAKE = "".join(
    f'{{"timestamp": {at}, "input_length": {tokens}, "output_length": {answer}, "hash_ids": {hashes}}}\n'
    for at, tokens, answer, hashes in (
        (0, 6758, 500, list(range(14))),
        (1500, 7319, 490, [*range(13), 14, 15]),
    )
)
PLAIN = "arrival_s,input_tokens,output_tokens\n3.0,10,2\n1.0,20,0\n"


@pytest.mark.parametrize(
    ("name", "text", "arrivals", "inputs", "outputs"),
    [
        ("azure.csv", AZURE, [0, 0.052, 2.0], [4808, 3180, 1], [10, 8, 27]),
        ("burst.csv", BURST, [0, 40], [472, 1087], [18, 230]),
        ("mooncake.jsonl", MOONCAKE, [0, 1.5], [6758, 7319], [500, 490]),
        ("plain.csv", PLAIN, [0, 2.0], [20, 10], [0, 2]),
    ],
)
def test_formats_are_detected_plain_and_gzipped(tmp_path, name, text, arrivals, inputs, outputs):
    plain, packed = tmp_path / name, tmp_path / f"{name}.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    for path in (plain, packed):
        trace = read_trace(path)
        assert trace.arrival_s == pytest.approx(arrivals, abs=1e-9)
        assert trace.input_tokens.tolist() == inputs
        assert trace.output_tokens.tolist() == outputs


def test_parquet(tmp_path):
    path = tmp_path / "trace.parquet"
    pd.DataFrame({"arrival_s": [0.0, 2.0], "input_tokens": [5, 6], "output_tokens": [7, 8]}).to_parquet(path)
    assert read_trace(path).output_tokens.tolist() == [7, 8]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b,c\n1,2,3\n", "not a trace of a known format"),
        ("arrival_s,input_tokens,output_tokens\n", "no requests"),
        ("arrival_s,input_tokens,output_tokens\n1,2,\n", "request 1 lacks a value"),
        ("arrival_s,input_tokens,output_tokens\n1,2,-3\n", "token counts"),
        ("arrival_s,input_tokens,output_tokens\n1,x,3\n", "token counts"),
        ("arrival_s,input_tokens,output_tokens\nx,1,3\n", "arrival times"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,3\n", "arrival times"),
    ],
)
def test_what_is_no_trace_is_refused(tmp_path, text, says):
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=says):
        read_trace(path)


def test_a_lap_is_the_length_and_a_mean_gap(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n" + "".join(f"{i},1,1\n" for i in range(5)))
    assert read_trace(path).span_s == 5.0


def test_the_hash_is_of_the_content(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("x"), b.write_text("x")
    assert file_sha256(a) == file_sha256(b)
    assert np.char.isalnum(file_sha256(a))
