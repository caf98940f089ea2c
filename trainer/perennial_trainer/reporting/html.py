"""Renders a report page: one HTML file without scripts or values of rows; equal input gives equal bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from perennial_trainer.redaction import printable
from perennial_trainer.reporting.figures import WIDTH, Figure


def _printable(value: Any) -> Any:
    """The text without control characters, also where names in the data have some; a macro's markup as it is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_printable).from_string("""\
{% macro line(tag, row, numeric) %}
<tr>
  {% for cell in row %}
  <{{ tag }}{% if numeric[loop.index0] %} class="number"{% endif %}>{{ cell }}</{{ tag }}>
  {% endfor %}
</tr>
{% endmacro %}
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>
  :root { color-scheme: light dark; --ink: #1f2328; --soft: #5b636d; --line: #d9dde2; --paper: #fff;
          --one: #2f6fb3; --two: #d9822b }
  @media screen and (prefers-color-scheme: dark) {
    :root { --ink: #e4e7eb; --soft: #9aa4b0; --line: #343b44; --paper: #15191e; --one: #6aa9ec; --two: #f0a860 }
  }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
         color: var(--ink); background: var(--paper) }
  h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere }
  p { max-width: 44rem; overflow-wrap: anywhere }
  main { columns: 26rem 2; column-gap: 2rem; margin-top: 1.5rem }
  section, figure { margin: 0 0 2rem; break-inside: avoid; overflow-x: auto }
  .wide { column-span: all; margin-top: 1rem }
  h2, figcaption { font-size: 1rem; font-weight: 600; margin: 0 0 .4rem; padding-bottom: .2rem;
                   border-bottom: 2px solid var(--line) }
  table { border-collapse: collapse; width: 100% }
  .wide table { width: auto }
  th, td { text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
  tr > :last-child { padding-right: 0 }
  th { font-weight: 500; color: var(--soft) }
  td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
  .pairs td:first-child { min-width: 7rem }
  .wide td { overflow-wrap: break-word }
  .number { text-align: right }
  td.number { white-space: nowrap }
  @media (max-width: 30rem) { th, td { padding-right: .5rem } table { font-size: .9rem } }
  ul { margin: 0; padding-left: 1.2rem }
  svg { display: block; width: 100%; max-width: 28rem; font-size: 12px; fill: var(--ink) }
  .s0 { fill: var(--one) } .s1 { fill: var(--two) }
  .diagonal { stroke: var(--two); stroke-dasharray: 4 3 }
  .note, .legend { color: var(--soft); font-size: .85rem; margin: .3rem 0 }
  .legend i { display: inline-block; width: .7rem; height: .7rem; margin: 0 .3rem 0 0 }
  .legend .s0 { background: var(--one) } .legend .s1 { background: var(--two); margin-left: .8rem }
  @media print {
    body { font-size: 11px; margin: 0; max-width: none } main { columns: 2; column-gap: 1.2rem }
    section, figure { margin-bottom: 1.2rem } svg { max-width: 20rem }
    svg *, .legend i { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  }
</style>
<h1>{{ title }}</h1>
<p>{{ summary }}</p>
<main>
{% for section in sections %}
{% if section.kind == "Table" %}
<section{% if section.wide %} class="wide"{% endif %}>
  <h2>{{ section.content.caption }}</h2>
  <table{% if not section.content.head %} class="pairs"{% endif %}>
    {% if section.content.head %}{{ line("th", section.content.head, section.numeric) }}{% endif %}
    {% for row in section.rows %}{{ line("td", row, section.numeric) }}{% endfor %}
  </table>
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
{% else %}
<figure>
  <figcaption>{{ section.content.caption }}</figcaption>
  {% if section.content.series | length > 1 %}
  <p class="legend">{% for name in section.content.series %}<i class="s{{ loop.index0 }}"></i>{{ name }}{% endfor %}</p>
  {% endif %}
  <svg viewBox="0 0 {{ width }} {{ section.content.height | round(1) }}" role="img"
    aria-label="{{ section.content.caption }}">
    {% for mark in section.content.marks %}
    <rect class="s{{ mark.series }}" x="{{ mark.x | round(2) }}" y="{{ mark.y | round(2) }}"
      width="{{ mark.width | round(2) }}" height="{{ mark.height | round(2) }}"
      {%- if section.content.shades %}
 fill-opacity="{{ (0.85 * section.content.shades[loop.index0]) | round(3) }}"
      {%- endif %}>
      {%- if mark.text %}<title>{{ mark.text }}</title>{% endif %}</rect>
    {% endfor %}
    {% with line = section.content.diagonal %}
    {% if line %}
    <line class="diagonal" x1="{{ line[0] }}" y1="{{ line[1] }}" x2="{{ line[2] }}" y2="{{ line[3] }}"/>
    {% endif %}
    {% endwith %}
    {% for label in section.content.labels %}
    <text x="{{ label.x | round(1) }}" y="{{ label.y | round(1) }}"
      text-anchor="{{ label.anchor }}">{{ label.text }}</text>
    {% endfor %}
  </svg>
  {% if section.content.note %}<p class="note">{{ section.content.note }}</p>{% endif %}
</figure>
{% endif %}
{% endfor %}
</main>
</html>
""")


@dataclass(frozen=True)
class Table:
    """`rows` of cells below an optional `head`; numbers are shown with six digits."""

    caption: str
    rows: Sequence[Sequence[Any]]
    head: Sequence[str] = ()


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


Section = Table | Notes | Figure | Drawing


def pairs_table(caption: str, values: Mapping[str, Any]) -> Table:
    """A table of names and values."""
    return Table(caption, list(values.items()))


def render_page(title: str, summary: str, sections: Sequence[Section]) -> bytes:
    """The page; tables without rows, notes without lines and figures without marks are left out."""
    views = [_view(section) for section in sections if not _is_empty(section)]
    return _PAGE.render(title=title, summary=summary, width=WIDTH, sections=views).encode()


def _is_empty(section: Section) -> bool:
    match section:
        case Table():
            return not section.rows
        case Notes():
            return not section.lines
        case Figure():
            return not section.marks
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
        return f"{value:.6g}"
    return "" if value is None else str(value)
