"""Apprise, which knows some hundred services for messages; the one place that knows Apprise. Only ``delivery`` imports it."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from assay.errors import DeliveryError, MissingExtraError

__all__ = ["label", "send"]

# services that act on the machine where the monitor runs; a configuration from elsewhere has no business there
_LOCAL = frozenset({"dbus", "kde", "qt", "glib", "gnome", "growl", "macosx", "windows", "syslog"})


def _library() -> Any:
    try:
        import apprise
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("apprise", "to send messages (hooks:// works without)") from error
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs addresses, which hold secrets
    return apprise


def label(url: str) -> str | None:
    """Return what may be shown of an address: its scheme and host, or its scheme; None where Apprise does not know it."""
    library = _library()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the first address loads every service, some of which lag behind Python
        found = library.Apprise.instantiate(url, suppress_exceptions=True)
    scheme = url.partition("://")[0].lower()
    if found is None or scheme in _LOCAL:
        return None
    host = getattr(found, "host", None)  # of services whose address has a real one; elsewhere the place holds a token
    return f"{scheme}://{host}" if host and scheme in ("json", "jsons", "xml", "xmls", "form", "forms") else f"{scheme}://***"


def send(url: str, title: str, body: str, severity: str) -> None:
    """Send a message; raises ``DeliveryError`` where the service did not take it."""
    library = _library()
    kind = {"page": library.NotifyType.FAILURE, "ticket": library.NotifyType.WARNING, "resolved": library.NotifyType.SUCCESS}[severity]
    service = library.Apprise(asset=library.AppriseAsset(async_mode=False, app_id="assay"))
    if not service.add(url) or not service.notify(body=body, title=title, notify_type=kind, body_format=library.NotifyFormat.TEXT):
        raise DeliveryError("the service did not take the message", where=label(url) or "", hint="try it: apprise -b test ADDRESS")
