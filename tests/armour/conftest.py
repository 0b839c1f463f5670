"""The table's modules import each other by name, as ``python -m tests.armour`` does."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
collect_ignore_glob = ["_*.py"]
