"""Tables (Markdown) and plots (PNG) of records, and the program that puts both into docs/performance.md.

In the document the figures of a benchmark stand between `<!-- figures NAME -->` and `<!-- end NAME -->`; what is
between is written anew, prose around it stays.

    python -m bench.present
"""

from itertools import pairwise
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from bench.record import FOLDER, Record, Table

DOCUMENT = FOLDER.parent / "performance.md"
COLOURS = ["#1f6fb2", "#e07b00", "#6b7580", "#3c9a5f", "#a34a8f", "#c23b3b", "#8a6d3b", "#2aa0a4", "#555555"]
"""Ours is the first; distinct also for most colour-blind readers, beside the labels that each bar has."""

WIDTH_IN = 7.2
"""Width of a plot at `DPI`: letters stay readable when a phone shows it at half the size."""
DPI = 150
FONT = {"font.size": 13, "axes.spines.top": False,
        "axes.spines.right": False, "figure.facecolor": "white", "axes.facecolor": "white"}  # fmt: skip


def number(value: float | None) -> str:
    """A figure with three digits that say something."""
    if value is None:
        return "–"
    for least, digits in ((100, 0), (10, 1)):
        if abs(value) >= least:
            return f"{value:,.{digits}f}"
    return f"{value:.2f}"


def markdown(table: Table) -> str:
    """The medians of a table, and the ratio of two columns."""
    head = [f"{table.title} ({table.unit})", *table.columns]
    if table.ratio:
        head.append(f"{table.ratio[1]} : {table.ratio[0]}")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row, cells in table.rows.items():
        shown = [
            "over limit" if column in cells and not cells[column].count else number(table.median(row, column))
            for column in table.columns
        ]
        if table.ratio:
            below, above = (table.median(row, column) for column in table.ratio)
            shown.append(f"{above / below:.2f}" if above is not None and below else "–")
        lines.append(f"| {' | '.join([row, *shown])} |")
    return "\n".join(lines)


def draw(table: Table, path: Path) -> None:
    """Draw a table into a PNG file."""
    bars = len(table.columns) if table.plot == "steps" else sum(map(len, table.rows.values()))
    height = 4.6 if table.plot == "lines" else 1.7 + 0.42 * bars
    if table.plot == "steps":
        height += 0.22 * len(table.rows)
    with plt.rc_context(FONT):
        figure, axes = plt.subplots(figsize=(WIDTH_IN, height), layout="constrained")
        {"bars": _bars, "steps": _steps, "lines": _lines}[table.plot](axes, table)
        figure.suptitle(table.title, x=0.01, ha="left", fontsize=15, fontweight="bold")
        figure.get_layout_engine().set(w_pad=0.12)
        figure.savefig(path, dpi=DPI, metadata={"Software": None})
        plt.close(figure)


def _bars(axes: Axes, table: Table) -> None:
    """A group of bars for each row, the largest and the smallest sample as a whisker."""
    at, ticks, labels = 0.0, [], []
    drawn: set[str] = set()
    longest = max(max(cell.samples, default=0) for cells in table.rows.values() for cell in cells.values())
    for row, cells in table.rows.items():
        first = at
        for place, column in enumerate(table.columns):
            if column not in cells:
                continue
            samples, middle = cells[column].samples, cells[column].median or 0
            spread = [[middle - min(samples)], [max(samples) - middle]] if len(samples) > 1 else None
            axes.barh(at, middle, 0.8, color=COLOURS[place], label=None if column in drawn else column,
                      xerr=spread, error_kw={"ecolor": "#333333", "capsize": 3, "lw": 1})  # fmt: skip
            text = number(middle) if samples else "over the limit"
            axes.text(max([middle, *samples]) + 0.015 * longest, at, text, va="center", fontsize=11)
            drawn.add(column)
            at += 1
        ticks.append((first + at - 1) / 2)
        labels.append(row)
        at += 0.6
    axes.set_yticks(ticks, labels)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.18 * longest)
    axes.set_xlabel(f"{table.unit} (median; whisker: least and most)")
    if len(drawn) > 1:
        axes.figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=11)


def _steps(axes: Axes, table: Table) -> None:
    """A bar for each column, in pieces: rows are moments, and a piece is the time since the moment before."""
    colours = plt.get_cmap("tab10").colors  # type: ignore[attr-defined]
    shown: set[str] = set()
    rows = list(table.rows)
    for place, column in enumerate(table.columns):
        known = sorted((middle, row) for row in rows if (middle := table.median(row, column)) is not None)
        for (begin, _), (end, row) in pairwise([(0.0, ""), *known]):
            axes.barh(place, end - begin, 0.65, left=begin, color=colours[rows.index(row) % 10], edgecolor="white",
                      label=None if row in shown else row)  # fmt: skip
            shown.add(row)
        axes.text(known[-1][0], place, f" {number(known[-1][0])}", va="center", fontsize=11)
    axes.set_yticks(range(len(table.columns)), [column.replace(", ", ",\n") for column in table.columns])
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel(f"{table.unit} from the request (medians)")
    axes.figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=11, title="until …")


def _lines(axes: Axes, table: Table) -> None:
    """A line for each column, over the number that each row's name begins with."""
    for place, column in enumerate(table.columns):
        points = [
            (float(row.split()[0].replace(",", "")), middle)
            for row in table.rows
            if (middle := table.median(row, column)) is not None
        ]
        axes.plot(*zip(*points, strict=True), "o-", color=COLOURS[place], label=column, lw=2)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.grid(axis="y", color="#dddddd")
    axes.set_xlabel(list(table.rows)[-1].split(maxsplit=1)[1])
    axes.set_ylabel(table.unit)
    if len(table.columns) > 1:
        axes.legend(frameon=False, fontsize=11)


def figures(record: Record, folder: Path = FOLDER) -> str:
    """All tables of a record as Markdown, with links to plots, which are drawn into the folder."""
    parts = []
    for place, table in enumerate(record.tables, 1):
        parts.append(markdown(table))
        if table.plot:
            name = f"{record.benchmark}-{place}.png"
            draw(table, folder / name)
            parts.append(f"![{table.title}]({folder.name}/{name})")
    counts = [cell.count for table in record.tables for cells in table.rows.values() for cell in cells.values()]
    least, most = min(filter(None, counts), default=0), max(counts)
    samples = f"Samples of a median: {least:,}" + (f" to {most:,}" if most > least else "")
    facts = "; ".join(f"{name}: {fact}" for name, fact in record.machine.items())
    parts.append(f"*{samples}; {record.date[:10]}; {facts}.*")
    return "\n\n".join(parts)


def update(document: Path = DOCUMENT) -> None:
    """Write the figures of every record into the document, and draw their plots."""
    folder = document.parent / FOLDER.name
    text = document.read_text(encoding="utf-8")
    for path in sorted(folder.glob("*.json")):
        shown = figures(Record.load(path), folder)
        begin, end = f"<!-- figures {path.stem} -->", f"<!-- end {path.stem} -->"
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise ValueError(f'{document.name} has no place for the figures of "{path.stem}": {begin} … {end}')
        text = f"{before}{begin}\n{shown}\n{end}{after}"
    document.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    update()
