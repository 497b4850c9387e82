# SPDX-License-Identifier: Apache-2.0
"""How large a sample is."""
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Shape:
    """Totals for the whole server, where nothing else is said."""
    users: int
    projects: int
    datasets: int
    files_per_dataset: int
    labels_per_file: int       # object labels, on average
    models: int
    inferences: int
    details_per_inference: int


SMALL = Shape(users=3, projects=4, datasets=6, files_per_dataset=8, labels_per_file=3,
              models=5, inferences=20, details_per_inference=10)
# Some 20,000 documents and 2,000 files.
DEMO = Shape(users=5, projects=12, datasets=30, files_per_dataset=30, labels_per_file=3,
             models=24, inferences=680, details_per_inference=20)
DEMO_DOCUMENTS = 20000


def of_scale(scale):
    """small, demo, or about how many documents. The number of users, projects, datasets and
    files per dataset grows with the square root, so that documents and files grow linearly."""
    if scale == "small":
        return SMALL
    if scale == "demo":
        return DEMO
    ratio = int(scale) / DEMO_DOCUMENTS
    root = ratio ** 0.5
    return Shape(
        users=max(2, round(DEMO.users * root)),
        projects=max(2, round(DEMO.projects * root)),
        datasets=max(3, round(DEMO.datasets * root)),
        files_per_dataset=max(3, round(DEMO.files_per_dataset * root)),
        labels_per_file=DEMO.labels_per_file,
        models=max(4, round(DEMO.models * root)),
        inferences=max(2, round(DEMO.inferences * ratio)),
        details_per_inference=DEMO.details_per_inference)


def override(shape, **given):
    """The shape with those values of `given` that are not None."""
    return replace(shape, **{k: v for k, v in given.items() if v is not None})


def field_names():
    return [f.name for f in fields(Shape)]
