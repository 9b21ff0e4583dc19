"""Runs benchmarks, keeps their records and puts their figures into docs/performance.md.

python -m bench [NAME …]
"""

import argparse
from importlib import import_module

from bench.present import markdown, update
from bench.record import record

BENCHMARKS = ["spawn", "ten_users", "roundtrip", "messages", "agents", "footprint", "gateway_latency"]
"""Modules of this package with `measure() -> list[Table]`."""


def main() -> None:
    """Run what the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, and write docs/performance.md anew.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all when left out")
    names = parser.parse_args().names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        tables = import_module(f"bench.{name}").measure()
        record(name, tables).save()
        print(*map(markdown, tables), sep="\n\n", end="\n\n", flush=True)
    update()


if __name__ == "__main__":
    main()
