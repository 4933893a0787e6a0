"""What every test gets: laws that find the same counter-example each time, one thread a worker, the shared data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Set before numpy is loaded. Tests already run in several processes; nested thread pools make them slower and sums differ in the last bit.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

ROOT = Path(__file__).resolve().parent.parent

# Derandomized: a red run is red again on the next machine. Time says nothing there, so neither deadline nor "too slow".
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data beside the repository (or ``$ASSAY_SHARED``); skips where it is absent."""
    folder = Path(os.environ.get("ASSAY_SHARED") or ROOT.parent / "shared").resolve()
    if not folder.is_dir():
        pytest.skip(f"the shared data is not here: there is no folder '{folder.name}' beside the repository, nor in ASSAY_SHARED")
    return folder
