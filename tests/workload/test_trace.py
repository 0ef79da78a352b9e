from __future__ import annotations

import gzip
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from sim.errors import ScenarioError
from sim.scenario.trace_file import FORMAT_HELP, TraceFormat
from sim.workload.trace import LAYOUTS, file_sha256, read_trace

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
AZURE_2024 = """TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 00:00:00.009930+00:00,2162,5
2024-05-10 00:00:00+00:00,2399,6
2024-05-10 00:00:01.51+00:00,76,15
"""
BURST_2 = """Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
100.0,a1,3,GPT-4,906,446,1352,Conversation log
151.5,,2,ChatGPT,36,29,65,API log
"""
BAILIAN = "".join(
    f'{{"chat_id": {i}, "parent_chat_id": -1, "timestamp": {at}, "input_length": {tokens}, "output_length": 9, '
    f'"type": "text", "turn": 1, "hash_ids": {hashes}}}\n'
    for i, at, tokens, hashes in ((1, 61.25, 33, [5, 6, 7]), (2, 62.5, 48, [5, 6, 8]))
)
VIDUR = "arrived_at,num_prefill_tokens,num_decode_tokens\n0.0,408,10\n0.25,310,8\n"
SPLITWISE = """request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size
0,2,0,0.5,1,120,7
1,2,0,0.75,1,64,30
"""
SERVEGEN = "request_id,timestamp,input_tokens,output_tokens\n0,0.5,10,20\n1,1.25,15,25\n"
PLAIN = "arrival_s,input_tokens,output_tokens\n3.0,10,2\n1.0,20,0\n"


@pytest.mark.parametrize(
    ("name", "text", "arrivals", "inputs", "outputs"),
    [
        ("azure.csv", AZURE, [0, 0.052, 2.0], [4808, 3180, 1], [10, 8, 27]),
        ("burst.csv", BURST, [0, 40], [472, 1087], [18, 230]),
        ("mooncake.jsonl", MOONCAKE, [0, 1.5], [6758, 7319], [500, 490]),
        ("plain.csv", PLAIN, [0, 2.0], [20, 10], [0, 2]),
        ("azure-2024.csv", AZURE_2024, [0, 0.00993, 1.51], [2399, 2162, 76], [6, 5, 15]),
        ("burst-2.csv", BURST_2, [0, 51.5], [906, 36], [446, 29]),
        ("bailian.jsonl", BAILIAN, [0, 1.25], [33, 48], [9, 9]),
        ("vidur.csv", VIDUR, [0, 0.25], [408, 310], [10, 8]),
        ("splitwise.csv", SPLITWISE, [0, 0.25], [120, 64], [7, 30]),
        ("servegen.csv", SERVEGEN, [0, 0.75], [10, 15], [20, 25]),
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


def test_blocks_are_as_long_as_their_format_says(tmp_path):
    mooncake, bailian = tmp_path / "m.jsonl", tmp_path / "b.jsonl"
    mooncake.write_text(MOONCAKE), bailian.write_text(BAILIAN)
    assert read_trace(mooncake).block_tokens == 512
    found = read_trace(bailian)
    assert found.block_tokens == 16 and found.blocks.tolist() == [5, 6, 7, 5, 6, 8]
    with pytest.raises(ScenarioError, match="for each 512 tokens"):
        read_trace(bailian, "mooncake")


def test_times_since_1970_are_no_dates(tmp_path):
    """pandas takes large numbers in a column called timestamp for dates, unless told not to."""
    path = tmp_path / "long.jsonl"
    row = '{{"timestamp": {}, "input_length": 9, "output_length": 1}}\n'
    path.write_text(row.format(1_700_000_000_000) + row.format(1_700_000_001_500))
    assert read_trace(path).arrival_s.tolist() == [0.0, 1.5]


def test_every_format_of_a_scenario_is_known():
    assert set(get_args(TraceFormat)) == {"auto", *LAYOUTS}
    assert all(name in FORMAT_HELP for name in LAYOUTS)


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
        ("", "its first line names no columns"),
        (
            "arrived_at,num_prefill_tokens\n0,1\n",
            'columns are arrived_at, num_prefill_tokens; for vidur it lacks "num_decode_tokens"',
        ),
        (SPLITWISE + "2,2,0,1.0,4,9,9\n", "request 3 has batch_size 4; only 1 can be replayed"),
        (SPLITWISE + "2,0,0,1.0,1,9,9\n", "request 3 has request_type 0; only 2 can be replayed"),
    ],
)
def test_what_is_no_trace_is_refused(tmp_path, text, says):
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=says):
        read_trace(path)


def test_a_format_that_was_asked_for_is_checked(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text(VIDUR)
    says = (
        'format splitwise: it lacks "arrival_timestamp" and "prompt_size" and .* its columns are arrived_at'
    )
    with pytest.raises(ScenarioError, match=says):
        read_trace(path, "splitwise")


def test_the_message_names_every_format(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("when,tokens\n1,2\n")
    with pytest.raises(ScenarioError) as caught:
        read_trace(path)
    text = str(caught.value)
    assert "its columns are when, tokens" in text
    assert all(f"{name}: {', '.join(layout.columns)}" in text for name, layout in LAYOUTS.items())


def test_a_lap_is_the_length_and_a_mean_gap(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n" + "".join(f"{i},1,1\n" for i in range(5)))
    assert read_trace(path).span_s == 5.0


def test_the_hash_is_of_the_content(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("x"), b.write_text("x")
    assert file_sha256(a) == file_sha256(b)
    assert np.char.isalnum(file_sha256(a))
