"""The command line of the models.

python -m models data images|molecules|proteins|structures  build a training set from packages
python -m models data drawings                      what the copying meter and the map compare with
python -m models train NETWORK ...                   train one network, or `all` in order
python -m models evaluate [PIPELINE ...]             score the checkpoints, write their metrics
python -m models sample dalle2 "a cat" --out cat.png one sample, no server
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Two spinning OpenMP pools on few cores are ten times slower than two sleeping ones.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

_SCORED = [
    "dalle2",
    "upsamplers",
    "dalle1",
    "images",
    "alphafold3",
    "molecules",
    "alphafold2",
    "reference_conformer",
    "all",
]
_SETS = ["images", "molecules", "proteins", "structures", "library", "drawings"]


def _data(arguments: argparse.Namespace) -> None:
    if arguments.what == "images":
        from models.dalle2.data_build import build as build_images
        from models.dalle2.distill import build as build_captions
        from models.dalle2.fine import build_fine

        build_images(arguments.cache)
        build_fine(arguments.cache)
        build_captions(arguments.cache)
    elif arguments.what == "molecules":
        from models.alphafold3.data.molecules import build as build_molecules

        build_molecules(arguments.cache)
    elif arguments.what == "proteins":
        from models.alphafold3.data.proteins import build as build_proteins

        build_proteins(arguments.cache)
    elif arguments.what == "structures":
        from models.alphafold3.data.complexes import build as build_structures
        from models.alphafold3.data.download import download

        folder = download(arguments.cache / "pdb") if arguments.download else arguments.structures
        build_structures(arguments.cache, folder)
    elif arguments.what == "drawings":
        from models.dalle2 import concept_map, copying
        from models.dalle2.data import load_sprites

        sprites = load_sprites(arguments.cache / "images")
        about = copying.build(sprites)
        concept_map.build(sprites)
        print(f"near copies among independent drawings: {dict(about.independent)}")
    else:
        from models.alphafold3.data.export import export

        export(arguments.cache, crops=arguments.structures)


def _train(arguments: argparse.Namespace) -> None:
    from models.alphafold2.train import main as train_alphafold2
    from models.alphafold3.train import main as train_alphafold3
    from models.alphafold3.train_confidence import main as train_confidence
    from models.dalle1.train import main as train_dalle1
    from models.dalle2.train import main as train_dalle2

    if arguments.network == "all":
        train_dalle2(["all", *arguments.rest])
        train_dalle1(["all", *arguments.rest])
        train_alphafold3(arguments.rest)
        train_confidence(arguments.rest)  # on the samples of what has just been trained
        train_alphafold2(arguments.rest)  # on the trunk that has just been trained
    elif arguments.network == "alphafold3":
        train_alphafold3(arguments.rest)
    elif arguments.network == "alphafold2":
        train_alphafold2(arguments.rest)
    elif arguments.network == "confidence":
        train_confidence(arguments.rest)
    elif arguments.network == "dalle1":
        train_dalle1(arguments.rest)
    else:
        train_dalle2([arguments.network, *arguments.rest])


def _evaluate(arguments: argparse.Namespace) -> None:
    drawn: dict[str, Any] = {}  # AlphaFold 3's samples that its twin is compared with
    asked = {arguments.what} if isinstance(arguments.what, str) else set(arguments.what)
    if asked & {"dalle2", "images", "all"}:
        from models.evaluation.comparison import renew
        from models.evaluation.images import evaluate as evaluate_images

        evaluate_images()
        renew()
    if asked & {"upsamplers", "dalle2", "images", "all"}:
        from models.evaluation.upsamplers import evaluate as evaluate_upsamplers

        evaluate_upsamplers()
    if asked & {"dalle1", "images", "all"}:  # after dalle2, whose scores it stands beside
        from models.evaluation.tokens import evaluate as evaluate_tokens

        evaluate_tokens()
    if asked & {"alphafold3", "molecules", "all"}:
        from models.evaluation.molecules import PARTS
        from models.evaluation.molecules import evaluate as evaluate_molecules

        unknown = set(arguments.only) - set(PARTS)
        if unknown:
            raise ValueError(f"--only knows {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
        evaluate_molecules(parts=arguments.only, drawn=drawn)
    if asked & {"alphafold2", "all"}:
        from models.evaluation.twins import evaluate as evaluate_twins

        evaluate_twins(drawn=drawn)
    if "reference_conformer" in asked:  # trains two small networks, so only when it is named
        from models.evaluation.reference_conformer import evaluate as evaluate_ablation

        evaluate_ablation()


def _sample(arguments: argparse.Namespace) -> None:
    from models.sample import sample_to_file

    sample_to_file(
        arguments.pipeline, arguments.input, arguments.out, arguments.seed, arguments.steps
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)

    data = commands.add_parser("data", help="build a training set from packages")
    data.add_argument("what", choices=_SETS)
    data.add_argument(
        "--structures", type=Path, default=Path("../shared/data"), metavar="DIR",
        help="folder with nucleic.npz, complexes.npz and showcase.npz",
    )  # fmt: skip
    data.add_argument(
        "--download",
        action="store_true",
        help="structures: cut them from entries fetched from the PDB",
    )
    data.add_argument("--cache", type=Path, default=Path("cache"), help="git-ignored output folder")
    data.set_defaults(call=_data)

    train = commands.add_parser("train", help="train a network (its own --help lists the rest)")
    train.add_argument(
        "network",
        help="all, alphafold3, confidence, alphafold2, dalle1 STAGE, or a stage of dalle2",
    )
    train.add_argument("rest", nargs=argparse.REMAINDER)
    train.set_defaults(call=_train)

    evaluate = commands.add_parser("evaluate", help="score the committed checkpoints")
    evaluate.add_argument(
        "what",
        nargs="*",
        choices=_SCORED,
        default="all",
        help="images: both DALL·Es; molecules: another name of alphafold3",
    )
    evaluate.add_argument(
        "--only", nargs="+", default=(), metavar="PART", help="parts of alphafold3's scores"
    )
    evaluate.set_defaults(call=_evaluate)

    sample = commands.add_parser("sample", help="draw one sample without a server")
    sample.add_argument("pipeline", choices=["dalle2", "dalle1", "alphafold3", "alphafold2", "dye"])
    sample.add_argument("input", help='a caption, a SMILES/CCD code/sequence, a shape, or {"json"}')
    sample.add_argument("--out", type=Path, required=True, help=".png (pictures) or .xyz")
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument("--steps", type=int)
    sample.set_defaults(call=_sample)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; a mistake of the caller's is one line on stderr and exit status 2."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.call(arguments)
    except (ValueError, RuntimeError, OSError, json.JSONDecodeError) as error:
        if os.environ.get("TWOFOLD_TRACEBACK"):
            raise
        print(f"python -m models: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
