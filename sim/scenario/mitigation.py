"""What a workload says of its technique (a name, parameters, models for its roles), and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from sim.errors import CatalogError, Fault, did_you_mean, nearest
from sim.scenario.fields import Name, Number, Refusal, Table
from sim.scenario.names import ModelName
from sim.scenario.show import show
from sim.scenario.technique import Technique

NONE = "none"


class Mitigation(Table):
    """A technique by name, values for its parameters under their names, and models for its roles."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    technique: Name = Field(
        default=NONE,
        description="A technique of the catalog, or the name of a [[technique]] of the scenario.",
        examples=["self-consistency"],
    )
    models: dict[str, ModelName] = Field(
        default_factory=dict,
        description='Models by role, as { judge = "Llama-3.1-8B" }; a role without one is the workload\'s own model.',
        examples=[{"judge": "Llama-3.1-8B"}],
    )

    def __hash__(self) -> int:
        return hash((self.technique, *sorted(self.models.items()), *sorted(self.parameters.items())))

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters given, by name."""
        return dict(self.__pydantic_extra__ or {})


def _name_as_mitigation(value: object) -> object:
    if isinstance(value, str):
        return {"technique": value}
    if not isinstance(value, dict | Mitigation):
        example = 'for example mitigation = "chain-of-verification"'
        raise Refusal(f"must be a name in quotes or a table; given {show(value)}", example)
    return value


AnyMitigation = Annotated[
    Mitigation, BeforeValidator(_name_as_mitigation, json_schema_input_type=Mitigation | str)
]


@cache
def catalog_technique(name: str) -> Technique:
    """The catalog's technique called `name`. Raises CatalogError with the nearest names where there is none."""
    from sim.catalog.techniques import technique

    return Technique.model_validate(technique(name).form)


def find_technique(name: str, own: Sequence[Technique]) -> Technique:
    """The technique that `name` means: one of `own`, else of the catalog. Raises Refusal with the nearest names."""
    for technique in own:
        if technique.name == name:
            return technique
    try:
        return catalog_technique(name)
    except CatalogError as error:
        names = [t.name for t in own]
        if nearest(name, names):
            raise Refusal(f'unknown technique "{name}"', did_you_mean(name, names)) from None
        raise Refusal(error.faults[0].message, error.faults[0].hint) from None


def parameters_of(mitigation: Mitigation, technique: Technique) -> dict[str, float]:
    """Value of every parameter of `technique`: the one given, else its default."""
    return {**technique.defaults, **mitigation.parameters}


def models_of(mitigation: Mitigation, technique: Technique, own_model: str) -> dict[str, str]:
    """Model of every role of `technique`; the role "" is the workload's own."""
    return {"": own_model, **{role: mitigation.models.get(role, own_model) for role in technique.roles}}


def completed(mitigation: Mitigation, own: Sequence[Technique]) -> Mitigation:
    """`mitigation` with the catalog's own name and every parameter; as it is where the technique is unknown."""
    if mitigation.technique == NONE:
        return mitigation
    try:
        technique = find_technique(mitigation.technique, own)
    except Refusal:
        return mitigation
    values = {**parameters_of(mitigation, technique), "models": mitigation.models}
    return Mitigation.model_validate({"technique": technique.name, **values})


def mitigation_faults(path: str, mitigation: Mitigation, own: Sequence[Technique]) -> list[Fault]:
    """What is wrong with a workload's `mitigation` at key path `path`; faults of the technique itself are not told."""
    if mitigation.technique == NONE and not mitigation.parameters and not mitigation.models:
        return []
    try:
        technique = find_technique(mitigation.technique, own)
    except Refusal as refusal:
        return [Fault(path, refusal.message, refusal.hint)]
    faults = [*_parameter_faults(path, mitigation, technique), *_role_faults(path, mitigation, technique)]
    if faults or technique_faults("", technique):
        return faults
    return [
        Fault(path, f"{f.path}: {f.message}" if f.path else f.message, f.hint)
        for f in _number_faults("", technique, parameters_of(mitigation, technique))
    ]


def technique_faults(path: str, technique: Technique) -> list[Fault]:
    """What is wrong with a technique under its own defaults: unknown names, values out of range, too many passes."""
    return list(_number_faults(path, technique, technique.defaults))


def own_name_faults(own: Sequence[tuple[str, Technique]]) -> Iterable[Fault]:
    """Techniques of a scenario, with their key paths, that share a name with another or with the catalog's."""
    first: dict[str, str] = {}
    for path, technique in own:
        other = first.setdefault(technique.name, path)
        if other != path:
            yield Fault(f"{path}.name", f'"{technique.name}" is also the name of {other}')
        elif _in_catalog(technique.name):
            yield Fault(
                f"{path}.name", f'"{technique.name}" is a technique of the catalog', "choose another name"
            )


def _in_catalog(name: str) -> bool:
    try:
        catalog_technique(name)
    except CatalogError:
        return False
    return True


def _parameter_faults(path: str, mitigation: Mitigation, technique: Technique) -> Iterable[Fault]:
    known = {p.name: p for p in technique.parameters}
    for name, value in mitigation.parameters.items():
        if name not in known:
            there = f"its parameters are {', '.join(known)}" if known else "it has none"
            hint = f"{did_you_mean(name, known)} {there}".strip()
            yield Fault(f"{path}.{name}", f'is not a parameter of "{technique.name}"', hint)
        elif message := known[name].refuses(value):
            yield Fault(f"{path}.{name}", message, f"default {known[name].default:g}: {known[name].about}")


def _role_faults(path: str, mitigation: Mitigation, technique: Technique) -> Iterable[Fault]:
    for role in mitigation.models:
        if role not in technique.roles:
            there = f"its roles are {', '.join(technique.roles)}" if technique.roles else "it has none"
            hint = f"{did_you_mean(role, technique.roles)} {there}".strip()
            yield Fault(f"{path}.models.{role}", f'is not a role of "{technique.name}"', hint)


def _number_faults(path: str, technique: Technique, parameters: Mapping[str, float]) -> Iterable[Fault]:
    try:
        technique.with_numbers(parameters)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            refusal = details.get("ctx", {}).get("error")
            where = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in details["loc"])
            hint = refusal.hint if isinstance(refusal, Refusal) else ""
            message = refusal.message if isinstance(refusal, Refusal) else details["msg"]
            yield Fault(f"{path}{where}".removeprefix("."), message, hint)
