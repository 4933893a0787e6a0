"""skops: files of scikit-learn models that run no code; types that skops does not know are allowed with ``trust`` only."""

from __future__ import annotations

from assay.errors import MissingExtraError, ModelError, UntrustedModelError, listed
from assay.model import archive
from assay.model.file import File
from assay.model.format import Format, Options

__all__ = ["FORMAT", "load", "recognises"]


def recognises(model: object) -> bool:
    """Return whether ``model`` is an archive with a skops schema in it."""
    if not isinstance(model, File) or (model.kind != "zip" and model.suffix != ".skops"):
        return False
    return model.suffix == ".skops" or _holds_schema(model)


def _holds_schema(file: File) -> bool:
    try:
        return any(each.name == "schema.json" for each in archive.members(file.data))
    except ModelError:   # told where it is loaded, if another format does not take it
        return False


def load(file: File, options: Options) -> object:
    """Return the object in a skops file."""
    if file.kind != "zip" or not any(each.name == "schema.json" for each in archive.members(file.data, where=options.name)):
        raise ModelError("this is no skops file, or it is cut off", expected="an archive with a schema.json in it")
    try:
        from skops import io as skops
    except ImportError:
        raise MissingExtraError.of("skops", "to load a skops file") from None
    unknown = skops.get_untrusted_types(data=file.data)
    if unknown and not options.trust:
        raise UntrustedModelError(f"the file holds types that skops does not trust by itself: {listed(map(str, unknown), 5)}",
                                  hint="if you trust where it comes from, pass --trust (trust=True)")
    found: object = skops.loads(file.data, trusted=unknown)
    return found


FORMAT = Format(recognises, load, what="scikit-learn models in .skops files", library="skops", extra="skops",
                runs="only with types that skops does not know")
