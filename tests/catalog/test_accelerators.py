"""Accelerators: physical sense, the traps of data sheets, and the names that sources use."""

from __future__ import annotations

import pytest

from sim.catalog.accelerators import accelerator, accelerators, resolve_accelerator
from sim.catalog.servers import servers
from sim.errors import CatalogError

ALL = pytest.mark.parametrize("entry", accelerators().values(), ids=accelerators())
GIB = 2**30


@ALL
def test_every_number_is_there_and_plausible(entry):
    assert 2017 <= int(entry.launch[:4]) <= 2026
    assert entry.generation == entry.generation.lower()
    assert set(entry.peak_flops) <= {"fp16", "bf16", "fp8", "int8", "fp4"}
    assert all(1e13 < x < 2e16 for x in entry.peak_flops.values())
    assert 1e8 < entry.memory_bytes < 4e11
    assert 1e11 < entry.memory_bytes_per_s < 1e14
    assert 1e10 < entry.link_bytes_per_s < 2e12
    assert 5e8 < entry.scale_out_bytes_per_s <= entry.link_bytes_per_s
    assert 60 < entry.tdp_w <= 1400
    assert 0.02 < entry.idle_w / entry.tdp_w < 0.3
    assert 1000 < entry.price_usd < 100_000
    assert entry.price_date == entry.provenance["price_usd"].date


@ALL
def test_lower_precision_is_never_slower_where_it_is_a_fast_path(entry):
    sixteen = max(entry.peak_flops.get(p, 0.0) for p in ("fp16", "bf16"))
    crippled_int8 = entry.name.startswith(("B300", "GB300"))
    for precision in ("fp8", "fp4") if crippled_int8 else ("fp8", "int8", "fp4"):
        assert entry.peak_flops.get(precision, sixteen) >= sixteen


@ALL
def test_peaks_are_dense(entry):
    """No 16-bit peak above 3.5 TFLOP/s per W, no fp8 peak far above twice it (Maia 200's is estimated)."""
    sixteen = max(entry.peak_flops.get(p, 0.0) for p in ("fp16", "bf16"))
    assert sixteen / entry.tdp_w < 3.5e12
    assert entry.peak_flops.get("fp8", 0.0) <= (4.0 if entry.name == "Maia-200" else 2.3) * sixteen


@ALL
def test_its_server_exists_and_agrees_on_the_price(entry):
    server = servers()[entry.server]
    assert server.price_usd / server.accelerators == pytest.approx(entry.price_usd, rel=0.005)
    assert server.price_date == entry.price_date


def test_traps():
    assert set(accelerator("V100").peak_flops) == {"fp16"}
    assert "fp8" not in accelerator("A100").peak_flops
    assert accelerator("H100").peak_flops["fp8"] == pytest.approx(1979e12)
    assert accelerator("B300").peak_flops["int8"] < 0.1 * accelerator("B200").peak_flops["int8"]
    assert accelerator("Groq").memory_bytes == pytest.approx(0.23e9, rel=0.001)
    assert accelerator("H100").link_bytes_per_s == 450e9
    assert accelerator("GB200").domain_size == 72
    assert accelerator("MI355X").peak_flops["fp8"] == 5033e12
    assert accelerator("TPU v5p").link_bytes_per_s == 300e9
    assert "fp8" not in accelerator("TPU v5p").peak_flops


@pytest.mark.parametrize(
    "name, gib",
    [
        ("A100-40GB", 40),
        ("A100", 80),
        ("H100", 80),
        ("H200", 140.4),
        ("B200", 178),
        ("V100", 32),
        ("MI300X", 192),
    ],
)
def test_memory_is_in_binary_gigabytes(name, gib):
    assert accelerator(name).memory_bytes == pytest.approx(gib * GIB)


def test_peak_falls_back_to_sixteen_bits():
    assert accelerator("V100").peak("fp8") == accelerator("V100").peak_flops["fp16"]
    assert accelerator("TPU-v4").peak("fp16") == accelerator("TPU-v4").peak_flops["bf16"]
    assert accelerator("B200").peak("fp4") == 9000e12


