# SPDX-License-Identifier: Apache-2.0
"""The two ends of a migration in a test: a database of its own and a directory each."""
import json
import os
import subprocess
import sys

from .run import ROOT


class End:
    def __init__(self, server, database, data_dir):
        self.server = server
        self.database = database
        self.data_dir = str(data_dir)
        self.made = None  # the report of sample-server

    @property
    def db(self):
        return self.client[self.database]

    @property
    def client(self):
        return self.server.shared_client()

    def config(self):
        return {"mongoUri": self.server.uri(), "dataDir": self.data_dir,
                "mongoDatabase": self.database}

    def fill(self, *, role="source", scale="small", seed=1, **options):
        """Runs sample-server; options become its own (hostile=True, datasets=3)."""
        self.made = sample(self.server.uri(), self.data_dir, self.database, role=role,
                           scale=scale, seed=seed, **options)
        return self.made

    def oddities(self, kind):
        return [o for o in self.made["oddities"] if o["kind"] == kind]


def sample(uri, data_dir, database, **options):
    arguments = [sys.executable, os.path.join(ROOT, "examples", "sample-server"), "--mongo", uri,
                 "--data", str(data_dir), "--database", database, "--json"]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            arguments.append(flag)
        elif value is not False:
            arguments += [flag, str(value)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Ends:
    def __init__(self, source, destination, folder):
        self.source = source
        self.destination = destination
        self.folder = str(folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def work_dir(self, name):
        return os.path.join(self.source.data_dir, "logs", "migrations", name)

    def journal(self, name):
        return os.path.join(self.work_dir(name), "journal.db")

    def write_config(self, name="network.json", source=None, destination=None):
        """Path of a config. `source`, `destination`: changes; None as a value takes a key out."""
        path = self.path(name)
        content = {"source": self._changed(self.source, source),
                   "destination": self._changed(self.destination, destination)}
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as f:
            json.dump(content, f, indent=2)
        return path

    def fill(self, *, scale="small", seed=1, **options):
        """A source with work and a destination as an instance that was just set up."""
        self.source.fill(scale=scale, seed=seed, **options)
        self.destination.fill(role="destination", scale=scale, seed=seed)
        return self

    @staticmethod
    def _changed(end, changes):
        out = {**end.config(), **(changes or {})}
        return {k: v for k, v in out.items() if v is not None}
