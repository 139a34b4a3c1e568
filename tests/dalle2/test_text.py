import pytest
import torch

from models.checkpoint import CheckpointError
from models.dalle2.text import (
    MAX_TOKENS,
    TextConfig,
    TextEncoder,
    Tokenizer,
    load_text,
    pad,
    split_words,
    wordpieces,
)

ROWS = ["a", "cat", "un", "##believ", "##able", "##s", *"bcdefghijklmnopqrstuvwxyz"]
ROWS += [f"##{c}" for c in "abcdefghijklmnopqrtuvwxyz"]


def test_words_are_lower_case_without_accents_and_apostrophes() -> None:
    assert split_words("Santa's  CAFÉ, on Mars-2!") == ["santas", "cafe", "on", "mars", "2"]
    assert split_words("猫 !!") == []


def test_longest_match_first() -> None:
    vocab = {row: i for i, row in enumerate(ROWS)}
    assert wordpieces("cat", vocab) == ["cat"]
    assert wordpieces("unbelievables", vocab) == ["un", "##believ", "##able", "##s"]
    assert wordpieces("cab", vocab) == ["c", "##a", "##b"]


def test_unknown_words_fall_back_to_pieces_and_are_reported() -> None:
    tokens = Tokenizer(ROWS)("a cats")
    assert tokens.words == ("a", "cats")
    assert tokens.known == (True, False)
    assert tokens.pieces == (("a",), ("cat", "##s"))
    assert tokens.ids == tuple(ROWS.index(p) for p in ("a", "cat", "##s"))


def test_long_texts_are_cut_and_say_so() -> None:
    tokens = Tokenizer(ROWS)("cat " * (MAX_TOKENS + 1))
    assert len(tokens.ids) == MAX_TOKENS
    assert tokens.truncated
    assert not Tokenizer(ROWS)("cat").truncated


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    net = TextEncoder(TextConfig(rows=40)).eval()
    short, long = (3, 4), (5, 6, 7, 8, 9, 10)
    states, together = net(*pad([short, long]))
    alone_states, alone = net(*pad([short]))
    assert torch.allclose(together[0], alone[0], atol=1e-5)
    assert torch.allclose(states[0, :2], alone_states[0], atol=1e-5)
    assert (states[0, 2:] == 0).all()


def test_sentences_are_unit_vectors_even_without_tokens() -> None:
    net = TextEncoder(TextConfig(rows=40)).eval()
    _, sentence = net(*pad([(), (1, 2)]))
    assert torch.isfinite(sentence).all()
    assert sentence[1].norm().item() == pytest.approx(1, abs=1e-5)


def test_shipped_encoder_knows_what_is_alike() -> None:
    encoder, tokenizer = load_text()
    texts = ["a kitten", "a cat", "a fire engine"]
    with torch.inference_mode():
        _, s = encoder(*pad([tokenizer(t).ids for t in texts]))
    assert s[0] @ s[1] > s[0] @ s[2] + 0.2


def test_every_letter_can_be_read() -> None:
    _, tokenizer = load_text()
    tokens = tokenizer("zqxjkvw 0987xq")
    assert not tokens.known[0] and len(tokens.ids) >= 2


def test_a_table_of_another_size_is_refused(tmp_path) -> None:
    table = tmp_path / "words.txt"
    table.write_text("a\nb")
    with pytest.raises(CheckpointError, match="2 words"):
        load_text(table=table)
    with pytest.raises(CheckpointError, match="missing"):
        load_text(table=tmp_path / "none.txt")
