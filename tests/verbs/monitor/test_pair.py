"""Production against its shadow on real rows: real models, one of them broken on purpose, both well, logged or asked, cut off and replayed."""

from __future__ import annotations

import datetime as dt
import json

import joblib
import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from assay.errors import ConfigError
from assay.monitor.disagreement import PAIR
from assay.monitor.setting import settings
from assay.monitor.version import VERSIONS
from assay.result import Incident
from assay.verbs.config import read
from assay.verbs.explain.cause import Stretch, paged
from assay.verbs.monitor import monitor, stream
from assay.verbs.monitor.held import Held
from tests.verbs.monitor.test_monitor import config, told

DAYS, ROWS = 26, 300
BAD = 22
START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
NAMES = ("radius", "texture", "smoothness", "concavity", "worst_radius", "worst_texture")
COLUMNS = (0, 1, 4, 6, 20, 21)
OWN = ("radius", "texture", "smoothness", "concavity")     # what production reads
OTHER = ("worst_radius", "worst_texture", "smoothness")    # what its shadow reads
LOGGED = """\
columns: {label: benign, id: id, timestamp: at, score: score}
task: binary
classes: [0, 1]
positive: 1
monitor:
  estimate: false
  learning: 14
  promises: []
  shadow: {score: shadow_score}
"""
ASKED = """\
model: shadow.joblib
champion: production.joblib
columns: {label: benign, id: id, timestamp: at, ignored: [place]}
positive: 1
monitor: {estimate: false, learning: 14, promises: [], shadow: model}
"""


@pytest.fixture(scope="module")
def world():
    """Return days of real rows (tumours, drawn again and again), two models fitted to half of them, and their scores of these days."""
    data = load_breast_cancer()
    x, y = data.data[:, COLUMNS], data.target
    own, other = ([NAMES.index(each) for each in some] for some in (OWN, OTHER))
    frame = {name: x[::2, at] for at, name in enumerate(NAMES)}
    models = []
    for names, model in ((OWN, make_pipeline(StandardScaler(), LogisticRegression())), (OTHER, DecisionTreeClassifier(max_depth=5, min_samples_leaf=5, random_state=0))):
        pandas = pytest.importorskip("pandas")
        models.append(model.fit(pandas.DataFrame({name: frame[name] for name in names}), y[::2]))
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(x), DAYS * ROWS)
    rows = x[drawn] * rng.normal(1, 0.02, (len(drawn), len(NAMES)))    # no two are the very same
    day = np.repeat(np.arange(DAYS), ROWS)
    at = [START + dt.timedelta(days=int(each), minutes=int(minute)) for each, minute in zip(day, rng.integers(0, 1440, len(day)), strict=True)]
    table = pa.table({"id": np.arange(len(day)), "at": pa.array(at, pa.timestamp("us", "UTC")), "place": rng.choice(["a", "b", "c"], len(day)),
                      **{name: rows[:, place] for place, name in enumerate(NAMES)}, "benign": y[drawn]})
    scores = [_scores(model, rows[:, some], names) for model, some, names in zip(models, (own, other), (OWN, OTHER), strict=True)]
    return table, models, scores, day


def _scores(model, rows, names):
    pandas = pytest.importorskip("pandas")
    return model.predict_proba(pandas.DataFrame(rows, columns=list(names)))[:, 1]


def logged(world, shadow=None, production=None, table=None):
    table = world[0] if table is None else table
    one, two = world[2]
    return table.append_column("score", pa.array(one if production is None else production)).append_column(
        "shadow_score", pa.array(two if shadow is None else shadow))


def pages(run, source=PAIR):
    return [each for each in run.incidents if each.page and each.source == source]


def test_a_constant_answer_is_paged_as_the_shadows_fault_and_a_restart_loses_nothing(world, tmp_path):
    _, _, (_, two), day = world
    bad = logged(world, shadow=np.where(day >= BAD, two.mean(), two))
    path = config(tmp_path, LOGGED)
    run = monitor.replay(path, bad)
    (page,) = pages(run)
    assert page.first_seen.startswith("2026-01-27")
    assert "the fault is the shadow's" in page.sentence
    assert "very same answer" in page.sentence or "decide otherwise" in page.sentence
    assert any(each.startswith("production and shadow decide otherwise in") for each in run.notes)
    assert {"Shadow less production", "Each model against its own history"} <= {each.name for each in run.figures}
    found = [monitor.run(path, bad.slice(low * ROWS, 13 * ROWS), send=False) for low in (0, 13)]
    assert told(monitor.status(path)) == told(run)
    assert len(found[1].opened) == 1
    assert any("known by its logged answers only" in each for each in found[1].run.notes) or found[1].opened[0].cause is None


