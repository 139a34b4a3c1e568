"""Training of the networks that understand: CLIP, the text encoder and the independent classifier."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.compact import load_compact, save_compact
from models.dalle2 import clip, text
from models.dalle2.captions import BACKGROUNDS, PLAIN
from models.dalle2.clip import Clip, ClipConfig, contrastive_loss, recall
from models.dalle2.data import (
    STILL,
    STRONG,
    Scenes,
    Sprites,
    compose,
    concept_anchors,
    load_scenes,
    load_sprites,
)
from models.dalle2.layout import INDEX
from models.dalle2.stage import Options, autocast, fit_stage, warm_start
from models.dalle2.text import (
    MAX_TOKENS,
    TextConfig,
    TextEncoder,
    Tokenizer,
    Tokens,
    pad,
    split_words,
    wordpieces,
)
from models.dalle2.unet import channels_last
from models.diffusion.training import TrainConfig, fit
from models.evaluation import classifier as judge


def train_clip(options: Options) -> None:
    """CLIP's towers on freshly composed scenes; the text side sees the teacher's sentence vectors."""
    sprites, scenes = load_sprites(options.images), load_scenes(options.images)
    anchors = concept_anchors(sprites, scenes)
    concept = torch.from_numpy(sprites.concept[scenes.sprite])
    held_out = torch.tensor([c["held_out"] for c in sprites.concepts])
    close = anchors @ anchors.T > 0.85  # near-twins ("cat", "cat face") are no negatives
    net = channels_last(Clip(ClipConfig())).to(options.device)
    warm_start(options, net, clip.CHECKPOINT)
    said = CaptionFacts(sprites, scenes, close)
    sentences, device = scenes.sentences, options.device
    gallery_texts = anchors.to(device)

    def loss_fn(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, rows = batch
        with autocast(options):
            image = net.image_embed(images.to(device))
        text = net.text_embed(sentences[scenes.caption[rows.numpy()]].float().to(device))
        kind = concept[rows]
        ambiguous = said.fits(rows).T  # picture j, caption i
        scale = net.scale()
        pairs = contrastive_loss(scale * image @ text.T, ambiguous.to(device))
        # Against every concept at once: the in-batch loss sees 256 of 1,300 negatives.
        against = scale * image @ net.text_embed(gallery_texts).T
        twins = close[kind] & ~F.one_hot(kind, len(anchors)).bool()
        left_out = (twins | held_out).to(device)
        alone = torch.from_numpy(scenes.other[rows.numpy()] < 0).to(device)  # one kind of thing
        named = F.cross_entropy(
            against.masked_fill(left_out, -torch.inf)[alone], kind.to(device)[alone]
        )
        return {"loss": pairs + 0.5 * named, "pairs": pairs, "gallery": named, "scale": scale}

    test = sprites.of("held_out_rendering")
    generator = torch.Generator().manual_seed(1)
    test_images = compose(
        sprites.rgba[test], [None] * len(test), [None] * len(test), generator, STILL
    )
    test_concept = torch.from_numpy(sprites.concept[test])
    best: dict[str, Any] = {}

    def save_ema(state: dict[str, Tensor], info: dict[str, Any]) -> None:
        best.update(state)
        save_compact(options.place(clip.CHECKPOINT), state, net.config, info)

    def on_save(step: int) -> dict[str, float]:
        judge = Clip(net.config)
        judge.load_state_dict(best)
        judge.eval()
        with torch.inference_mode():
            image = torch.cat([judge.image_embed(x) for x in test_images.split(256)])
            text = judge.text_embed(anchors)
        return {f"recall@{k}": recall(image, text, test_concept, k) for k in (1, 5)}

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        start = torch.initial_seed()  # differs after a resume, so that no batch comes twice
        rng, noise = np.random.default_rng(start), torch.Generator().manual_seed(start)
        whole = scenes.layout == INDEX["whole"]
        kinds = range(len(sprites.concepts))
        by_concept = [np.flatnonzero(concept.numpy() == c) for c in kinds]
        placed = [rows[~whole[rows]] for rows in by_concept]
        while True:
            rows = rng.integers(len(scenes.sprite), size=200)
            # 32 of them get a sibling: the same thing in other colours, which teaches attributes; 24
            # more are the same thing in other numbers and places, and the same pair the other way.
            siblings = [rng.choice(by_concept[int(concept[r])]) for r in rows[:32]]
            for r in rows[~whole[rows]][:24]:
                siblings.append(rng.choice(placed[int(concept[r])]))
                if scenes.other[r] >= 0:
                    siblings.append(rng.choice(said.same_pair[said.pair_of(int(r))]))
            rows = np.unique(np.concatenate([rows, siblings]))
            yield scenes.compose(sprites, rows, noise, STRONG, fine=False), torch.from_numpy(rows)

    config = TrainConfig(
        lr=2e-3, max_seconds=options.seconds, weight_decay=0.05, decay_from=0.2, seed=options.seed
    )
    fit(config, net, loss_fn, batches(), options.out / "clip", save_ema, on_save)


class CaptionFacts:
    """What each scene's caption says, and whether it is true of another scene's picture."""

    def __init__(self, sprites: Sprites, scenes: Scenes, close: Tensor) -> None:
        """close: (C, C) bool, concepts that count as the same thing."""
        self.first = torch.from_numpy(sprites.concept[scenes.sprite])
        other = sprites.concept[np.maximum(scenes.other, 0)]
        self.second = torch.from_numpy(np.where(scenes.other < 0, -1, other))
        self.same = close | torch.eye(len(close), dtype=torch.bool)
        self.said = torch.from_numpy(np.stack([scenes.colour, scenes.background], 1))
        self.shown = self.said.clone()
        self.shown[self.shown[:, 1] < 0, 1] = list(BACKGROUNDS).index(PLAIN)
        self.layout = torch.from_numpy(scenes.layout)
        self.loose = torch.from_numpy(scenes.loose)
        self.same_pair: dict[frozenset[int], list[int]] = {}
        for row in np.flatnonzero(scenes.other >= 0).tolist():
            self.same_pair.setdefault(self.pair_of(row), []).append(row)

    def pair_of(self, row: int) -> frozenset[int]:
        return frozenset((int(self.first[row]), int(self.second[row])))

    def fits(self, rows: Tensor) -> Tensor:
        """(B, B) bool: caption i is true of picture j. What a caption leaves out, any picture may show."""

        def near(a: Tensor, b: Tensor) -> Tensor:
            return self.same[a][:, b] & (a >= 0)[:, None] & (b >= 0)

        first, second, layout = self.first[rows], self.second[rows], self.layout[rows]
        straight = near(first, first) & near(second, second)
        crossed = near(first, second) & near(second, first)
        single = (second < 0)[:, None]
        loose = self.loose[rows][:, None]
        things = torch.where(
            single,
            near(first, first) | near(first, second),
            straight | (crossed & loose),
        )
        places = (layout[:, None] == layout) | (layout == INDEX["whole"])[:, None] | loose
        said, shown = self.said[rows], self.shown[rows]
        attributes = ((said[:, None] < 0) | (said[:, None] == shown[None])).all(-1)
        return things & places & attributes


def train_text(options: Options) -> None:
    """Distils the teacher into the word table and the small transformer.

    loss = 1 - cosine + how far the batch's similarity matrix is from the teacher's, and, once there is
    a CLIP, 1 - cosine in its space as well.
    """
    scenes = load_scenes(options.images)
    device = options.device
    head = None
    if options.place(clip.CHECKPOINT).exists():
        head = clip.load_clip(options.place(clip.CHECKPOINT)).requires_grad_(False).to(device)
    rows: list[str] = json.loads((options.images / "table_rows.json").read_text())
    tokenizer = Tokenizer(rows)
    kept = [(i, t) for i, t in enumerate(scenes.texts) if split_words(t)]
    tokens = [tokenizer(t) for _, t in kept]
    index = np.array([i for i, _ in kept])
    lengths = np.array([len(t.ids) for t in tokens])
    # Long words are sometimes read in pieces on purpose, so that pieces learn to mean something.
    split = Splitter(tokenizer)
    net = TextEncoder(TextConfig(len(rows)))
    place = {t: i for i, t in enumerate(scenes.texts)}
    alone = scenes.sentences[[place[r.removeprefix("##")] for r in rows]].float()
    basis = torch.pca_lowrank(alone - alone.mean(0), q=net.config.table, niter=4)[2]
    start = (alone - alone.mean(0)) @ basis
    with torch.no_grad():
        net.table.weight.copy_(start / start.std())
    warm_text(options, net, rows, alone)
    net.to(device)

    def loss_fn(batch: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
        ids, mask, target = (part.to(device) for part in batch)
        with autocast(options):
            _, sentence = net(ids, mask)
        cosine = (sentence * target).sum(1).mean()
        matrix = (sentence @ sentence.T - target @ target.T).square().mean()
        losses = {"loss": 1 - cosine + 10 * matrix, "cosine": cosine, "matrix": matrix}
        if head is not None:  # what the prior and the decoder will be given
            losses["clip"] = (head.text_embed(sentence) * head.text_embed(target)).sum(1).mean()
            losses["loss"] = losses["loss"] + 1 - losses["clip"]
        return losses

    def batches() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        rng = np.random.default_rng(torch.initial_seed())
        while True:
            # Four batches of similar length at a time: half the padding of random batches.
            drawn = rng.integers(len(kept), size=4 * 512)
            drawn = drawn[np.argsort(lengths[drawn], kind="stable")].reshape(4, 512)
            for picked in drawn[rng.permutation(4)]:
                ids, mask = pad([split(tokens[i], rng) for i in picked])
                yield ids, mask, scenes.sentences[index[picked]].float()

    def save_ema(state: dict[str, Tensor], info: dict[str, Any]) -> None:
        save_compact(options.place(text.CHECKPOINT), state, net.config, info)
        options.place(text.TABLE).write_text("\n".join(rows))

    config = TrainConfig(lr=2e-3, max_seconds=options.seconds, decay_from=0.2, seed=options.seed)
    fit(config, net, loss_fn, batches(), options.out / "text", save_ema)


def warm_text(options: Options, net: TextEncoder, rows: list[str], alone: Tensor) -> None:
    """`warm_start` for the text encoder, whose table's rows may have changed: a row that is new starts
    as the known word nearest to it in the teacher's space. alone: (rows, 384) the teacher's vectors."""
    if not options.warm:
        return
    warm_start(options, net, text.CHECKPOINT)
    path = options.place(text.CHECKPOINT)
    path, words = (
        (path, options.place(text.TABLE)) if path.exists() else (text.CHECKPOINT, text.TABLE)
    )
    table = load_compact(path)[0]["table.weight"]
    place = {word: i for i, word in enumerate(words.read_text(encoding="utf-8").split("\n"))}
    known = torch.tensor([row in place for row in rows])
    old = torch.tensor([place.get(row, 0) for row in rows])
    kept = table[old]
    nearest = (alone[~known] @ alone[known].T).argmax(1)
    kept[~known] = kept[known][nearest]
    with torch.no_grad():
        net.table.weight.copy_(kept)


class Splitter:
    """Token ids of a text, each long word read in pieces with a chance of 8 %."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.cache: dict[str, tuple[int, ...]] = {}

    def __call__(self, tokens: Tokens, rng: np.random.Generator) -> tuple[int, ...]:
        if rng.random() < 0.6 or not tokens.words:
            return tokens.ids
        ids: list[int] = []
        for word, pieces in zip(tokens.words, tokens.pieces, strict=True):
            if len(word) >= 4 and rng.random() < 0.2:
                ids += self._pieces(word)
            else:
                ids += [self.tokenizer.vocab[p] for p in pieces]
        return tuple(ids[:MAX_TOKENS])

    def _pieces(self, word: str) -> tuple[int, ...]:
        if word not in self.cache:
            vocab = self.tokenizer.vocab
            whole = vocab.pop(word, None)  # hidden for a moment, so that only its pieces are found
            self.cache[word] = tuple(vocab[p] for p in wordpieces(word, vocab))
            if whole is not None:
                vocab[word] = whole
        return self.cache[word]


def train_classifier(options: Options) -> None:
    """The independent judge: real drawings only, none of CLIP's weights, its own seed."""
    sprites = load_sprites(options.images)
    rows = sprites.of("train", "held_out_concept")
    config = judge.ClassifierConfig(tuple(c["label"] for c in sprites.concepts))
    torch.manual_seed(config.seed)
    net = channels_last(judge.Classifier(config)).to(options.device)

    def loss_fn(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, concept = batch
        with autocast(options):
            logits = net(images.to(options.device))
        concept = concept.to(options.device)
        return {"loss": F.cross_entropy(logits.float(), concept, label_smoothing=0.1)}

    train = TrainConfig(
        lr=2e-3, max_seconds=options.seconds, weight_decay=0.05, decay_from=0.3, seed=config.seed
    )
    fit_stage(
        "classifier",
        options,
        train,
        net,
        loss_fn,
        judge.augmented_batches(sprites, rows, 128, config.seed),
        options.place(judge.CHECKPOINT),
        config,
    )
