"""The templates of the report, set up so that nothing a log says can become markup.

Three nets: autoescape is on for every template; every printed value first goes through `report_text.visible`,
whether or not the template's author thought of it; a misspelt name is an error (StrictUndefined), never a gap.
Comes from `report_text`; goes on to `charts` and `report`.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from spiritsafe.campaigns import report_text as text

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES: Final = Path(__file__).with_name("templates")


def _shown(value: object) -> object:
    """What an expression prints: our own markup and numbers as they are, any other text with nothing hidden."""
    if isinstance(value, Markup) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return text.visible(str(value))


def _name(value: str, limit: int = text.NAME_LIMIT) -> Markup:
    """An id in its own direction (`<bdi>`), so that right-to-left names cannot reorder what stands beside them."""
    return Markup("<bdi>{}</bdi>").format(text.name(value, limit=limit))


def _label(value: str) -> Markup:
    """An operator's own word for an account, in its own direction and not longer than a line."""
    return Markup("<bdi>{}</bdi>").format(text.visible(value, limit=80).strip() or "⟨empty⟩")


def _bits(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.1f}"


@functools.cache
def environment() -> Environment:
    """The one Jinja environment of the report and its charts; loads Jinja when first asked."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "name": _name,
        "label": _label,
        "count": text.count,
        "compact": text.compact,
        "percent": text.share,
        "probability": text.probability,
        "plural": text.plural,
        "sentence": text.sentence,
        "first_upper": text.first_upper,
        "day": text.day,
        "moment": text.moment,
        "bits": _bits,
    }
    return made


def render(template: str, **values: object) -> Markup:
    """Fill one template; the result is markup that needs no further escaping."""
    return Markup(environment().get_template(template).render(**values))  # noqa: S704  autoescaped just above
