# SPDX-License-Identifier: Apache-2.0
"""Who is there and what belongs to whom: the objects that documents and files are made from.

It grows with the number of users, projects, datasets and models, never with that of files or
documents: those are made one dataset at a time.
"""
from dataclasses import dataclass, field

from .chance import time_ms, uuid

# Real servers have such names: a person "smith, john" and accounts that are mail addresses.
USER_NAMES = ["admin", "alice", "smith, john", "bob@plant-3.example", "zoë"]
LINES = ["Bumper", "Door seams", "Windshield", "Weld spots", "Paint", "PCB top", "PCB bottom",
         "Bottle caps", "Labels", "Turbine blades", "Tyres", "Fuel tank"]
# Names that are text of another language when somebody forgets to quote them.
TRICKY_NAMES = ["Doors: left & right #2", "- no", "0777", "{steps: []}", "Ränder 検査",
                "line\u2028kind: dump", "it's \"quoted\"\\"]
DEFECTS = ["scratch", "dent", "bubble", "rust spot", "missing bolt", "burr", "crack/open", "ok"]
ACTIONS = ["pick", "place", "tighten"]
ARCHITECTURES = [("cod", "frcnn"), ("cod", "yolov3"), ("segmentation", "detectron"),
                 ("cic", "googlenet"), ("cod", "ssd"), ("action", "ssn")]


@dataclass
class Project:
    id: str
    name: str
    owner: str
    created: int


@dataclass
class DataSet:
    index: int
    id: str
    name: str
    owner: str
    project: Project
    created: int
    is_video: bool
    tags: list
    files: int


@dataclass
class Script:
    id: str
    name: str
    owner: str
    project: Project
    created: int


@dataclass
class Dnn:
    id: str
    name: str
    owner: str
    created: int


@dataclass
class Model:
    index: int
    id: str
    name: str
    owner: str
    project: Project
    dataset: DataSet
    created: int
    usage: str
    architecture: str
    script: Script
    dnn: Dnn
    deployed: bool
    variants: list = field(default_factory=list)  # suffixes of its files besides ID.zip


@dataclass
class World:
    shape: object
    chance: object
    users: list
    projects: list
    datasets: list
    scripts: list
    dnns: list
    models: list


def user_name(i):
    return USER_NAMES[i] if i < len(USER_NAMES) else f"operator{i:03d}"


def build(shape, chance):
    w = World(shape, chance, [user_name(i) for i in range(shape.users)], [], [], [], [], [])
    for i in range(shape.projects):
        w.projects.append(_project(w, i))
    for i in range(shape.datasets):
        w.datasets.append(_dataset(w, i))
    for i in range(max(2, shape.models // 6)):
        w.scripts.append(_script(w, i))
        w.dnns.append(_dnn(w, i))
    for i in range(shape.models):
        w.models.append(_model(w, i))
    return w


def _project(w, i):
    rng = w.chance.stream("project", i)
    # The name is unique per owner: the server has an index that says so.
    return Project(uuid(rng), f"{LINES[i % len(LINES)]} line {i // len(LINES) + 1}",
                   w.users[i % len(w.users)], time_ms(rng))


def _of_owner(rng, owner, candidates):
    mine = [c for c in candidates if c.owner == owner]
    return rng.choice(mine) if mine else None


def _dataset(w, i):
    rng = w.chance.stream("dataset", i)
    owner = w.users[i % len(w.users)]
    # A third is in no project, as on servers that were there before projects came.
    project = _of_owner(rng, owner, w.projects) if rng.random() < 0.66 else None
    if i < len(TRICKY_NAMES):
        name = TRICKY_NAMES[i]
    else:
        name = f"{rng.choice(LINES)} {rng.choice(DEFECTS)} {i}"
    # An ID is literal. One that reads like a pattern finds whoever globs.
    ident = "weld-[a-f]*?" if i == 2 else uuid(rng)
    return DataSet(i, ident, name, owner, project, time_ms(rng), is_video=i % 10 == 4,
                   tags=rng.sample(DEFECTS, rng.randint(3, 6)),
                   files=max(1, round(w.shape.files_per_dataset * rng.uniform(0.7, 1.3))))


def _script(w, i):
    rng = w.chance.stream("script", i)
    owner = w.users[i % len(w.users)]
    # The first stands in no project, yet a project's model uses it.
    project = _of_owner(rng, owner, w.projects) if i % 2 else None
    return Script(uuid(rng), f"preprocess {i}", owner, project, time_ms(rng))


def _dnn(w, i):
    rng = w.chance.stream("dnn", i)
    return Dnn(uuid(rng), f"custom net {i}", w.users[i % len(w.users)], time_ms(rng))


def _model(w, i):
    rng = w.chance.stream("model", i)
    dataset = w.datasets[i % len(w.datasets)]
    usage, architecture = ARCHITECTURES[i % len(ARCHITECTURES)]
    ident = uuid(rng)
    if i == 3:
        # One ID begins with another: "ID*" must not reach the longer one's files.
        ident = w.models[0].id + "0"
    owner = w.models[0].owner if i == 3 else dataset.owner
    # Some refer to what another project or user owns; that is what scopes have to follow.
    script = rng.choice(w.scripts) if i % 4 == 0 else None
    dnn = rng.choice(w.dnns) if i % 5 == 1 else None
    return Model(i, ident, f"{dataset.name} {architecture} {i}", owner, dataset.project, dataset,
                 time_ms(rng), usage, architecture, script, dnn, deployed=i % 4 == 1,
                 variants=[s for s in ("-coreml.zip", "-tensorrt.zip", "_edge.tar.gz")
                           if rng.random() < 0.5])