def test_ratios_of_the_published_claims():
    """TFLOP/s per W of a node: H100 over A100 2.02, over V100 3.9. GB200's fp4 over H100's fp8: 5.05."""

    def per_node_watt(name: str) -> float:
        entry = accelerator(name)
        server = servers()[entry.server]
        return entry.peak("bf16") * server.accelerators / server.max_power_w

    assert per_node_watt("H100") / per_node_watt("A100") == pytest.approx(2.02, rel=0.01)
    assert per_node_watt("H100") / per_node_watt("V100") == pytest.approx(3.9, rel=0.02)
    assert accelerator("GB200").peak("fp4") / accelerator("H100").peak("fp8") == pytest.approx(5.05, rel=0.01)


@pytest.mark.parametrize(
    "spelling, name",
    [
        ("H100", "H100-SXM-80GB"),
        ("NVIDIA H100", "H100-SXM-80GB"),
        ("NVIDIA H100-SXM", "H100-SXM-80GB"),
        ("NVIDIA H100-80GB", "H100-SXM-80GB"),
        ("NVIDIA H100 80GB HBM3", "H100-SXM-80GB"),
        ("NVIDIA H100-SXM-80GB x8", "H100-SXM-80GB"),
        ("NVIDIA H100 PCIe", "H100-PCIE-80GB"),
        ("NVIDIA A100", "A100-SXM-80GB"),
        ("NVIDIA A100-40GB", "A100-SXM-40GB"),
        ("NVIDIA A100-80GB", "A100-SXM-80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100-SXM-40GB"),
        ("NVIDIA A100-SXM4-80GB", "A100-SXM-80GB"),
        ("NVIDIA A100 80GB PCIe", "A100-PCIE-80GB"),
        ("NVIDIA A100-SXM4-40GB (ALCF Swing, AMD host)", "A100-SXM-40GB"),
        ("NVIDIA V100", "V100-SXM-32GB"),
        ("NVIDIA V100-16GB", "V100-SXM-16GB"),
        ("NVIDIA V100-16GB (Palmetto, Intel host)", "V100-SXM-16GB"),
        ("V100-PCIE-16GB", "V100-PCIE-16GB"),
        ("NVIDIA H200", "H200-SXM-141GB"),
        ("NVIDIA H200-SXM-141GB", "H200-SXM-141GB"),
        ("8x H200", "H200-SXM-141GB"),
        ("NVIDIA B200", "B200-SXM-180GB"),
        ("NVIDIA B200-SXM", "B200-SXM-180GB"),
        ("NVIDIA B200-180GB", "B200-SXM-180GB"),
        ("NVIDIA B200 (192GB)", "B200-SXM-180GB"),
        ("gb200", "GB200-NVL72-186GB"),
        ("NVIDIA GB300 NVL72", "GB300-NVL72-288GB"),
        ("AMD Instinct MI300X-NPS1-SPX-192GB-750W", "MI300X-192GB"),
        ("AMD MI300X-NPS1-SPX-192GB-750W", "MI300X-192GB"),
        ("mi355x", "MI355X-288GB"),
        ("Intel Gaudi 2", "Gaudi2-96GB"),
        ("NVIDIA GH200-GraceHopper-Superchip_GH200-96GB_aarch64", "GH200-96GB"),
        ("Google Cloud TPU v5e", "TPU-v5e"),
        ("Tesla T4", "T4-PCIE-16GB"),
        ("GeForce RTX 4090 24GB", "RTX-4090-24GB"),
        ("AWS Inferentia2", "Inferentia2"),
    ],
)
def test_spellings_of_sources(spelling, name):
    found = resolve_accelerator(spelling)
    assert found is not None and found.name == name


@pytest.mark.parametrize("spelling", ["RTX A6000", "V100-PCIE-32GB", "A100-20GB", "H20-141GB", "", "GPU"])
def test_another_part_is_not_mistaken_for_one_in_the_catalog(spelling):
    assert resolve_accelerator(spelling) is None


def test_unknown_name_says_the_nearest():
    with pytest.raises(CatalogError) as caught:
        accelerator("H1000")
    assert 'unknown accelerator "H1000"' in str(caught.value)
    assert "H100" in caught.value.faults[0].hint
    assert "simulate catalog accelerators" in caught.value.faults[0].hint


@ALL
def test_a_name_and_its_aliases_find_it(entry):
    for name in (entry.name, entry.name.lower(), *entry.aliases):
        assert accelerator(name) is entry
