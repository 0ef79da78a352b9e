"""The catalog of techniques: everything issued by the literature that it names, in the form of a scenario's table."""

from __future__ import annotations

from typing import get_args

import pytest

from sim.catalog._load import CONFIDENCES, read
from sim.catalog.techniques import technique, techniques
from sim.errors import CatalogError
from sim.scenario.mitigation import catalog_technique, technique_faults
from sim.scenario.technique import MOST_PASSES, Confidence, Technique
from tests.samples import ROOT

NAMED = {
    *("none", "guardrail", "retrieval", "chain-of-thought", "self-consistency", "best-of-n"),
    *("repeated-sampling", "chain-of-verification-joint", "chain-of-verification", "selfcheckgpt"),
    *("selfcheckgpt-prompt", "semantic-entropy", "debate", "self-refine", "reflexion", "reasoning"),
    *("react", "multi-agent-research", "coding-agent", "autogpt", "metagpt"),
}


def test_all_are_there():
    assert set(techniques()) == NAMED


@pytest.mark.parametrize("entry", read("techniques").body["technique"], ids=lambda e: e["name"])
def test_the_file_has_the_form_of_a_scenarios_table(entry):
    form = {k: v for k, v in entry.items() if k != "aliases"}
    made = Technique.model_validate(form)
    assert technique_faults("", made) == []
    assert 1 <= made.with_numbers(made.defaults).most_passes() <= MOST_PASSES
    assert made.about
    assert made.assumptions


@pytest.mark.parametrize("name", sorted(NAMED))
def test_sources_are_spelled_out(name):
    entry, made = techniques()[name], catalog_technique(name)
    assert made.source == entry.provenance.source
    assert made.confidence == entry.provenance.confidence
    assert len(made.source) > 10
    for effect, spelled in zip(entry.effects, made.effects, strict=True):
        assert (effect.before, effect.after) == (spelled.before, spelled.after)
        assert spelled.source == effect.provenance.source
        assert spelled.confidence == effect.provenance.confidence


def test_what_is_from_memory_is_not_called_measured():
    for entry in techniques().values():
        for provenance in (entry.provenance, *(e.provenance for e in entry.effects)):
            assert "from memory" not in provenance.source or provenance.confidence == "unverified"


def test_names_are_found_by_alias_and_spelling():
    assert technique("CoVe").name == "chain-of-verification"
    assert technique("rag").name == "retrieval"
    assert technique("Self_Consistency").name == "self-consistency"
    with pytest.raises(CatalogError, match='did you mean "reflexion"'):
        technique("reflection")


def test_avoided_errors_follow_from_what_was_published():
    effects = {e.benchmark: e for e in catalog_technique("chain-of-verification").effects}
    assert effects["biographies"].errors_avoided == pytest.approx(0.155)
    legal = catalog_technique("retrieval").effects[0]
    assert legal.errors_avoided == pytest.approx(0.26)
    assert catalog_technique("selfcheckgpt").effects[0].errors_avoided is None  # an area, not a rate
    assert catalog_technique("coding-agent").effects[0].errors_avoided is None  # nothing to compare with


def test_the_documentation_names_every_technique():
    text = (ROOT / "docs" / "techniques.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip().strip("`") for line in text.splitlines() if line.startswith("| `")}
    assert rows >= NAMED


def test_confidences_are_those_of_the_other_catalogs():
    assert set(get_args(Confidence)) == CONFIDENCES
