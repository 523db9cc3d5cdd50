"""The conditions of if and while steps: comparisons of variables, in the words of STIX patterns.

CACAO takes STIX' comparison expressions and says little of what they look at in a playbook. Our reading: an operand is
a variable (`__name__:value`), a text in single quotes, a number, true or false; `=`, `!=`, `<`, `<=`, `>`, `>=`,
`IN (...)` and `LIKE` compare, `AND`, `OR`, `NOT` and brackets join. Both sides are compared as numbers where both are
numbers, else as texts; to order what is no number is an error and not false.
Comes from a step; goes on to `playbooks.checks`, and to whoever runs it.
Source: CACAO 2.0 sections 4.7 and 4.8; STIX 2.1 section 9.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from spiritsafe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<variable>__[a-zA-Z_][a-zA-Z0-9_-]{0,199}?__)(?P<value>:value)?|(?P<text>'(?:[^'\\]|\\.)*')"
    r"|(?P<number>-?\d+(?:\.\d+)?)|(?P<sign>!=|<=|>=|==|[=<>(),])|(?P<word>[A-Za-z]+))"
)
_DEEPEST: Final = 20


class ConditionError(InputError):
    """A condition cannot be read, or compares what cannot be ordered."""

    code = "playbooks.condition"


Number: TypeAlias = "int | float"
Value: TypeAlias = "str | int | float | bool"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable by its name, underscores and all."""

    name: str


Operand: TypeAlias = "Variable | Value"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left` against one or, for IN, several."""

    left: Operand
    sign: str
    right: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """AND, OR or NOT of conditions."""

    word: str
    parts: tuple[Condition, ...]


Condition: TypeAlias = "Comparison | Joined"


def parse_condition(text: str) -> Condition:
    """A condition taken apart.

    Raises
    ------
    ConditionError
        With what was expected where.

    Examples
    --------
    >>> evaluate(parse_condition("__confirmed__:value = 'yes' AND NOT __accounts__:value > 500"),
    ...          {"__confirmed__": "yes", "__accounts__": "46"})
    True
    """
    parser = _Parser(text)
    found = parser.either(0)
    parser.end()
    return found


def variables_in(condition: Condition) -> set[str]:
    """Names of the variables that it looks at."""
    if isinstance(condition, Joined):
        return {name for part in condition.parts for name in variables_in(part)}
    return {one.name for one in (condition.left, *condition.right) if isinstance(one, Variable)}


def evaluate(condition: Condition, values: Mapping[str, str]) -> bool:
    """Whether it holds; raises `ConditionError` where a variable has no value or cannot be ordered."""
    if isinstance(condition, Joined):
        outcomes = [evaluate(part, values) for part in condition.parts]
        return {"AND": all(outcomes), "OR": any(outcomes), "NOT": not outcomes[0]}[condition.word]
    left, *right = (_value(one, values) for one in (condition.left, *condition.right))
    if condition.sign == "IN":
        return any(_same(left, one) for one in right)
    if condition.sign == "LIKE":
        return fnmatch.fnmatchcase(_text(left), re.sub(r"[*?[]", r"[\g<0>]", _text(right[0])).translate(_LIKE))
    return _SIGNS[condition.sign](left, right[0])


_LIKE: Final = str.maketrans({"%": "*", "_": "?"})


class _Parser:
    """Reads from left to right, OR before AND before NOT."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0

    def either(self, depth: int) -> Condition:
        if depth > _DEEPEST:
            raise self._wrong(f"it has brackets deeper than {_DEEPEST}")
        parts = [self.both(depth)]
        while self._word("OR"):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else Joined("OR", tuple(parts))

    def both(self, depth: int) -> Condition:
        parts = [self.one(depth)]
        while self._word("AND"):
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else Joined("AND", tuple(parts))

    def one(self, depth: int) -> Condition:
        if self._word("NOT"):
            return Joined("NOT", (self.one(depth + 1),)) if depth <= _DEEPEST else self.either(depth + 1)
        if self._sign("("):
            inside = self.either(depth + 1)
            self._need(")")
            return inside
        left = self._operand()
        if self._word("IN"):
            return Comparison(left, "IN", self._several())
        if self._word("LIKE"):
            return Comparison(left, "LIKE", (self._operand(),))
        for sign in ("==", "!=", "<=", ">=", "=", "<", ">"):
            if self._sign(sign):
                return Comparison(left, "=" if sign == "==" else sign, (self._operand(),))
        raise self._wrong("a comparison was expected")

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._wrong("nothing more was expected")

    def _several(self) -> tuple[Operand, ...]:
        self._need("(")
        found = [self._operand()]
        while self._sign(","):
            found.append(self._operand())
        self._need(")")
        return tuple(found)

    def _operand(self) -> Operand:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")
        self._at += 1
        if kind == "variable":
            return Variable(text)
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "word" and text.casefold() in {"true", "false"}:
            return text.casefold() == "true"
        self._at -= 1
        raise self._wrong("a variable (__name__:value), a text in quotes or a number was expected")

    def _word(self, word: str) -> bool:
        found = self._tokens[self._at : self._at + 1] == [("word", word)]
        self._at += found
        return found

    def _sign(self, sign: str) -> bool:
        found = self._tokens[self._at : self._at + 1] == [("sign", sign)]
        self._at += found
        return found

    def _need(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._wrong(f"{sign} was expected")

    def _wrong(self, what: str) -> ConditionError:
        return ConditionError(
            f"the condition {self._text[:120]!r}: {what} at part {self._at + 1}",
            hint="e.g. __accounts__:value > 50 AND __verdict__:value = 'campaign'",
        )


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ConditionError(
                f"the condition {text[:120]!r} cannot be read from {text[at : at + 20]!r} on", hint="see the place"
            )
        kind = match.lastgroup if match.lastgroup != "value" else "variable"
        yield str(kind), match[str(kind)]
        at = match.end()


def _value(operand: Operand, values: Mapping[str, str]) -> Value:
    if not isinstance(operand, Variable):
        return operand
    if operand.name not in values:
        raise ConditionError(f"the variable {operand.name} has no value", hint="a step before must set it")
    return values[operand.name]


def _number(value: Value) -> Number | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    return float(value) if re.fullmatch(r"-?\d+(?:\.\d+)?", value.strip()) else None


def _text(value: Value) -> str:
    return str(value).casefold() if isinstance(value, bool) else str(value)


def _same(left: Value, right: Value) -> bool:
    numbers = _number(left), _number(right)
    if None not in numbers:
        return numbers[0] == numbers[1]
    if isinstance(left, bool) or isinstance(right, bool):
        return _text(left).casefold() == _text(right).casefold()
    return _text(left) == _text(right)


def _ordered(left: Value, right: Value) -> tuple[Number, Number]:
    first, second = _number(left), _number(right)
    if first is None or second is None:
        raise ConditionError(f"{left!r} and {right!r} are not both numbers", hint="only numbers have an order here")
    return first, second


_SIGNS: Final[Mapping[str, Callable[[Value, Value], bool]]] = {
    "=": _same,
    "!=": lambda left, right: not _same(left, right),
    "<": lambda left, right: (pair := _ordered(left, right))[0] < pair[1],
    "<=": lambda left, right: (pair := _ordered(left, right))[0] <= pair[1],
    ">": lambda left, right: (pair := _ordered(left, right))[0] > pair[1],
    ">=": lambda left, right: (pair := _ordered(left, right))[0] >= pair[1],
}
