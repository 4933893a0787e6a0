"""How the tables came to be, step by step; an older store is brought forward when it is opened, a newer one is refused.

``migrate(database)`` is the whole interface. A step, once released, is never changed: what it made is out there. Only ``assay.store.store``
imports it.
"""

from __future__ import annotations

import uuid

from assay.errors import StoreError
from assay.store._database import Database

__all__ = ["STEPS", "identity", "migrate"]

STEPS: tuple[tuple[str, ...], ...] = (
    (   # 1: what was found, what people said of it, what the monitor remembers
        "create table assay_store (name TEXT primary key, value TEXT not null)",
        ("create table assay_run (id TEXT primary key, verb TEXT not null, model TEXT, span BIGINT, at BIGINT not null, verdict "
         "TEXT not null, body TEXT not null)"),
        "create index assay_run_at on assay_run (model, at)",
        ("create table assay_value (run TEXT not null, place BIGINT not null, metric TEXT not null, model TEXT, about TEXT, "
         "slice TEXT not null, span BIGINT, at BIGINT not null, body TEXT not null, primary key (run, place))"),
        "create index assay_value_metric on assay_value (metric, model, at)",
        ("create table assay_verdict (run TEXT not null, place BIGINT not null, title TEXT not null, model TEXT, verdict TEXT "
         "not null, span BIGINT, at BIGINT not null, body TEXT not null, primary key (run, place))"),
        "create index assay_verdict_title on assay_verdict (title, model, at)",
        ("create table assay_finding (run TEXT not null, place BIGINT not null, probe TEXT not null, model TEXT, at BIGINT not "
         "null, body TEXT not null, primary key (run, place))"),
        "create index assay_finding_probe on assay_finding (probe, model, at)",
        ("create table assay_incident (monitor TEXT not null, id TEXT not null, opened BIGINT not null, changed BIGINT not null, "
         "source TEXT, body TEXT not null, primary key (monitor, id))"),
        ("create table assay_event (monitor TEXT not null, incident TEXT not null, place BIGINT not null, what TEXT not null, at "
         "BIGINT not null, person TEXT, remark TEXT, until BIGINT, primary key (monitor, incident, place))"),
        ("create table assay_note (source TEXT not null, about TEXT not null, place BIGINT not null, at BIGINT not null, person "
         "TEXT, body TEXT not null, primary key (source, about, place))"),
        ("create table assay_decision (id TEXT primary key, subject TEXT not null, decision TEXT not null, at BIGINT not null, "
         "person TEXT, remark TEXT, run TEXT)"),
        "create index assay_decision_subject on assay_decision (subject, at)",
        ("create table assay_message (id TEXT primary key, state TEXT not null, due DOUBLE PRECISION not null, at BIGINT not "
         "null, body TEXT not null)"),
        "create index assay_message_state on assay_message (state, due)",
        "create table assay_state (monitor TEXT not null, span BIGINT not null, body BLOB not null, primary key (monitor, span))",
        ("create table assay_profile (model TEXT not null, source TEXT not null, span BIGINT not null, body BLOB not null, "
         "primary key (model, source, span))"),
    ),
    (   # 2: which files of the ledger count
        "create table assay_counter (model TEXT primary key, next_sequence BIGINT not null, next_arrival BIGINT not null)",
        ("create table assay_arrival (model TEXT not null, number BIGINT not null, kind TEXT not null, digest TEXT not null, "
         "name TEXT not null, total BIGINT not null, fresh BIGINT not null, changed BIGINT not null, at BIGINT not null, "
         "primary key (model, number))"),
        "create unique index assay_arrival_digest on assay_arrival (model, kind, digest)",
        ("create table assay_segment (model TEXT not null, file TEXT not null, kind TEXT not null, total BIGINT not null, "
         "bytes BIGINT not null, low BIGINT, high BIGINT, first_sequence BIGINT, last_sequence BIGINT, first_arrival BIGINT, "
         "last_arrival BIGINT, arrow BLOB not null, roles TEXT not null, gone BLOB, primary key (model, file))"),
        ("create table assay_touched (model TEXT not null, span BIGINT not null, until BIGINT not null, name TEXT not null, "
         "arrival BIGINT not null, primary key (model, span, until))"),
    ),
    (   # 3: why rows got their answers
        "create table assay_explained (id TEXT primary key, model TEXT not null, body TEXT not null)",
        ("create table assay_attribution (explained TEXT not null, named TEXT not null, mark BIGINT not null, entity TEXT, at BIGINT not "
         "null, body BLOB not null, primary key (explained, named))"),
        "create index assay_attribution_named on assay_attribution (named)",
        "create index assay_attribution_entity on assay_attribution (entity)",
        "create index assay_attribution_at on assay_attribution (at)",
    ),
)


def migrate(database: Database) -> int:
    """Bring the tables to this release's version and return it; raises ``StoreError`` for a store of a newer release, or of others."""
    latest = len(STEPS)
    if _version(database) == latest:
        return latest
    with database.transaction():   # looked at again inside: another process may have done it in the meantime
        version = _version(database)
        if version == 0 and (others := database.tables() - {"sqlite_sequence"}) and not database.shared:
            raise StoreError("this database belongs to another program", where=database.name, expected="a store written by assay",
                             hint=f"it holds a table '{min(others)[:40]}'; name a file that does not exist yet to begin a new store")
        for step in STEPS[version:]:
            for sql in step:
                database.execute(sql)
        if version == 0:
            database.insert("assay_store", ("name", "value"), [("id", uuid.uuid4().hex)])
        database.insert("assay_store", ("name", "value"), [("version", str(latest))], key=("name",))
    return latest


def identity(database: Database) -> str:
    """Return the name that this store was given when it was made, which no other has."""
    return str(database.execute("select value from assay_store where name = 'id'")[0][0])


def _version(database: Database) -> int:
    if "assay_store" not in database.tables():
        return 0
    found = database.execute("select value from assay_store where name = 'version'")
    text = str(found[0][0]) if found else ""
    if not text.isdigit() or not 0 < int(text):
        raise StoreError("the store does not say which version it is of", where=database.name, hint="restore it from a backup")
    if int(text) > len(STEPS):
        raise StoreError(f"the store was written by a newer release of assay (version {int(text)})", where=database.name,
                         expected=f"version {len(STEPS)} or older", hint="upgrade assay; a store cannot go back")
    return int(text)
