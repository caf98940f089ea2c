"""A page for people: one self-contained HTML file without a raw row, without a script, the same for the same input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment

from perennial_trainer.reporting.figures import WIDTH, Figure

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
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
  .wide { column-span: all }
  h2, figcaption { font-size: 1rem; font-weight: 600; margin: 0 0 .4rem; padding-bottom: .2rem;
                   border-bottom: 2px solid var(--line) }
  table { border-collapse: collapse; width: 100% }
  .wide table { width: auto }
  th, td { text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
  tr > :last-child { padding-right: 0 }
  th { font-weight: 500; color: var(--soft) }
  td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
  .pairs td:first-child { min-width: 7rem }
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
{% for part in parts %}
{% if part.kind == "Table" %}
<section{% if part.wide %} class="wide"{% endif %}>
  <h2>{{ part.of.caption }}</h2>
  <table{% if not part.of.head %} class="pairs"{% endif %}>
    {% if part.of.head %}{{ line("th", part.of.head, part.numeric) }}{% endif %}
    {% for row in part.rows %}{{ line("td", row, part.numeric) }}{% endfor %}
  </table>
</section>
{% elif part.kind == "Notes" %}
<section>
  <h2>{{ part.of.caption }}</h2>
  <ul>{% for line in part.of.lines %}<li>{{ line }}</li>{% endfor %}</ul>
</section>
{% else %}
<figure>
  <figcaption>{{ part.of.caption }}</figcaption>
  {% if part.of.series | length > 1 %}
  <p class="legend">{% for name in part.of.series %}<i class="s{{ loop.index0 }}"></i>{{ name }}{% endfor %}</p>
  {% endif %}
  <svg viewBox="0 0 {{ width }} {{ part.of.height | round(1) }}" role="img" aria-label="{{ part.of.caption }}">
    {% for mark in part.of.marks %}
    <rect class="s{{ mark.series }}" x="{{ mark.x | round(2) }}" y="{{ mark.y | round(2) }}"
      width="{{ mark.width | round(2) }}" height="{{ mark.height | round(2) }}"
      {%- if part.of.shades %} fill-opacity="{{ (0.85 * part.of.shades[loop.index0]) | round(3) }}"{% endif %}>
      {%- if mark.text %}<title>{{ mark.text }}</title>{% endif %}</rect>
    {% endfor %}
    {% with line = part.of.diagonal %}
    {% if line %}
    <line class="diagonal" x1="{{ line[0] }}" y1="{{ line[1] }}" x2="{{ line[2] }}" y2="{{ line[3] }}"/>
    {% endif %}
    {% endwith %}
    {% for word in part.of.words %}
    <text x="{{ word.x | round(1) }}" y="{{ word.y | round(1) }}" text-anchor="{{ word.anchor }}">{{ word.text }}</text>
    {% endfor %}
  </svg>
  {% if part.of.note %}<p class="note">{{ part.of.note }}</p>{% endif %}
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
    """Sentences."""

    caption: str
    lines: Sequence[str]


Section = Table | Notes | Figure


def pairs_table(caption: str, values: Mapping[str, Any]) -> Table:
    """A table of names and values."""
    return Table(caption, list(values.items()))


def render_page(title: str, summary: str, parts: Sequence[Section]) -> bytes:
    """The page; tables without a row, notes without a line and figures without a mark are left out."""
    return _PAGE.render(
        title=title, summary=summary, width=WIDTH, parts=[_shown(each) for each in parts if _says(each)]
    ).encode()


def _says(part: Section) -> bool:
    match part:
        case Table():
            return bool(part.rows)
        case Notes():
            return bool(part.lines)
        case Figure():
            return bool(part.marks)


def _shown(part: Section) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": type(part).__name__, "of": part}
    if isinstance(part, Table):
        by_column = list(zip(*part.rows, strict=True))
        shown["rows"] = [[_cell(cell) for cell in row] for row in part.rows]
        shown["numeric"] = [bool(part.head) and all(_is_number(cell) for cell in column) for column in by_column]
        shown["wide"] = len(by_column) > 4
    return shown


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)
