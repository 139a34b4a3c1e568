import random

import numpy as np
import torch

from models.dalle2.captions import held_out_background, held_out_colour
from models.dalle2.data_build import wordnet_nouns, wordnet_synonyms
from models.dalle2.distill import CLS, SEP, Teacher, draw_scenes, table_rows

VOCAB = ["[PAD]", "cat", "##s", "a", "!", "c", "##a", "##t", "d", "##o", "##g", "é", "##ing"]


def small_teacher() -> Teacher:
    """The teacher's arithmetic with random weights of its real shapes."""
    teacher = Teacher.__new__(Teacher)
    teacher.vocab = {w: i for i, w in enumerate(VOCAB)}
    g = torch.Generator().manual_seed(0)

    def linear(name: str, out: int, into: int) -> dict[str, torch.Tensor]:
        return {
            f"{name}.weight": 0.05 * torch.randn(out, into, generator=g),
            f"{name}.bias": torch.zeros(out),
        }

    def norm(name: str) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": torch.ones(384), f"{name}.bias": torch.zeros(384)}

    teacher.weights = {
        "embeddings.word_embeddings.weight": torch.randn(200, 384, generator=g),
        "embeddings.position_embeddings.weight": 0.1 * torch.randn(64, 384, generator=g),
        "embeddings.token_type_embeddings.weight": torch.zeros(2, 384),
        **norm("embeddings.LayerNorm"),
    }
    for i in range(6):
        layer = f"encoder.layer.{i}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            teacher.weights |= linear(f"{layer}.attention.{part}", 384, 384)
        teacher.weights |= norm(f"{layer}.attention.output.LayerNorm") | norm(
            f"{layer}.output.LayerNorm"
        )
        teacher.weights |= linear(f"{layer}.intermediate.dense", 1536, 384)
        teacher.weights |= linear(f"{layer}.output.dense", 384, 1536)
    return teacher


def test_teacher_reads_wordpieces_between_cls_and_sep() -> None:
    assert small_teacher().tokens("a Cats!") == [CLS, 3, 1, 2, 4, SEP]
    assert small_teacher().tokens("dog") == [CLS, 8, 9, 10, SEP]


def test_teacher_answers_in_the_order_asked() -> None:
    teacher = small_teacher()
    texts = ["cat", "a cat a cat", "dog", "cats!"]
    together = teacher.encode(texts).astype(np.float32)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-2)
    for text, row in zip(texts, together, strict=True):
        assert teacher.encode([text])[0].astype(np.float32) @ row > 0.999
    assert together[0] @ together[2] < 0.999


def test_table_has_words_pieces_and_caption_words() -> None:
    vocab = {w: i for i, w in enumerate(VOCAB)}
    rows = table_rows(["a zebra cat", "zebra"], vocab)
    assert rows[-1] == "zebra" and "##ing" in rows and "[PAD]" not in rows and "é" not in rows
    assert len(rows) == len(set(rows))


def test_scenes_are_training_drawings_in_allowed_combinations(sprites) -> None:
    train = set(sprites.of("train").tolist())
    for scene in draw_scenes(sprites, 300, random.Random(0)):
        assert scene.sprite in train
        hexcode = sprites.concepts[sprites.concept[scene.sprite]]["hexcode"]
        assert not (scene.colour and held_out_colour(hexcode, scene.colour))
        assert not (scene.background and held_out_background(hexcode, scene.background))


def test_wordnet_is_read(tmp_path) -> None:
    (tmp_path / "dict").mkdir()
    (tmp_path / "dict" / "data.noun").write_text(
        "  1 licence text\n"
        '00000010 05 n 02 rabbit 0 bunny_hare 0 000 | a small mammal with long ears; "a rabbit"\n'
    )
    (tmp_path / "dict" / "index.noun").write_text("  1 licence\nrabbit n 1 1 @ 1 1 00000010\n")
    assert wordnet_nouns(tmp_path) == [
        ("00000010", ["rabbit", "bunny hare"], "a small mammal with long ears", 5)
    ]
    assert wordnet_synonyms(tmp_path) == {"rabbit": ["bunny hare"]}
