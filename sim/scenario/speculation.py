"""[pool.speculation]: a cheap draft proposes tokens, and each step of the model verifies them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from sim.scenario.fields import UNSET, Count, Fraction, Refusal, Table
from sim.scenario.names import ModelName


class Speculation(Table):
    """Speculative decoding (Leviathan et al., arXiv 2211.17192): each step verifies `length` drafted tokens and emits
    those accepted and one more."""

    method: Literal["draft", "mtp", "eagle"] = Field(
        default="draft",
        description="Who drafts. draft: a small model on the same accelerators. mtp, eagle: one layer like the model's "
        "own, with its output head (DeepSeek-V3's multi-token prediction, arXiv 2412.19437; EAGLE, arXiv 2401.15077).",
    )
    draft: ModelName | None = Field(
        default=UNSET,
        validate_default=True,
        description='The small model, where method = "draft": a name or alias of the model catalog.',
        examples=["Llama-3.2-1B"],
    )
    length: Count = Field(le=64, description="Tokens drafted for each step.", examples=[3])
    acceptance: Fraction = Field(
        description="Probability that a drafted token is accepted, given that those before it were; it depends on the "
        "draft, the text and the temperature, and has no default [1].",
        examples=[0.7],
    )

    @property
    def tokens_per_step(self) -> float:
        """Mean tokens that a step emits: (1 - a^(k + 1)) / (1 - a), Leviathan et al., equation 1."""
        return sum(self.acceptance**i for i in range(self.length + 1))

    @field_validator("draft", mode="before")
    @classmethod
    def _drafted_by(cls, value: object, info: ValidationInfo) -> object:
        method = info.data.get("method", "draft")
        if value is None and method == "draft":
            raise Refusal("is needed: which small model drafts", 'name one, or set method = "mtp" or "eagle"')
        if value is not None and method != "draft":
            raise Refusal(
                f'has no meaning with method = "{method}", whose draft is a layer of the model', "drop one"
            )
        return value
