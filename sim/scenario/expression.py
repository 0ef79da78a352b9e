"""Numbers that a technique leaves open: arithmetic over its parameters, such as "20 * questions / 211"."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from sim.errors import did_you_mean
from sim.scenario.fields import Refusal, is_number, read_duration
from sim.scenario.show import show

PARAMETERS = "parameters"
"""Key of the validation context that holds the parameters' values; without it, expressions are kept as text."""

_OPERATIONS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_HINT = 'a number, a parameter\'s name, or arithmetic such as "20 * questions"'


def evaluate(text: str, parameters: Mapping[str, float]) -> float:
    """The value of `text`: numbers and names of `parameters` joined by + - * / and parentheses.

    Raises Refusal for anything else, for an unknown name (with the nearest ones), and for a division by zero.
    """
    return _value(_parse(text), text, parameters)


def value_type(least: float, most: float, *, duration: bool = False) -> object:
    """The type of a number from `least` to `most` that may be an expression; or, a duration with a unit."""

    def read(value: object, info: ValidationInfo) -> float | str:
        number = _read(value, info, duration)
        if isinstance(number, str):
            return number
        if not least <= number <= most:
            bound = f"at least {least:g}" if number < least else f"at most {most:g}"
            came = f' ("{value}")' if isinstance(value, str) else ""
            raise Refusal(f"must be {bound}; given {number:g}{came}")
        return number

    limits = {"minimum": least, "maximum": most}
    schema = WithJsonSchema({"anyOf": [{"type": "number", **limits}, {"type": "string"}]})
    return Annotated[float | str, BeforeValidator(read), schema]


def _read(value: object, info: ValidationInfo, duration: bool) -> float | str:
    """A number where it is known; the text of an expression where its parameters are not."""
    if is_number(value):
        return float(value)  # pyright: ignore[reportArgumentType]
    if not isinstance(value, str):
        raise Refusal(f"must be {_HINT}; given {show(value)}")
    if duration:
        try:
            return read_duration(value)
        except Refusal:
            pass  # an expression, in seconds
    parsed = _parse(value)
    parameters = (info.context or {}).get(PARAMETERS)
    return value if parameters is None else _value(parsed, value, parameters)


def _parse(text: str) -> ast.expr:
    try:
        body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Refusal(f'"{text}" cannot be read', f"write {_HINT}") from None
    for node in _leaves(body, text):
        if isinstance(node, ast.Constant) and not is_number(node.value):
            raise Refusal(f'"{text}" cannot be read', f"write {_HINT}")
    return body


def _leaves(node: ast.expr, text: str) -> Iterator[ast.expr]:
    """Names and constants of an expression; raises Refusal where it is more than arithmetic."""
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        yield from _leaves(node.left, text)
        yield from _leaves(node.right, text)
    elif isinstance(node, ast.Name | ast.Constant):
        yield node
    else:
        raise Refusal(f'"{text}" cannot be read', f"write {_HINT}")


def _value(node: ast.expr, text: str, parameters: Mapping[str, float]) -> float:
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, text, parameters), _value(node.right, text, parameters)
        try:
            return _OPERATIONS[type(node.op)](left, right)
        except ZeroDivisionError:
            raise Refusal(f'"{text}" divides by zero') from None
    if isinstance(node, ast.Constant):
        return float(node.value)  # pyright: ignore[reportArgumentType]
    assert isinstance(node, ast.Name)
    if node.id not in parameters:
        there = f"its parameters are {', '.join(parameters)}" if parameters else "it has no parameters"
        guess = did_you_mean(node.id, parameters)
        raise Refusal(f'"{text}" names no parameter "{node.id}"', f"{guess} {there}".strip())
    return parameters[node.id]
