import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from models.compact import save_compact
from models.dalle2 import bank
from models.dalle2.captions import BACKGROUNDS, COLOURS
from models.dalle2.clip import Clip, ClipConfig
from models.dalle2.distill import draw_scenes, encode_new
from models.dalle2.layout import INDEX
from models.dalle2.stage import Options, warm_start
from models.dalle2.text import TextConfig, TextEncoder, Tokenizer
from models.dalle2.train_towers import warm_text

FIXTURE = Path(__file__).parent.parent / "fixtures" / "images"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sprites) -> Path:
    """A picture cache of forty scenes of the fixture's drawings."""
    out = tmp_path_factory.mktemp("images")
    for name in ("sprites.npz", "concepts.json"):
        shutil.copy(FIXTURE / name, out / name)
    drawn = draw_scenes(sprites, 40, random.Random(3))
    texts = list(dict.fromkeys(s.caption for s in drawn))
    colours, grounds = list(COLOURS), list(BACKGROUNDS)
    np.savez(
        out / "scenes.npz",
        sprite=np.array([s.sprite for s in drawn]),
        other=np.array([-1 if s.other is None else s.other for s in drawn]),
        colour=np.array([colours.index(s.colour) if s.colour else -1 for s in drawn]),
        background=np.array([grounds.index(s.background) if s.background else -1 for s in drawn]),
        layout=np.array([INDEX[s.layout] for s in drawn]),
        loose=np.array([s.loose for s in drawn]),
        caption=np.array([texts.index(s.caption) for s in drawn]),
    )
    (out / "corpus.json").write_text(json.dumps(texts))
    np.save(out / "corpus.npy", np.zeros((len(texts), 384), np.float16))
    return out


def test_the_bank_holds_every_scene_and_mirrors_those_with_a_layout(folder) -> None:
    torch.manual_seed(0)
    clip = Clip(ClipConfig(embed=16, channels=(8, 8, 8), blocks=1)).eval()
    encoder = TextEncoder(TextConfig(30, table=8, width=24, layers=1)).eval()
    tokenizer = Tokenizer([*"abcdefghijklmnopqrstuvwxyz", "##a", "##b", "##c", "##d"])
    tokenizer.vocab |= {f"##{c}": i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz0123456789")}
    tokenizer.vocab |= {c: 1 for c in "0123456789"}
    bank.build_images(folder)
    bank.build_image_embeds(folder, clip)
    bank.build_texts(folder, clip, encoder, tokenizer)
    stock = bank.load_bank(folder)
    assert len(stock.images) == len(stock.image_embed) == len(stock.caption) == 40
    layout = np.load(folder / "scenes.npz")["layout"]
    same = (stock.image_embed == stock.mirror_embed).all(1).numpy()
    assert same[layout == INDEX["whole"]].all()
    placed = np.flatnonzero(layout != INDEX["whole"])
    assert len(placed) >= 3
    with torch.inference_mode():
        mirrored = clip.image_embed(stock.pictures(placed).flip(-1))
    assert torch.allclose(stock.mirror_embed[placed].float(), mirrored, atol=0.03)
    norms = stock.text_embed.float().norm(dim=1)
    assert torch.allclose(norms, torch.ones(len(norms)), atol=1e-2)


def test_known_strings_keep_their_vectors(tmp_path) -> None:
    class Counting:
        def __init__(self) -> None:
            self.asked: list[str] = []

        def encode(self, texts: list[str]) -> np.ndarray:
            self.asked += texts
            return np.ones((len(texts), 384), np.float16)

    np.save(tmp_path / "corpus.npy", np.full((2, 384), 2, np.float16))
    (tmp_path / "corpus.json").write_text(json.dumps(["a", "b"]))
    teacher = Counting()
    out = encode_new(teacher, ["b", "new", "a"], tmp_path)  # type: ignore[arg-type]
    assert teacher.asked == ["new"] and out[:, 0].tolist() == [2.0, 1.0, 2.0]


def test_a_warm_start_takes_what_fits(tmp_path) -> None:
    old, new = torch.nn.Linear(3, 4), torch.nn.Sequential(torch.nn.Linear(3, 4))
    options = Options(tmp_path, tmp_path, 1.0, checkpoints=tmp_path, warm=True)
    save_compact(tmp_path / "net.safetensors", old.state_dict(), ClipConfig())
    assert warm_start(options, new, Path("net.safetensors")) == frozenset()
    again = torch.nn.Linear(3, 4)
    kept = warm_start(options, again, Path("elsewhere/net.safetensors"))
    assert kept == {"weight", "bias"}
    assert torch.allclose(again.weight, old.weight, atol=1e-3)
    cold = Options(tmp_path, tmp_path, 1.0, checkpoints=tmp_path)
    assert warm_start(cold, again, Path("net.safetensors")) == frozenset()


def test_words_find_their_rows_after_a_warm_start(tmp_path) -> None:
    from models.dalle2 import text

    torch.manual_seed(1)
    words = ["cat", "dog", "sun"]
    old = TextEncoder(TextConfig(3, table=8, width=24, layers=1))
    save_compact(tmp_path / text.CHECKPOINT.name, old.state_dict(), old.config)
    (tmp_path / text.TABLE.name).write_text("\n".join(words))
    rows = ["sun", "moon", "cat", "dog"]
    net = TextEncoder(TextConfig(4, table=8, width=24, layers=1))
    alone = torch.tensor([[1.0, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0, 1]])
    options = Options(tmp_path, tmp_path, 1.0, checkpoints=tmp_path, warm=True)
    warm_text(options, net, rows, alone)
    kept, table = net.table.weight.detach(), old.table.weight.detach()
    assert torch.allclose(kept[[2, 3, 0]], table, atol=1e-2)
    assert torch.allclose(kept[1], table[2], atol=1e-2)  # the moon starts as the sun
    assert torch.allclose(net.widen.weight, old.widen.weight, atol=1e-2)
