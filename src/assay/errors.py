"""Everything assay raises, as one tree.

An error is part of the product: one sentence that says *what* is wrong, *where*, what was *expected*, and a *hint*
with what exists. The command line prints that sentence and exits with 2; nobody should have to read a traceback.

::

    AssayError                         whatever a user can put right (exit 2)
      DataError (ValueError)           the data cannot be read or used
        EmptyDataError                 no rows, or none left after a filter
        UnreadableDataError            a broken file, or not what its name says
        UnknownColumnError             a column that is not there; names the nearest
        ColumnTypeError                a column whose type or values cannot be used so
      ModelError                       the model cannot be loaded or used
        UnknownFormatError             no adapter recognises it
        UntrustedModelError            loading it would run code, and nobody allowed that
        SignatureError                 its inputs and the data do not fit together
        PredictionError                it raised, or answered nonsense: the model's fault, so a verdict
      ConfigError (ValueError)         a configuration, option or expression is wrong
        ExpressionError                a check or predicate that cannot be parsed; points at the place
      UnknownNameError (LookupError)   no such metric, format, ...; names the nearest
      SummaryError (ValueError)        summaries that cannot be merged, or bytes that are not one
      MissingExtraError (ImportError)  an optional library is not installed
      DeliveryError                    a message about an incident did not arrive
      StoreError                       the store cannot be opened, read or written
        BusyError                      another process is at work there, and did not end in time
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = [
    "AssayError", "BusyError", "ColumnTypeError", "ConfigError", "DataError", "DeliveryError", "EmptyDataError", "ExpressionError",
    "MissingExtraError", "ModelError", "PredictionError", "SignatureError", "StoreError", "SummaryError", "UnknownColumnError",
    "UnknownFormatError",
    "UnknownNameError", "UnreadableDataError", "UntrustedModelError", "nearest", "without_secrets",
]

# in a URL: all that stands before the last @ of what is not yet a query, and every value of the query; elsewhere, what is called a secret
_URL = re.compile(r"(?P<scheme>[A-Za-z0-9+.\-]*://)(?P<user>[^\s?#'\"]*@)?(?P<path>[^\s?#'\"]*)(?P<query>\?[^\s'\"#]*)?")
_WORDS = "token|password|passwd|pwd|secret|passphrase|key|sig|signature|credential"
_SECRET = re.compile(rf"(?i)\b((?:\w*[_-])?(?:{_WORDS})s?\s*=\s*)[^&\s;,'\"]+")


SHORTEST = 3  # letters of the beginning of a name by which it is known


def without_secrets(text: str) -> str:
    """Return ``text`` with the credentials of URLs replaced, for logs, errors and reports.

    >>> without_secrets("postgresql://ann:s3cret@db/credit?token=abc")
    'postgresql://***@db/credit?token=***'
    """
    return _SECRET.sub(r"\1***", _URL.sub(_masked, text))


def _masked(found: re.Match[str]) -> str:
    query = re.sub(r"=[^&;]*", "=***", found["query"] or "")
    return f"{found['scheme']}{'***@' if found['user'] else ''}{found['path']}{query}"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of ``names`` that a user who typed ``name`` most likely meant, or None.

    >>> nearest("delayd", ["carrier", "delayed", "origin"]), nearest("income", ["age", "income-per-year"])
    ('delayed', 'income-per-year')
    """
    known = [str(each) for each in names]
    folded = {each.casefold(): each for each in reversed(known)}
    asked = str(name).casefold()
    found = difflib.get_close_matches(asked, list(folded), n=1, cutoff=0.6)
    # a name that was not written to its end
    found = found or [each for each in folded if len(asked) >= SHORTEST and each.startswith(asked)][:1]
    return folded[found[0]] if found else None


