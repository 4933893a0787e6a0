"""skops: files of scikit-learn models that run no code; types that skops does not know are allowed with ``trust`` only."""

from __future__ import annotations

import io
import zipfile

from assay.errors import MissingExtraError, ModelError, UntrustedModelError, listed
from assay.model.file import File
from assay.model.format import Format, Options

__all__ = ["FORMAT", "load", "recognises"]

# A model of numbers compresses little; more than this is an archive made to fill the memory.
RATIO, ALLOWED = 200, 64 * 2**20


def recognises(model: object) -> bool:
    """Return whether ``model`` is an archive with a skops schema in it."""
    if not isinstance(model, File) or (model.kind != "zip" and model.suffix != ".skops"):
        return False
    return model.suffix == ".skops" or "schema.json" in _members(model)


def _members(file: File) -> dict[str, int]:
    try:
        with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
            return {each.filename: each.file_size for each in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return {}


def load(file: File, options: Options) -> object:
    """Return the object in a skops file."""
    members = _members(file)
    if "schema.json" not in members:
        raise ModelError("this is no skops file, or it is cut off", expected="an archive with a schema.json in it")
    if sum(members.values()) > ALLOWED + RATIO * len(file.data):
        raise ModelError(f"the archive of {len(file.data)} bytes unpacks to {sum(members.values())}", expected="a model")
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


FORMAT = Format(recognises, load)
