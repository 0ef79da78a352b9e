from __future__ import annotations

import pytest

from sim.cost.precision import FORMATS, KV_BYTES, arithmetic, kv_element_bytes, number_format
from sim.errors import CatalogError
from tests.cost.examples import A100, H100


def test_bytes_per_weight_by_hand():
    # int4: 4 + (16 + 16) / 128 (scale, zero); mxfp4: 4 + 8 / 32; nvfp4: 4 + 8 / 16
    assert number_format("int4").linear_bytes * 8 == 4.25
    assert number_format("mxfp4").expert_bytes * 8 == 4.25
    assert number_format("fp4").linear_bytes * 8 == 4.5
    assert number_format("mxfp4").linear_bytes == 2
    assert kv_element_bytes("fp8") == 1


def test_arithmetic_falls_back_to_16_bits():
    assert arithmetic(number_format("fp8"), H100) == "fp8"
    assert arithmetic(number_format("fp8"), A100) == "bf16"
    assert arithmetic(number_format("int8"), A100) == "int8"
    assert arithmetic(number_format("fp4"), H100) == "bf16"
    assert arithmetic(number_format("int4"), H100) == "bf16"
    assert arithmetic(number_format("mxfp4"), H100) == "bf16"


@pytest.mark.parametrize("ask", [number_format, kv_element_bytes])
def test_unknown_names_are_answered_with_near_ones(ask):
    with pytest.raises(CatalogError, match='did you mean "fp8"'):
        ask("fp88")


def test_no_format_is_wider_than_16_bits():
    assert all(0 < f.expert_bytes <= f.linear_bytes <= 2 for f in FORMATS.values())
    assert all(0 < b <= 2 for b in KV_BYTES.values())
