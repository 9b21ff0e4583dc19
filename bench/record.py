"""What a benchmark has measured: tables of samples, kept as JSON with the date and the machine.

A benchmark measures, this module keeps, `bench.present` shows. Few samples are kept as they are; of many their
quantiles, which is what tables and plots need: least, quartiles, median, most and the shape between them.
"""

import json
import os
import platform
import re
import statistics
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import docker

from tests.support.image import IMAGE

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "performance"

QUANTILES = 21
"""Numbers kept of a cell that has more samples: every twentieth part from the least to the most."""

Samples = list[float]


@dataclass
class Cell:
    """What was measured for one row and column.

    Attributes:
        count: How many samples there were; none when the measurement gave nothing within its limit.
        samples: The samples; in a record the `QUANTILES` of more than so many, from the least to the most.
    """

    count: int = 0
    samples: Samples = field(default_factory=list)

    def add(self, samples: Samples) -> None:
        """Put more samples in.

        Raises:
            ValueError: Only quantiles are left of the present ones.
        """
        if self.count != len(self.samples):
            raise ValueError(f"Of {self.count} samples only quantiles were kept, so none can be added.")
        self.samples.extend(samples)
        self.count += len(samples)

    @property
    def median(self) -> float | None:
        """The median, None when there are no samples."""
        return statistics.median(self.samples) if self.samples else None

    def kept(self) -> "Cell":
        """The same to four digits, and not more than `QUANTILES` numbers."""
        samples = self.samples if len(self.samples) <= QUANTILES else quantiles(self.samples)
        return Cell(self.count, [float(f"{sample:.4g}") for sample in samples])


def quantiles(samples: Samples) -> Samples:
    """The `QUANTILES` from the least sample to the most, the median in the middle."""
    inner = statistics.quantiles(samples, n=QUANTILES - 1, method="inclusive")
    return [min(samples), *inner, max(samples)]


@dataclass
class Table:
    """Samples by row and column.

    Attributes:
        title: One line, without the unit.
        unit: Unit of every sample.
        columns: Names of what is compared, ours first.
        rows: Cells by row, then by column; a column that is missing in a row was not measured.
        ratio: Two columns; the table ends with the second's median by the first's.
        plot: How `bench.present` draws it: bars, steps of one process one after the other, lines over rows whose names
            begin with a number, or not at all.
    """

    title: str
    unit: str
    columns: list[str]
    rows: dict[str, dict[str, Cell]] = field(default_factory=dict)
    ratio: tuple[str, str] | None = None
    plot: Literal["bars", "steps", "lines", ""] = "bars"

    def add(self, row: str, column: str, samples: Samples) -> None:
        """Put more samples into a cell."""
        self.rows.setdefault(row, {}).setdefault(column, Cell()).add(samples)

    def median(self, row: str, column: str) -> float | None:
        """The median of a cell, None when there are no samples."""
        return self.rows[row].get(column, Cell()).median

    def kept(self) -> "Table":
        """What goes into a record."""
        rows = {row: {column: cell.kept() for column, cell in cells.items()} for row, cells in self.rows.items()}
        return replace(self, rows=rows)


@dataclass
class Record:
    """One run of one benchmark.

    Attributes:
        benchmark: Name of its module in `bench`.
        date: When it ended, UTC, ISO 8601.
        machine: Facts of the machine, by their names.
        tables: What it has measured.
    """

    benchmark: str
    date: str
    machine: dict[str, str]
    tables: list[Table]

    def save(self, folder: Path = FOLDER) -> Path:
        """Write the record in the place of the last one."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.benchmark}.json"
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        one_line_each = re.sub(r'\{\s+"count"[^}]*\}', lambda cell: " ".join(cell[0].split()), text)
        path.write_text(one_line_each + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Read a record."""
        kept = json.loads(path.read_text(encoding="utf-8"))
        tables = [
            Table(
                **{
                    **table,
                    "rows": {
                        row: {column: Cell(**cell) for column, cell in cells.items()}
                        for row, cells in table["rows"].items()
                    },
                    "ratio": table["ratio"] and tuple(table["ratio"]),
                }
            )
            for table in kept["tables"]
        ]
        return cls(kept["benchmark"], kept["date"], kept["machine"], tables)

    def added_to(self, earlier: "Record") -> "Record":
        """This record with the samples of an earlier one of the same benchmark before its own.

        Raises:
            ValueError: They are not of the same machine and image, or of the earlier one only quantiles were kept.
        """
        if changed := {name for name, fact in self.machine.items() if earlier.machine.get(name) != fact}:
            raise ValueError(f"The record of {earlier.date} has another {', '.join(sorted(changed))}.")
        together = {table.title: table for table in earlier.tables}
        for table in self.tables:
            for row, cells in table.rows.items():
                for column, cell in cells.items():
                    together[table.title].add(row, column, cell.samples)
        return replace(self, tables=list(together.values()))


def record(benchmark: str, tables: list[Table]) -> Record:
    """A record of now and here."""
    kept = [table.kept() for table in tables]
    return Record(benchmark, datetime.now(UTC).isoformat(timespec="seconds"), machine(), kept)


def machine() -> dict[str, str]:
    """What figures depend on, without anything that tells which machine it is."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in facts if line.startswith("model name")), "unknown")
    engine = docker.from_env()
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "memory": f"{gigabytes:.0f} GB",
        "graphics": "software (llvmpipe)",
        "kernel": platform.release().split("-")[0],
        "engine": f"Docker {engine.version()['Version']}",
        "image": str(engine.images.get(IMAGE).id).removeprefix("sha256:")[:12],
    }