def listed(names: Iterable[str], most: int = 8) -> str:
    """Return names for a sentence, quoted and cut after ``most``.

    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    known = [str(each) for each in names]
    shown = ", ".join(f"'{each}'" for each in known[:most])
    return shown + (f" and {len(known) - most} more" if len(known) > most else "")


class AssayError(Exception):
    """Whatever a user can put right; prints as one sentence with where, expected and hint.

    >>> print(AssayError("the label is missing", where="test.parquet", expected="a column", hint="pass --label"))
    test.parquet: the label is missing; expected a column; hint: pass --label
    """

    def __init__(self, what: str, *, where: str | None = None, expected: str | None = None, hint: str | None = None):
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.expected:
            text += f"; expected {self.expected}"
        if self.hint:
            text += f"; hint: {self.hint}"
        return without_secrets(" ".join(text.split()))

    def __reduce__(self) -> tuple[object, ...]:  # errors cross process borders; keyword arguments would get lost
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[AssayError], state: dict[str, object]) -> AssayError:
    error = kind.__new__(kind)
    Exception.__init__(error, state.get("what", ""))
    error.__dict__.update(state)
    return error


class DataError(AssayError, ValueError):
    """The data cannot be read or used."""


class EmptyDataError(DataError):
    """There are no rows, or none are left after a filter."""


class UnreadableDataError(DataError):
    """A file is broken, or is not what its name says."""


class UnknownColumnError(DataError):
    """A column is not there; the message names the nearest one that is.

    >>> print(UnknownColumnError.among("delayd", ["carrier", "delayed"], where="test.parquet"))
    test.parquet: there is no column 'delayd'; expected one of 'carrier', 'delayed'; hint: did you mean 'delayed'?
    """

    @classmethod
    def among(cls, name: str, names: Iterable[str], *, where: str | None = None) -> UnknownColumnError:
        known = [str(each) for each in names]
        guess = nearest(name, known)
        return cls(f"there is no column '{name}'", where=where, expected=f"one of {listed(known)}" if known else None,
                   hint=f"did you mean '{guess}'?" if guess else None)


class ColumnTypeError(DataError):
    """A column's type or values cannot be used in the way that was asked."""


class ModelError(AssayError):
    """The model cannot be loaded or used."""


class UnknownFormatError(ModelError):
    """No adapter recognises the model."""


class UntrustedModelError(ModelError):
    """Loading the model would run code that it brings, and nobody allowed that."""


class SignatureError(ModelError):
    """The model's inputs or classes and the data do not fit together."""


class PredictionError(ModelError):
    """The model raised, or answered nonsense: the model's fault, so checks report it as a verdict."""


class ConfigError(AssayError, ValueError):
    """A configuration, an option or an expression is wrong."""


class ExpressionError(ConfigError):
    """A check or a predicate cannot be parsed; ``position`` is the 0-based place in ``text``.

    >>> print(ExpressionError("expected a number", text="auc >= high", position=7))
    in 'auc >= high' at column 8: expected a number
    """

    def __init__(self, what: str, *, text: str = "", position: int = 0, expected: str | None = None, hint: str | None = None):
        super().__init__(what, where=f"in '{text}' at column {position + 1}", expected=expected, hint=hint)
        self.text = text
        self.position = position


class UnknownNameError(AssayError, LookupError):
    """Nothing of that name is registered; the message names the nearest.

    >>> print(UnknownNameError.among("metric", "recal", ["precision", "recall"]))
    there is no metric 'recal'; expected one of 'precision', 'recall'; hint: did you mean 'recall'?
    """

    @classmethod
    def among(cls, noun: str, name: str, names: Iterable[str], *, where: str | None = None) -> UnknownNameError:
        known = sorted(str(each) for each in names)
        guess = nearest(name, known)
        return cls(f"there is no {noun} '{name}'", where=where, expected=f"one of {listed(known, 40)}" if known else None,
                   hint=f"did you mean '{guess}'?" if guess else None)


class SummaryError(AssayError, ValueError):
    """Summaries that cannot be merged, or bytes that are not a summary."""


class MissingExtraError(AssayError, ImportError):
    """An optional library is not installed.

    >>> print(MissingExtraError.of("lightgbm", "to load a LightGBM model"))
    the library 'lightgbm' is needed to load a LightGBM model; hint: pip install 'assay[lightgbm]'
    """

    @classmethod
    def of(cls, library: str, why: str, extra: str | None = None) -> MissingExtraError:
        return cls(f"the library '{library}' is needed {why}", hint=f"pip install 'assay[{extra or library}]'")


class DeliveryError(AssayError):
    """A message about an incident did not arrive."""


class StoreError(AssayError):
    """The store of results, or the ledger of rows, cannot be opened, read or written."""


class BusyError(StoreError):
    """Another process is at work on the same, and did not end in the time that was given."""
