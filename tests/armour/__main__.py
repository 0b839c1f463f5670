"""Print how many distinct bad inputs are tried: ``python -m tests.armour``."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _sweep import swept
from _table import CASES


def main() -> None:
    """Count the table by entry point, and the wrong types that are swept."""
    for entry, number in sorted(Counter(case.entry for case in CASES).items()):
        print(f"{entry}: {number}")
    wrong = swept()
    print(f"bad inputs with a message of their own: {len(CASES)}")
    print(f"at entry points: {len({case.entry for case in CASES})}")
    print(f"arguments given values of a wrong kind: {len(wrong)}")
    print(f"bad inputs in all: {len(CASES) + len(wrong)}")


main()