def test_broken_production_is_productions_fault(world, tmp_path):
    _, _, (one, _), day = world
    (page,) = pages(monitor.replay(config(tmp_path, LOGGED), logged(world, production=np.where(day >= BAD, 1 - one, one))))
    assert "the fault is production's" in page.sentence


def test_it_says_where(world, tmp_path):
    table, _, (_, two), day = world
    mine = (day >= BAD) & (np.asarray(table["place"].to_pylist()) == "b")
    (page,) = pages(monitor.replay(config(tmp_path, LOGGED), logged(world, shadow=np.where(mine, 1 - two, two))))
    assert "mostly where place is b" in page.sentence or {"where": "place == 'b'"} in page.slices


def test_what_moves_the_data_moves_both_and_pages_nobody(world, tmp_path):
    table, _, (one, two), day = world
    large = table["radius"].to_numpy() > np.median(table["radius"].to_numpy())
    rng = np.random.default_rng(1)
    chosen = np.concatenate([np.flatnonzero(day == each) if each < BAD else rng.choice(np.flatnonzero((day < BAD) & large), ROWS)
                             for each in range(DAYS)])
    moved = table.take(pa.array(chosen))
    moved = moved.set_column(0, "id", table["id"]).set_column(1, "at", table["at"])
    run = monitor.replay(config(tmp_path, LOGGED), logged(world, shadow=two[chosen], production=one[chosen], table=moved))
    assert pages(run) == []


def test_silence_of_the_shadow(world, tmp_path):
    _, _, (_, two), day = world
    (page,) = pages(monitor.replay(config(tmp_path, LOGGED), logged(world, shadow=np.where((day >= BAD) & (np.arange(len(day)) % 10 == 0), np.nan, two))))
    assert "no answer from the shadow in 10.0% of the rows, from production in 0.0%" in page.sentence


def test_silence_of_some_is_placed_by_who_is_silent(world, tmp_path):
    table, _, (_, two), day = world
    mine = (day >= BAD) & (np.asarray(table["place"].to_pylist()) == "b")
    (page,) = pages(monitor.replay(config(tmp_path, LOGGED), logged(world, shadow=np.where(mine, np.nan, two))))
    assert "mostly where place b" in page.sentence or "mostly where place is b" in page.sentence
    assert "100% of them without an answer, 0% elsewhere" in page.sentence
    (page,) = pages(monitor.replay(config(tmp_path, LOGGED), logged(world, shadow=np.where(day >= BAD, np.nan, two))))
    assert page.sentence.startswith("shadow: the fault is the shadow's since 2026-01-27")


def test_what_cannot_be_a_shadow_is_told(world, tmp_path):
    table = logged(world)
    for name, words in (("score", "is production's answer"), ("benign", "has the role label")):
        with pytest.raises(ConfigError, match=words):
            monitor.replay(config(tmp_path, LOGGED.replace("score: shadow_score", f"score: {name}")), table)
    run = monitor.replay(config(tmp_path, LOGGED.replace("score: shadow_score", "score: place")), table)
    assert any("the column 'place' holds no numbers" in each for each in run.notes)
    run = monitor.replay(config(tmp_path, LOGGED.replace("score: shadow_score", "score: score2")), table.append_column("score2", table["score"]))
    assert any("are they one model" in each for each in run.notes)


@pytest.mark.parametrize(("names", "odd"), [(("0", "1"), False), (("No", "Yes"), True)])
def test_classes_of_a_shadow_are_compared_with_scores(world, tmp_path, names, odd):
    chosen = np.where(world[2][1] >= 0.5, names[1], names[0])
    table = logged(world).append_column("said", pa.array(chosen))
    run = monitor.replay(config(tmp_path, LOGGED.replace("score: shadow_score", "prediction: said")), table)
    assert any("classes written the same way" in each for each in run.notes) == odd


def test_models_are_asked_and_the_column_that_parts_them_is_named(world, tmp_path):
    """The column that only the shadow reads comes in another unit: a fault of the data, which moves one of the two."""
    table, models, _, day = world
    for name, model in zip(("production", "shadow"), models, strict=True):
        joblib.dump(model, tmp_path / f"{name}.joblib")
    broken = np.where(day >= BAD, 0.55, 1.0) * table["worst_radius"].to_numpy()
    bad = table.set_column(table.schema.get_field_index("worst_radius"), "worst_radius", pa.array(broken))
    job = stream.Job(read(config(tmp_path, ASKED)), trust=True)
    held = Held(job, [job.opened(bad)])
    assert {"assay score", "assay shadow score"} <= set(held.parts[0].column_names)
    assert not any(name.startswith("assay shadow") for some in job.kinds.values() for name in some)
    stretch = Stretch([each.start for each in held.windows], lambda number: held.parts[number])
    why = job.pair.why(stretch, BAD)
    assert why.startswith("the shadow's score less production's is 0.")
    assert " by worst_radius" in why
    about = Incident("", "", True, "shadow: they part", source=PAIR, kind="drift", id="x")
    causes, notes = paged(job, [about], {"x": BAD}, stretch)
    assert causes == {"x": f"why: {why}"}
    assert notes == []


