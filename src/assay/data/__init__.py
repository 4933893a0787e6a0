"""Data as Arrow record batches: sources of every kind, the roles of columns, and ways to cut the rows.

Interface: ``source.source`` opens data, ``Schema`` says what each column is for, ``slicing`` cuts rows by a text such as
``"carrier * age:4"``, ``predicate.parse`` reads conditions such as ``"age < 25"``. Everything above this line may import it.
"""

from __future__ import annotations

from assay.data.schema import Column, Schema
from assay.data.slice import Slicing, slicing
from assay.data.source import Source

__all__ = ["Column", "Schema", "Slicing", "Source", "slicing"]
