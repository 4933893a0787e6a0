"""The default suite: what a careful colleague would look at first, chosen by what the data and the model are.

``items(scene)`` returns the things to look for, each a check as a user could write it, with what to say when the fault is there, when
it is not, and what to do next. Bounds are where the fault is worth a person's time whatever the trade; ``design/suite.md`` gives the
reasons. For verbs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

__all__ = ["Item", "Scene", "cut", "items", "named"]

Grave = Literal["fail", "warn"]

SURE = 0.02  # by which confidence and hits must differ to say which way scores are off


@dataclass(frozen=True)
class Scene:
    """What there is to judge: the task, what the model answers, and which data and columns were given.

    ``content`` says that there are columns of free text or images; ``slices`` are texts of slicings, ``protected`` and ``forbidden``
    names of columns (``measured`` those protected that are numbers of many values); ``overall`` holds the values measured on all rows,
    by metric, as far as they are known; ``classes`` is how many there are. ``single`` says that all labels are of one class,
    ``guarded`` which protected columns it reads, ``refused`` without which it gives no answer though they never lack, ``sure`` by how
    much its confidence lies above the share of rows that it has right. ``twin`` names a baseline that answers as the model does,
    ``coarse`` says why rows may well repeat each other, up to the share ``repeats``.
    """

    task: str | None = None
    scored: bool = False
    labelled: bool = False
    asked: bool = False
    train: bool = False
    reference: bool = False
    entity: bool = False
    available_at: bool = False
    ids: bool = False
    classes: int = 2
    content: bool = False
    slices: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    ungrouped: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    overall: dict[str, float] = field(default_factory=dict)
    single: bool = False
    guarded: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    sure: float | None = None
    twin: str | None = None
    coarse: str = ""
    repeats: float = 0.01


@dataclass(frozen=True)
class Item:
    """One thing to look for.

    ``expression`` is the check; ``grave`` what a shown fault is (a failure, or a warning); ``rank`` where it stands among the faults, low
    first. ``fault``, ``fine`` and ``proof`` are sentences with the fields ``{value} {low} {high} {n} {column} {note} {place} {bound}``
    and, for differences, ``{away} {nearest} {farthest}``: how far the value and its ends lie from 0. ``hint`` has the same fields.
    ``many`` stands for a fault of more than ``alone`` columns at once and has ``{count} {columns}``. ``proof`` is set where an
    undecided outcome deserves a warning too: the model has to show that it is worth having. With ``share``, numbers are shown as
    percentages. ``topic`` says what an undecided outcome is not sure of; of slices, ``whole`` is what all rows have. With ``gaps``,
    columns of which nothing could be measured are named.
    """

    aspect: str
    expression: str
    _: KW_ONLY
    fault: str
    fine: str
    hint: str
    grave: Grave = "warn"
    rank: int = 50
    many: str = ""
    alone: int = 3
    proof: str = ""
    share: bool = True
    topic: str = ""
    whole: float | None = None
    gaps: bool = False


def named(column: str) -> str:
    """Return a column name as the expression language reads it.

    >>> named("age"), named("loan id")
    ('age', '`loan id`')
    """
    plain = _WORD.fullmatch(column) and column.casefold() not in _WORDS
    return column if plain else "`" + column.replace("`", "``") + "`"


def cut(column: str, measured: tuple[str, ...] = ()) -> str:
    """Return how rows are cut by a column: by its values, or by quarters where it is a number of many values.

    >>> cut("sex"), cut("age", ("age",))
    ('sex', 'age:4')
    """
    return named(column) + (":4" if column in measured else "")


# as in data/predicate.py, which checks do not see; a test holds the two together
_WORD = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_WORDS = frozenset({"of", "by", "where", "between", "and", "or", "not", "in", "is", "warn", "ratio", "difference", "true", "false", "null"})


def _literal(text: str) -> str:
    """Return a text from the data so that it stands as itself in a template."""
    return text.replace("{", "{{").replace("}", "}}")


def items(scene: Scene) -> tuple[Item, ...]:
    """Return what to look for in a scene; an item that depends on a value not measured yet has no place in it.

    >>> [each.expression for each in items(Scene(task="binary", labelled=True, scored=True, overall={"auc": 0.72}))][:2]
    ['calibration_error <= 0.05', 'calibration_error <= 0.1']
    """
    found = [*_baselines(scene), *_calibration(scene), *_leakage(scene), *_slices(scene), *_fairness(scene), *_inputs(scene),
             *_drift(scene), *_junk(scene), *_content(scene), *_representation(scene), *_sensitivity(scene)]
    return tuple(found)


def _baselines(scene: Scene) -> Iterator[Item]:
    if not (scene.train and scene.labelled) or scene.task not in ("binary", "multiclass", "regression"):
        return
    number = scene.task == "regression"
    what = "accuracy" if scene.task == "multiclass" or not scene.scored else "AUC"
    apart = ("the model's mean error is {away} [{nearest}, {farthest}] larger" if number else
             f"it is ahead by {{away}} [{{nearest}}, {{farthest}}] of {what}")
    fault = f"A baseline does better than the model: {{column}} ({{note}}); {apart}."
    hint = "Ship the baseline, or find out what the model lost: features, labels and training rows are the usual suspects."
    yield Item("baselines", "gain_over_baseline of * >= -0.005", fault=fault, fine="", hint=hint, grave="fail", rank=4, share=number)
    best = ("it saves {value} [{low}, {high}] of that one's mean error" if number else
            f"it is ahead by {{value}} [{{low}}, {{high}}] of {what}")
    same = f" It answers as the baseline {_literal(scene.twin)} does, so they tie." if scene.twin else ""
    yield Item("baselines", "gain_over_baseline of * >= 0", fault=fault, hint=hint, rank=4, share=number,
               fine=f"The model beats {'every other' if same else 'every'} baseline; the best is {{column}} ({{note}}): {best}.{same}",
               proof=f"The model is not shown to beat {{column}} ({{note}}): {best}.")


def _calibration(scene: Scene) -> Iterator[Item]:
    if scene.labelled and scene.scored and not scene.single and scene.task in ("binary", "multiclass"):
        fault = ("The scores are no probabilities: they miss the shares that occur by {value} on average [{low}, {high}]. "
                 "Whoever reads a score as a risk is misled.")
        if scene.sure is not None and abs(scene.sure) >= SURE:
            fault += (" They are too cautious: the model is right more often than they say." if scene.sure < 0 else
                      " They are too sure: the model is right less often than they say.")
        fine = "Scores are near the shares that occur: off by {value} on average [{low}, {high}]."
        hint = "Recalibrate on held-out data (isotonic or Platt), or use the scores for ranking only."
        topic = "how far the scores are from the shares that occur"
        yield Item("calibration", "calibration_error <= 0.05", topic=topic, fault=fault, fine=fine, hint=hint, rank=12)
        yield Item("calibration", "calibration_error <= 0.1", topic=topic, fault=fault, fine=fine, hint=hint, grave="fail", rank=8)


def _leakage(scene: Scene) -> Iterator[Item]:
    if scene.train:
        yield Item("leakage", "shared_rows <= 1%", topic="the rows shared with the training data",
                   fault="Rows of the training data are judged again: {value} of the rows, so every number here is too good ({note}).",
                   fine="Rows are not those of the training data ({note}).",
                   hint="Remove the shared rows and judge again; split by entity and by time.", grave="fail", rank=1)
        if scene.ids:
            yield Item("leakage", "shared_ids <= 1%", topic="the ids shared with the training data",
                       fault="Rows with the ids of training rows are judged: {value} of the rows.",
                       fine="No id is in the training data too.",
                       hint="Split by id, or find out why ids repeat.", rank=11)
    if scene.labelled:
        hint = "Find out when {column} is known: what is written after the outcome must not be a feature."
        yield Item("leakage", "lone_power of * <= 0.98", topic="what {column} alone tells of the label",
                   fault="{column} alone gives the label away: power {value} of 1 [{low}, {high}]. That is the label in other clothes.",
                   fine="No feature gives the label away; the strongest alone is {column}, power {value} of 1.", hint=hint, grave="fail",
                   rank=0, many="{count} features give the label away each alone: {columns}.", share=False)
        yield Item("leakage", "lone_power of * <= 0.8", topic="what {column} alone tells of the label",
                   fault="{column} alone almost predicts the label: power {value} of 1 [{low}, {high}]. It is very strong, or known late.",
                   fine="", hint=hint, rank=3, alone=1, share=False,
                   many="{count} features almost predict the label each alone: {columns}. They are very strong, or known late.")
    if scene.labelled and scene.train and scene.entity and scene.task is not None:
        yield Item("leakage", "seen_entity_gain <= 10%", topic="how much larger the error is for new entities",
                   fault="The model does better on entities that it has seen: its error on new ones is {value} larger [{low}, {high}].",
                   fine="New entities are predicted about as well as those seen in training.",
                   hint="Split by entity; what you measure here is memory.", rank=9)
    if scene.available_at:
        yield Item("leakage", "known_late of * <= 0", topic="how often {column} was known too late",
                   fault="{column} was known only after the moment of prediction in {value} of the rows.",
                   fine="Features were known in time.",
                   hint="Use the value as it was known then.", grave="fail", rank=0,
                   many="{count} features were known only after the moment of prediction: {columns}.")
    unread = "" if scene.asked else " No model is here that reads it."
    yield Item("leakage", "id_like of * <= 0",
               fault="{column} looks like an identifier ({note}): a model can learn rows by heart with it, and nothing for new ones."
               + unread,
               fine="No feature looks like an identifier.", hint="Leave {column} out of the features: columns: {{id: {quoted}}}.",
               grave="fail" if scene.asked else "warn", rank=2, many="{count} features look like identifiers: {columns}.", share=False)


def _slices(scene: Scene) -> Iterator[Item]:
    if not scene.labelled or scene.task not in ("binary", "multiclass", "regression"):
        return
    ranked = scene.task == "binary" and scene.scored
    main = "mae" if scene.task == "regression" else "auc" if ranked else "accuracy"
    whole = scene.overall.get(main)
    if ranked:
        yield Item("performance", "auc >= 0.5",
                   fault="The model ranks worse than a coin would: AUC {value} [{low}, {high}] on {n} rows. Labels, or answers, are "
                   "turned round.", fine="", rank=0, grave="fail", share=False,
                   hint="Is the positive class named rightly? Do the labels mean what they meant in training?")
    turned = ranked and whole is not None and whole < 0.5  # said once, of all rows
    for text in scene.slices:
        if turned:
            continue
        if ranked:
            yield Item("slices", f"auc by {text} >= 0.5",
                       fault="The model ranks {place} worse than a coin would: AUC {value} [{low}, {high}] on {n} rows. "
                       "Labels, or a feature, may be turned round there.",
                       fine="", hint="Look at rows of {place}: are label and features what they are elsewhere?", grave="fail", rank=1,
                       share=False)
        if whole is None:
            continue
        told = f"on {{n}} rows, where all rows have {whole:.3g}."
        name = ("band of " if ":" in text else "") + _literal(_dimension(text))
        if main == "mae":
            yield Item("slices", f"mae by {text} <= {1.5 * whole:.3g}", whole=whole, topic="the mean error of {place}",
                       fault=f"Errors of {{place}} are much larger: {{value}} [{{low}}, {{high}}] {told}",
                       fine=f"Errors are of one size for every {name}: the largest is {{value}} of {{place}}.", hint=_SERVE, rank=15,
                       share=False)
        else:
            shown = main.upper() if main == "auc" else main
            yield Item("slices", f"{main} by {text} >= {whole - 0.1:.3g}", whole=whole, topic=f"the {shown} of {{place}}",
                       fault=f"{{place}} is served worse: {shown} {{value}} [{{low}}, {{high}}] {told}",
                       fine=f"No {name} is served much worse than all rows: the lowest {shown} is {{value}} of {{place}}.", hint=_SERVE,
                       rank=15,
                       share=False)


_SERVE = "Is there too little training data for {place}, or does it need a feature of its own?"


def _dimension(text: str) -> str:
    return text.partition(":")[0].strip("`")


def _fairness(scene: Scene) -> Iterator[Item]:
    if scene.task not in ("binary", "multiclass") or scene.single:
        return
    for protected in scene.protected:
        if protected in scene.ungrouped:
            continue
        by, column = cut(protected, scene.measured), _literal(protected)
        if scene.task == "binary":
            yield Item("fairness", f"selection_rate ratio by {by} >= 0.8", topic=f"the ratio of selection rates by {column} ({{note}})",
                       fault=f"Groups of {column} are selected at different rates: the least favoured at {{value}} of the most favoured's "
                       "[{low}, {high}], below four fifths ({note}).",
                       fine=f"Groups of {column} are selected at similar rates: ratio {{value}} [{{low}}, {{high}}].",
                       hint="Below 0.8 many regulators presume adverse impact: look which features carry the gap.", grave="fail", rank=5,
                       share=False)
            if scene.labelled:
                for metric, name in (("recall", "true positive rate"), ("false_positive_rate", "false positive rate")):
                    yield Item("fairness", f"{metric} difference by {by} <= 0.1",
                               topic=f"the difference of the {name} by {column} ({{note}})",
                               fault=f"The {name} differs between groups of {column} by {{value}} [{{low}}, {{high}}] ({{note}}).",
                               fine=f"The {name} is similar in all groups of {column}: apart by {{value}} [{{low}}, {{high}}].",
                               hint="Equal opportunity is missed: compare thresholds and label quality by group.", rank=13, share=False)
        if scene.labelled:
            yield Item("fairness", f"accuracy difference by {by} <= 0.1", topic=f"the difference of accuracy by {column} ({{note}})",
                       fault=f"Accuracy differs between groups of {column} by {{value}} [{{low}}, {{high}}] ({{note}}).",
                       fine=f"Accuracy is similar in all groups of {column}: apart by {{value}} [{{low}}, {{high}}].",
                       hint="Is there too little training data for a group?", rank=18, share=False)


def _inputs(scene: Scene) -> Iterator[Item]:
    if scene.forbidden and scene.asked:
        yield Item("features", "forbidden_inputs of * <= 0", fault="The model reads the forbidden column {column}.",
                   fine="The model reads no forbidden column.", hint="Train without {column}.", grave="fail", rank=0,
                   many="The model reads forbidden columns: {columns}.", share=False)
    if scene.protected and scene.asked:
        yield Item("features", "protected_inputs of * <= 0", fault="The model reads the protected column {column} itself.",
                   fine="The model reads no protected column.", rank=6, many="The model reads protected columns itself: {columns}.",
                   hint="Is it allowed to? If so, write down why; if not, train without {column}, and look at stand-ins after that.",
                   share=False)
    if scene.forbidden or scene.protected:
        first = "The model reads what it stands for itself: decide on that first. " if scene.guarded else ""
        yield Item("features", "proxy_power of * <= 0.7", topic="what {column} tells of columns that must not count",
                   fault="{column} stands in for a column that must not count: {note}, power {value} of 1 [{low}, {high}].",
                   fine="No feature stands in for a protected or forbidden column; the strongest is {column} ({note}, power {value} of 1).",
                   hint=first + "Train without {column} and see what is lost; if it must stay, write down why.", rank=6, share=False,
                   many="{count} features stand in for columns that must not count: {columns}.")
    if scene.asked:
        yield Item("features", "unused of * <= 0", fault="The model does not use {column}: shuffling it changes no prediction.",
                   fine="The model uses every feature.", hint="Drop it, or find out why training ignored it: constant, or wrongly encoded?",
                   rank=7, many="The model does not use {count} of its features: {columns}. Shuffling them changes no prediction.",
                   share=False)


def _drift(scene: Scene) -> Iterator[Item]:
    if not scene.reference and not scene.train:
        return
    than = "reference" if scene.reference else "training data"
    yield Item("drift", "type_changed of * <= 0", fault=f"{{column}} has another type than in the {than} ({{note}}).",
               fine=f"Columns have the types of the {than}.", hint="Mend the feed or the reader.", grave="fail", rank=0,
               many=f"{{count}} columns have other types than in the {than}: {{columns}}.", share=False)
    if scene.reference:
        yield Item("drift", "unit_changed of * <= 0", fault="{column} seems to be in other units than in the reference: {note}.",
                   fine="No column is in other units than in the reference.",
                   hint="Ask who delivers {column}; convert it before the model sees it.",
                   grave="fail", rank=0, many="{count} columns seem to be in other units: {columns}.", share=False)
    yield Item("drift", "psi of * <= 0.25", topic="how far the distribution of {column} moved",
               fault=f"{{column}} has another distribution than in the {than}: PSI {{value}} [{{low}}, {{high}}].",
               fine=f"Features are distributed as in the {than}; the most changed is {{column}}, PSI {{value}}.",
               hint="Is it the season, a new kind of customer, or a broken feed? The figure shows where it moved.", rank=30,
               many=f"{{count}} features have other distributions than in the {than}: {{columns}}.", share=False)
    yield Item("drift", "new_categories of * <= 1%", topic="the new values of {column}",
               fault=f"{{column}} has values that the {than} never had, in {{value}} of the rows.",
               fine=f"Categories are those of the {than}.", hint="Does the model know what to do with them?", rank=20,
               many=f"{{count}} columns have values that the {than} never had: {{columns}}.")
    yield Item("drift", "out_of_range of * <= 5%", topic="the values of {column} out of range",
               fault=f"{{column}} lies outside the range of the {than} in {{value}} of the rows.",
               fine=f"Numbers lie in the range of the {than}.", hint="Trees answer there as at the edge, linear models anything.", rank=21,
               many=f"{{count}} columns lie outside the range of the {than}: {{columns}}.")


def _junk(scene: Scene) -> Iterator[Item]:
    yield Item("quality", "placeholder_rows <= 1%", topic="the share of junk rows",
               fault="{value} of the rows are junk, records of tests or rows of stand-ins ({note}).",
               fine="Rows look like records of real cases.", hint="Remove them from training and test, and find out who writes them.",
               rank=3)
    yield Item("quality", "placeholder_share of * <= 1%", topic="the stand-ins for missing values in {column}",
               fault="{column} holds stand-ins for missing values in {value} of the rows ({note}).",
               fine="No column holds stand-ins for missing values, such as -999.",
               hint="Turn them into missing values before training and scoring.", rank=16,
               many="{count} columns hold stand-ins for missing values: {columns}.")
    same = f"{{value}} of the rows repeat another row, as coarse values do: {_literal(scene.coarse)}." if scene.coarse else ""
    yield Item("quality", f"duplicates <= {scene.repeats:.4g}", topic="the share of rows that repeat another",
               fault="{value} of the rows repeat another row.", fine=same or "Rows do not repeat each other.",
               hint="Were they delivered twice? They count twice in every number here.", rank=17)
    yield Item("quality", "repeated_blocks <= 0.1%", topic="the share of rows in blocks that come twice",
               fault="Whole blocks of rows stand there twice, {value} of the rows.",
               fine="No block of rows was delivered twice.", hint="Deliver again, once.", rank=14)
    yield Item("quality", "missing of * <= 50%", topic="how often {column} is missing", fault="{column} is missing in {value} of the rows.",
               fine="No column is mostly missing; the most is {value} of {column}.", hint="Is the feed there?", rank=22,
               many="{count} columns are mostly missing: {columns}.")
    yield Item("quality", "constant of * <= 0", fault="{column} has one value only.", fine="No feature is constant.",
               hint="Drop it, or mend its feed.",
               rank=23, many="{count} features have one value only: {columns}.", share=False)
    if scene.labelled and scene.task in ("binary", "multiclass"):
        yield Item("quality", "suspect_labels <= 5%", topic="the share of wrong labels",
                   fault="{value} of the labels are probably wrong [{low}, {high}] ({note}).",
                   fine="Few labels look wrong.", hint="Look at the rows whose label contradicts everything else.", rank=19)


def _content(scene: Scene) -> Iterator[Item]:
    """Texts and images: what is derived of them (length, language, brightness) is seen among features and slices."""
    if not scene.content:
        return
    yield Item("quality", "empty_content of * <= 1%", topic="how often {column} is empty",
               fault="{column} says or shows nothing in {value} of the rows ({note}).",
               fine="Texts and images hold something.", hint="Should the model answer at all where there is nothing to read or see?",
               rank=3)
    yield Item("quality", "damaged_content of * <= 1%", topic="how often {column} is damaged",
               fault="{column} is damaged in {value} of the rows ({note}).",
               fine="Texts and images could be read.", hint="Mend the encoding, or the feed, before the model sees it.", rank=3)
    yield Item("quality", "repeated_content of * <= 1%", topic="how often {column} repeats",
               fault="{column} repeats another row in {value} of the rows ({note}).",
               fine="Texts and images do not repeat each other.", hint="They count twice in every number here: were they delivered twice?",
               rank=17)
    if scene.train:
        yield Item("leakage", "shared_content of * <= 1%", topic="how much of {column} is shared with the training data",
                   fault="{column} of the training data is judged again in {value} of the rows, so every number here is too good ({note}).",
                   fine="No text or image is one of the training data, or nearly.",
                   hint="Remove the copies from one of the two and judge again; split by where the texts or images come from.",
                   grave="fail", rank=1)


def _representation(scene: Scene) -> Iterator[Item]:
    if scene.train:
        yield Item("representation", "thin_in_train of * <= 1%", topic="the groups of {column} that training hardly had",
                   fault="The training data hardly have some groups of {column}: {value} of the rows judged (the largest: {note}).",
                   fine="Every group that is judged was there in training.", hint="Collect rows of that group, or do not answer for it.",
                   rank=24,
                   many="The training data hardly have some groups of {count} columns: {columns}.")
        yield Item("representation", "thin_region <= 5%", topic="the rows where training had hardly any",
                   fault="{value} of the rows lie where there was hardly a training row (the largest region: {note}).",
                   fine="The training data cover the region that is judged.",
                   hint="The model guesses there: collect such rows, or warn who reads it.", rank=25)


def _sensitivity(scene: Scene) -> Iterator[Item]:
    if scene.asked:
        moved = ("moves predictions by {value} of the width of their middle half" if scene.task == "regression" else
                 "changes {value} of the decisions")
        yield Item("robustness", "noise_effect <= 5%", topic="the effect of noise",
                   fault=f"Noise of a hundredth {moved} [{{low}}, {{high}}].",
                   fine=f"Noise of a hundredth {moved}.",
                   hint="Many rows lie on the threshold, or features are overfitted.",
                   rank=26)
        names = _literal(", ".join(each[:60] for each in scene.refused[:6])) + (" and more" if len(scene.refused) > 6 else "")
        never = f"The model gives no answer where one of {len(scene.refused)} features is missing, which happens nowhere here: {names}."
        yield Item("robustness", "refuses_missing of * <= 0", fault="The model gives no answer where {column} is missing ({note}).",
                   fine=never if scene.refused else "The model answers where a feature is missing.",
                   hint="Impute inside the model, or decide who answers when that feed is gone.", rank=29, share=False,
                   many="The model gives no answer where one of {count} features is missing: {columns}.")
        if scene.labelled:
            number = scene.task == "regression"
            lost = ("the model's mean error grows by {value}" if number else
                    f"the model loses {{value}} of {'AUC' if scene.task == 'binary' and scene.scored else 'accuracy'}")
            yield Item("robustness", "missing_effect of * <= 0.1", topic="what the model loses without {column}", gaps=True,
                       fault=f"Without {{column}} {lost}: it hangs on that feed.",
                       fine=f"No single missing feature does much harm; the most is {{column}}, without which {lost}.",
                       hint="Watch that feed, and decide what to answer when it is gone.", rank=28,
                       many="The model hangs on {count} feeds, each of which costs more than 0.1 when it is missing: {columns}.",
                       share=number)
