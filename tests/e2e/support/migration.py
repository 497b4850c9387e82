# SPDX-License-Identifier: Apache-2.0
"""One migration from plan to comparison, and questions to its journal."""
import re
import sqlite3

from . import oracle
from .run import hold

# What holds the objects of one user. Several steps, and other servers, write into these: they get
# owner and mode, and whatever time the last of them leaves.
SHARED = re.compile(rb"[^/]+(/(datasets|dnn-scripts|trained-models(/thumbnails)?))?")


class Migration:
    """A filled pair of ends, and what should be at the destination when all is done."""

    def __init__(self, ends, mvimig, name="t"):
        self.ends, self.mvimig, self.name = ends, mvimig, name
        self.config = ends.write_config()
        self.plan_path = ends.path(f"{name}.yaml")
        self.documents_before = oracle.documents(ends.destination.db)
        self.tree_before = oracle.tree(ends.destination.data_dir)

    def plan(self, *scope):
        return self.mvimig.run("plan", "-c", self.config, *(scope or ("--server",)), "--name",
                               self.name, "-o", self.plan_path)

    def apply(self, *options):
        return self.mvimig.run("apply", self.plan_path, "-c", self.config, *options)

    def start_apply(self, *options, env=None):
        return self.mvimig.start("apply", self.plan_path, "-c", self.config, *options, env=env)

    def start_held(self, *options, at="attempt", nth="7+", faults=()):
        """An apply that waits at a fault point (base/fault.h), and the file that holds it there: by
        default from the seventh attempt at a step on, when others are done. Remove the file, and it
        goes on."""
        held = self.ends.path(f"held-{self.name}")
        faults = ",".join([hold(at, {nth: held}), *faults])
        return self.start_apply(*options, env={"MVIMIG_FAULT": faults}), held

    def start_resume(self, env=None):
        return self.mvimig.start("resume", self.work_dir, env=env)

    def resume(self):
        return self.resume_with()

    def resume_with(self, *options):
        return self.mvimig.run("resume", self.work_dir, *options)

    def verify(self, *options):
        return self.mvimig.run("verify", self.plan_path, "-c", self.config, *options)

    @property
    def work_dir(self):
        return self.ends.work_dir(self.name)

    @property
    def journal_path(self):
        return self.ends.journal(self.name)

    def ask(self, query, *values):
        """Rows of the journal, as an auditor gets them."""
        db = sqlite3.connect(f"file:{self.journal_path}?mode=ro", uri=True, timeout=30)
        try:
            return db.execute(query, values).fetchall()
        finally:
            db.close()

    def assert_arrived(self):
        """Every document and file of the source is at the destination; what was there before
        still is; nothing else is."""
        ends = self.ends
        oracle.check(oracle.document_differences(
            oracle.migrated(oracle.documents(ends.source.db), self.documents_before),
            oracle.documents(ends.destination.db), id_to_front=True))
        expected = oracle.migrated_tree(oracle.tree(ends.source.data_dir), self.tree_before)
        there = oracle.tree(ends.destination.data_dir)
        forget_shared_times(expected, there)
        oracle.check(oracle.tree_differences(expected, there))


def forget_shared_times(expected, there):
    for path, entry in expected.items():
        if entry.type == "directory" and path in there and SHARED.fullmatch(path):
            entry.mtime_ns = there[path].mtime_ns