def test_a_shadow_that_cannot_answer_keeps_no_row_from_production(world, tmp_path):
    table, models, _, _ = world
    for name, model in zip(("production", "shadow"), models, strict=True):
        joblib.dump(model, tmp_path / f"{name}.joblib")
    path = config(tmp_path, ASKED)
    found = monitor.run(path, table.slice(0, 2 * ROWS).drop_columns(["worst_texture"]), trust=True, send=False)
    assert any(each.startswith("the shadow did not answer for rows of") and "worst_texture" in each for each in found.run.notes)
    assert found.run.about["windows"] == 2


def test_memory_survives_as_bytes(world, tmp_path):
    job = stream.Job(read(config(tmp_path, LOGGED)))
    held = Held(job, [job.opened(logged(world))])
    memory = stream.Memory()
    for window, part in zip(held.windows[:16], held.parts, strict=False):
        memory, _ = job.step(stream.Memory.parse(memory.dump()), window, part, behind=held.behind)
    assert memory.pairs.norm is not None
    assert stream.Memory.parse(memory.dump()).dump() == memory.dump()
    assert json.dumps(memory.pairs.to_json())


@pytest.mark.parametrize(("given", "words"), [("path.joblib", "model, champion"), ({"scores": "x"}, "score"), ({}, "names no column")])
def test_mistakes_are_told(given, words):
    with pytest.raises(ConfigError, match=r"shadow|score") as error:
        settings({"shadow": given})
    assert words in str(error.value)


def test_a_shadow_needs_somebody_in_production(tmp_path):
    with pytest.raises(ConfigError, match="nothing in production"):
        stream.Job(read(config(tmp_path, "monitor: {shadow: {score: x}}\n")))
    with pytest.raises(ConfigError, match="names no champion"):
        stream.Job(read(config(tmp_path, "columns: {score: s}\nmonitor: {shadow: champion}\n")))


VERSIONED = """\
columns: {label: benign, id: id, timestamp: at, score: score}
task: binary
classes: [0, 1]
positive: 1
slices: [place]
monitor: {estimate: false, learning: 14, promises: [], by: model_version * place, by_rows: 40}
"""


def versioned(world, broken):
    """Version b serves two places, a all three; b is broken from a day on where ``broken``."""
    table, _, (one, _), day = world
    place = np.asarray(table["place"].to_pylist())
    rng = np.random.default_rng(2)
    version = np.where((place != "c") & (rng.random(len(day)) < 0.6), "b", "a")
    score = np.where(broken & (day >= BAD) & (version == "b"), one**0.25, one)
    return table.append_column("model_version", pa.array(version)).append_column("score", pa.array(score))


def test_a_version_that_goes_mad_is_named_and_where_all_are_well_none_is(world, tmp_path):
    run = monitor.replay(config(tmp_path, VERSIONED), versioned(world, True))
    (page,) = pages(run, VERSIONS)
    assert "version b answers +" in page.sentence
    assert "the fault is its own" in page.sentence
    assert page.slices == ({"model_version": "b"},)
    assert any(each.startswith("versions against the others on comparable rows") for each in run.notes)


def test_a_version_that_serves_others_is_not_held_against_it(world, tmp_path):
    run = monitor.replay(config(tmp_path, VERSIONED), versioned(world, False))
    assert pages(run, VERSIONS) == []


def test_a_column_of_the_shadow_that_is_misspelt_is_told_and_production_is_watched(tmp_path) -> None:
    rng = np.random.default_rng(0)
    at = pa.array([dt.datetime(2026, 3, 1, tzinfo=dt.UTC) + dt.timedelta(hours=each) for each in range(240)], pa.timestamp("us", "UTC"))
    rows = pa.table({"at": at, "score": rng.random(240), "second": rng.random(240)})
    text = "columns: {timestamp: at, score: score}\ntask: binary\nclasses: [0, 1]\npositive: 1\nmonitor: {estimate: false, shadow: {score: secnd}}\n"
    run = monitor.replay(config(tmp_path, text), rows)
    assert any("there is no column 'secnd'; did you mean 'second'?" in each for each in run.notes), run.notes
