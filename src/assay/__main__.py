"""``python -m assay`` is the command ``assay``."""

from __future__ import annotations

from assay.app.command import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
