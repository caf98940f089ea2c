"""Renders a report page: one HTML file without scripts or values of rows; equal input gives equal bytes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from perennial_trainer.redaction import printable
from perennial_trainer.reporting.drawing.figures import WIDTH, Figure
from perennial_trainer.reporting.numbers import shown
from perennial_trainer.reporting.style import STYLE


def _printable(value: Any) -> Any:
    """The text without control characters, also where names in the data have some; a macro's markup as it is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_printable).from_string("""\
{% macro line(tag, row, numeric, marked=False) %}
<tr{% if marked %} class="marked"{% endif %}>
  {% for cell in row %}
  <{{ tag }}{% if numeric[loop.index0] %} class="number"{% endif %}>{{ cell }}</{{ tag }}>
  {% endfor %}
</tr>
{% endmacro %}
{% macro picture(figure) %}
<figure>
  <figcaption>{{ figure.caption }}</figcaption>
  {% if figure.series | length > 1 %}
  <p class="legend">
    {% for name in figure.series %}<span><i class="s{{ loop.index0 }}"></i>{{ name }}</span> {% endfor %}
  </p>
  {% endif %}
  <svg viewBox="0 0 {{ width }} {{ figure.height | round(1) }}" role="img" aria-label="{{ figure.caption }}">
    {% for line in figure.lines %}
    <polyline class="{{ line.kind }}" points="
      {%- for x, y in line.points %}{{ x | round(1) }},{{ y | round(1) }}{{ " " if not loop.last }}{% endfor %}"/>
    {% endfor %}
    {% for mark in figure.marks %}
    <rect class="s{{ mark.series }}" x="{{ mark.x | round(2) }}" y="{{ mark.y | round(2) }}"
      width="{{ mark.width | round(2) }}" height="{{ mark.height | round(2) }}"
      {%- if mark.round %} rx="{{ mark.width / 2 }}"{% endif %}
      {%- if figure.shades %} fill-opacity="{{ (0.85 * figure.shades[loop.index0]) | round(3) }}"{% endif %}>
      {%- if mark.text %}<title>{{ mark.text }}</title>{% endif %}</rect>
    {% endfor %}
    {% for label in figure.labels %}
    <text x="{{ label.x | round(1) }}" y="{{ label.y | round(1) }}"
      text-anchor="{{ label.anchor }}">{{ label.text }}</text>
    {% endfor %}
  </svg>
  {% if figure.note %}<p class="note">{{ figure.note }}</p>{% endif %}
</figure>
{% endmacro %}
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>
{{ style }}</style>
<h1>{{ title }}</h1>
<p class="verdict">{{ verdict }}</p>
{% for fact in facts %}
<p class="facts">{{ fact }}</p>
{% endfor %}
<main>
{% for section in sections %}
{% if section.kind == "Table" %}
<section{% if section.wide %} class="wide"{% endif %}>
  <h2>{{ section.content.caption }}</h2>
  <table{% if not section.content.head %} class="pairs"{% endif %}>
    {% if section.content.head %}{{ line("th", section.content.head, section.numeric) }}{% endif %}
    {% for row in section.rows %}
    {{ line("td", row, section.numeric, loop.index0 in section.content.marked) }}
    {% endfor %}
  </table>
  {% if section.content.note %}<p class="note">{{ section.content.note }}</p>{% endif %}
</section>
{% elif section.kind == "Notes" %}
<section>
  <h2>{{ section.content.caption }}</h2>
  <ul>{% for line in section.content.lines %}<li>{{ line }}</li>{% endfor %}</ul>
</section>
{% elif section.kind == "Drawing" %}
<figure class="wide">
  <figcaption>{{ section.content.caption }}</figcaption>
  {{ section.content.svg }}
  <p class="note">{{ section.content.note }}</p>
</figure>
{% elif section.kind == "Group" %}
<section class="wide group">
  <h2>{{ section.content.caption }}</h2>
  {% if section.content.note %}<p class="note">{{ section.content.note }}</p>{% endif %}
  <div>
  {% for figure in section.content.figures %}{{ picture(figure) }}{% endfor %}
  </div>
</section>
{% else %}
{{ picture(section.content) }}
{% endif %}
{% endfor %}
</main>
</html>
""")


@dataclass(frozen=True)
class Table:
    """`rows` of cells below an optional `head`; numbers are shown with four digits, and the `marked` rows stand out."""

    caption: str
    rows: Sequence[Sequence[Any]]
    head: Sequence[str] = ()
    note: str = ""
    marked: Collection[int] = ()


@dataclass(frozen=True)
class Notes:
    """A list of sentences."""

    caption: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Drawing:
    """An SVG that was drawn elsewhere, as wide as the page."""

    caption: str
    svg: Markup
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Figures side by side, as many as the page is wide."""

    caption: str
    figures: Sequence[Figure]
    note: str = ""


Section = Table | Notes | Figure | Drawing | Group


def pairs_table(caption: str, values: Mapping[str, Any]) -> Table:
    """A table of names and values."""
    return Table(caption, list(values.items()))


def render_page(title: str, verdict: str, sections: Sequence[Section], facts: Sequence[str] = ()) -> bytes:
    """The page, the verdict first; tables without rows, notes without lines and figures without marks are left out."""
    views = [_view(section) for section in sections if not _is_empty(section)]
    page = _PAGE.render(
        title=title,
        verdict=verdict,
        facts=facts,
        width=WIDTH,
        sections=views,
        style=Markup(STYLE),  # noqa: S704 - ours
    )
    return page.encode()


def _is_empty(section: Section) -> bool:
    match section:
        case Table():
            return not section.rows
        case Notes():
            return not section.lines
        case Figure():
            return not section.marks
        case Group():
            return not section.figures
        case Drawing():
            return False


def _view(section: Section) -> dict[str, Any]:
    """What the template needs of a section."""
    view: dict[str, Any] = {"kind": type(section).__name__, "content": section}
    if isinstance(section, Table):
        columns = list(zip(*section.rows, strict=True))
        view["rows"] = [[_cell(value) for value in row] for row in section.rows]
        view["numeric"] = [bool(section.head) and all(_is_number(value) for value in column) for column in columns]
        view["wide"] = len(columns) > 4
    return view


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return shown(value)
    return "" if value is None else str(value)
