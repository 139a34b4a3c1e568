"""Which back end computes: by the settings, by what is installed, and by what works."""

import pytest
from toy import Toy

from app.pipelines import Pipelines
from app.resolving import describe
from models.dalle2 import fast


class Choosy(Toy):
    """A pipeline that can be compiled; ``broken`` fails in OpenVINO's first forward."""

    def __init__(self, broken: bool = False) -> None:
        super().__init__(id="choosy")
        self.backend, self.broken, self.threads, self.warmed = "torch bf16", broken, (), []

    def use_openvino(self, *threads: int) -> None:
        self.backend, self.threads = "OpenVINO", threads

    def use_torch(self) -> None:
        self.backend = "torch bf16"

    def warm_up(self) -> None:
        self.warmed.append(self.backend)
        if self.broken and self.backend == "OpenVINO":
            raise RuntimeError("unknown instruction")


def loaded(pipeline: Choosy, backend: str, installed: bool, monkeypatch) -> Pipelines:
    monkeypatch.setattr(fast, "installed", lambda: installed)
    pipelines = Pipelines({pipeline.id: pipeline})
    pipelines.backend, pipelines.threads = backend, (3, 1)  # type: ignore[assignment]
    pipelines.load()
    return pipelines


@pytest.mark.parametrize(
    ("backend", "installed", "used"),
    [
        ("auto", True, "OpenVINO"),
        ("auto", False, "torch bf16"),
        ("torch", True, "torch bf16"),
        ("openvino", True, "OpenVINO"),
    ],
)
def test_the_settings_and_the_package_decide(backend, installed, used, monkeypatch) -> None:
    pipeline = Choosy()
    pipelines = loaded(pipeline, backend, installed, monkeypatch)
    assert pipeline.warmed == [used]
    assert describe(pipelines.get("choosy"))["backend"] == used
    assert pipeline.threads == ((3, 1) if used == "OpenVINO" else ())


def test_asked_for_by_name_it_must_be_there(monkeypatch) -> None:
    pipelines = loaded(Choosy(), "openvino", False, monkeypatch)
    assert "twofold[fast]" in pipelines.status()["choosy"]["reason"]


def test_a_failure_falls_back_to_torch_unless_asked_for_by_name(monkeypatch) -> None:
    pipeline = Choosy(broken=True)
    loaded(pipeline, "auto", True, monkeypatch)
    assert pipeline.warmed == ["OpenVINO", "torch bf16"] and pipeline.backend == "torch bf16"
    strict = loaded(Choosy(broken=True), "openvino", True, monkeypatch)
    assert "unknown instruction" in strict.status()["choosy"]["reason"]
