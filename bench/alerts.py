"""Alerts: false pages where nothing happens, a real year, faults put into it, and cost. The work is in the folder ``bench/alerts``.

    python bench/alerts.py [--quick] [--copies 6] [--each 40] [--workers 2] [--only-cost] [--only-pair] [--only-versions] [--json FILE]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.exit(subprocess.call([sys.executable, str(Path(__file__).with_suffix("")), *sys.argv[1:]]))
