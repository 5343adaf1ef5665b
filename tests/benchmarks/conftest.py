"""`benchmarks` is a folder of this repository and not installed: tests of it find it here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
