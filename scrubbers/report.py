"""An evaluation as one HTML page: figures, then every text with a mistake, its spans coloured."""

from collections.abc import Iterator, Sequence
from html import escape

from scrubbers.evaluate import Outcome, Result, Tally

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem; text-align: right; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
tr { border-bottom: 1px solid #8885; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid #8885; padding-left: 1rem; }
mark { border-radius: .2rem; padding: 0 .1rem; color: #111; }
.right { background: #b7e4b0; } .missed { background: #ffb3ab; } .wrong { background: #ffe08a; }
"""


def html(identity: str, result: Result) -> str:
    """The page; it holds the corpus's texts, so it is as confidential as they are."""
    touched, lookalikes = result.lookalikes()
    return "".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width"><title>Rule evaluation</title>',
            f"<style>{_STYLE}</style><h1>{escape(identity)}</h1>",
            f"<p>Look-alikes touched: {touched} of {lookalikes}.</p>",
            "<table><tr><th>Type<th>Source<th>Labels<th>Recall<th>Precision<th>F2<th>Leaked</tr>",
            *_rows(result),
            '</table><h2>Texts with mistakes</h2><p><mark class="missed">missed</mark> ',
            '<mark class="wrong">false alarm</mark> <mark class="right">found</mark></p>',
            *(_text(source, each) for source, outcomes in result.outcomes.items() for each in outcomes if _bad(each)),
        ]
    )


def _rows(result: Result) -> Iterator[str]:
    for kind, total in result.tallies().items():
        yield _row(f"<b>{kind}</b>", "all", total)
        for source in result.outcomes:
            if (tally := result.tallies(source).get(kind)) is not None:
                yield _row("", source, tally)


def _row(kind: str, source: str, tally: Tally) -> str:
    cells = "".join(_cell(each) for each in (tally.recall, tally.precision, tally.f2, tally.leak_rate))
    return f"<tr><td>{kind}<td>{escape(source)}<td>{tally.labels}{cells}</tr>"


def _cell(share: float | None) -> str:
    return "<td>" if share is None else f"<td>{share:.1%}"


def _bad(outcome: Outcome) -> bool:
    return bool(outcome.missed or outcome.wrong or outcome.touched)


def _text(source: str, outcome: Outcome) -> str:
    marks = [(each.start, each.end, "missed", each.type.value) for each in outcome.missed]
    wrong = set(outcome.wrong)
    marks += [
        (each.start, each.end, "wrong" if each in wrong else "right", f"{each.type}: {each.rule}")
        for each in outcome.findings
    ]
    return f"<h3>{escape(source)} {escape(str(outcome.case.id))}</h3><pre>{_marked(outcome.case.text, marks)}</pre>"


def _marked(text: str, marks: Sequence[tuple[int, int, str, str]]) -> str:
    """The text with its marks; one that begins inside another is cut to what sticks out."""
    pieces, position = [], 0
    for start, end, kind, title in sorted(marks):
        begin = max(start, position)
        if begin >= end:
            continue
        pieces.append(escape(text[position:begin]))
        pieces.append(f'<mark class="{kind}" title="{escape(title)}">{escape(text[begin:end])}</mark>')
        position = end
    return "".join([*pieces, escape(text[position:])])
