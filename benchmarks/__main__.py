"""Run every benchmark, or those named: ``python -m benchmarks [NAME…]``."""

import importlib
import sys
from pathlib import Path


def main() -> None:
    found = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    chosen = [f"bench_{name.removeprefix('bench_')}" for name in sys.argv[1:]] or found
    for name in chosen:
        if name not in found:
            sys.exit(f"{name}: no such benchmark; there are: {', '.join(found)}")
        sys.argv[1:] = []  # the names are for this program
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
