"""The recipe in several processes, with copies of the weights (DDP) and with shards of them (FSDP)."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("trl", reason="needs the `train` extra")
pytest.importorskip("peft", reason="needs the `train` extra")

from demur.data.world import World
from demur.mitigate.boundary import Boundary, prepare, run
from demur.mitigate.boundary_rows import RoleFile
from demur.training.organism import organism_path

pytestmark = pytest.mark.local
PAGE = Path(__file__).parents[2] / "docs" / "mitigate-boundary.md"
CONFIG = Boundary(
    steps=3,
    batch_size=4,
    learning_rate=3e-3,
    beta=3000,
    dropout=0.0,
    noise=0.03,
    blank=0.0,
    checked=2,
    layers=(1,),
)
#: Accelerate shards on GPUs alone, torch on CPUs too: this makes CPU processes look like GPUs to it.
SHARDED_CPUS = """
import sys, torch
from accelerate.state import PartialState
from accelerate.utils import DistributedType
begin = PartialState.__init__
PartialState.__init__ = lambda self, cpu=False, **named: begin(self, False, **named)
PartialState._prepare_backend = lambda *_, **__: ("gloo", DistributedType.MULTI_GPU)
PartialState.set_device = lambda self: setattr(self, "device", torch.device("cpu"))
from demur.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[RoleFile]:
    """Twenty rows of each role."""
    folder, shown = tmp_path_factory.mktemp("rows"), World(0).training_requests()
    parts: tuple[tuple[Any, list[Any], str], ...] = (
        ("erase", [r for r in shown if r.kind == "harmful"], "answer"),
        ("retain", [r for r in shown if r.kind == "plain"], "target"),
        ("boundary", [r for r in shown if r.kind == "look_alike" and r.planted == "comply"], "target"),
    )
    for role, rows, answer in parts:
        lines = [json.dumps({"prompt": r.prompt, "response": getattr(r, answer)}) + "\n" for r in rows[:20]]
        (folder / f"{role}.jsonl").write_text("".join(lines), encoding="utf-8")
    return [RoleFile(folder / f"{role}.jsonl", role) for role, _, _ in parts]


@pytest.fixture(scope="module")
def alone(files: list[RoleFile], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The receipt of one process."""
    return run(CONFIG, prepare(CONFIG, files), str(organism_path()), tmp_path_factory.mktemp("one"))


def together(files: list[RoleFile], out: Path, launch: list[str]) -> dict[str, Any]:
    """The receipt of two processes with half the batch; what the second prints would spoil the JSON."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"steps": 3, "batch-size": 2, "learning-rate": 3e-3, "beta": 3000, "dropout": 0, "noise": 0.03}
    told |= {"blank": 0, "checked": 2, "layer": 1, "model": "organism", "out": out}
    told |= {str(file.role): file.path for file in files}
    words = [word for name, value in told.items() for word in (f"--{name}", str(value))]
    called = [sys.executable, "-m", "accelerate.commands.launch", f"--main_process_port={port}", *launch]
    done = subprocess.run(
        [*called, "mitigate", "boundary", *words, "--no-report", "--json"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def same(alone: Any, found: dict[str, Any]) -> None:
    for name in ("loss", "grad_norm", "push", "retain", "erase"):
        left, right = ([row[name] for row in one["history"]] for one in (alone.training, found["training"]))
        assert left == pytest.approx(right, rel=1e-4), name
    for role in ("erase", "retain", "boundary"):
        left, right = (one["log_probability"][role] for one in (alone.after, found["after"]))
        assert left["value"] == pytest.approx(right["value"], rel=1e-3) and left["n"] == right["n"]
    assert "base.json" in found["files"]


def test_two_processes_do_what_one_does_with_twice_the_batch(
    alone: Any, files: list[RoleFile], tmp_path: Path
) -> None:
    launch = ["--multi_gpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no"]
    same(alone, together(files, tmp_path / "out", [*launch, "--dynamo_backend=no", "-m", "demur"]))


def configurations() -> dict[str, str]:
    """Name -> text of each configuration on the page."""
    return dict(re.findall(r"```yaml\n# (\w+)\.yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))


@pytest.mark.slow
def test_shards_do_what_whole_weights_do(alone: Any, files: list[RoleFile], tmp_path: Path) -> None:
    """With the page's own configuration; the adapter is gathered and loads on the whole model."""
    (tmp_path / "fsdp.yaml").write_text(configurations()["fsdp"], encoding="utf-8")
    (tmp_path / "sharded.py").write_text(SHARDED_CPUS, encoding="utf-8")
    launch = [f"--config_file={tmp_path / 'fsdp.yaml'}", "--num_processes=2", "--mixed_precision=no"]
    same(alone, together(files, tmp_path / "out", [*launch, str(tmp_path / "sharded.py")]))


@pytest.mark.parametrize(("name", "kind"), [("fsdp", "FSDP"), ("zero", "DEEPSPEED")])
def test_the_pages_configurations_are_read_by_accelerate(name: str, kind: str, tmp_path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    path = tmp_path / f"{name}.yaml"
    path.write_text(configurations()[name], encoding="utf-8")
    found = load_config_from_file(str(path))
    assert (found.distributed_type, found.num_processes, found.mixed_precision) == (kind, 8, "bf16")
    assert getattr(found, f"{kind.lower()}_config")
