# SPDX-License-Identifier: Apache-2.0
"""MongoDB servers of both generations, on loopback, in folders that go away.

    with Mongod("4.2") as m:
        m.client().DLAAS.DataSets.insert_one({...})
        m.kill9(); m.restart()
"""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import pymongo
from pymongo.errors import PyMongoError

from .process import die_with_parent

START_SECONDS = 60
PORT_ATTEMPTS = 5


@dataclass
class User:
    name: str
    password: str
    database: str = "admin"
    roles: list = field(default_factory=lambda: ["root"])

    def credentials(self):
        return f"{quote_plus(self.name)}:{quote_plus(self.password)}@"


class ServerError(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def binary(version):
    """(path, environment) of a server; script/lib/env.sh names them."""
    env = dict(os.environ)
    if version == "4.2":
        path = os.environ.get("MVIMIG_MONGOD_42")
        # Its OpenSSL is of the Debian release before; no other program may see that one.
        env["LD_LIBRARY_PATH"] = os.environ.get("MVIMIG_MONGOD_42_LIBS", "")
    elif version == "6.0":
        path = os.environ.get("MVIMIG_MONGOD_60")
    else:
        raise ValueError(f"no such server: {version}")
    if not path or not os.access(path, os.X_OK):
        raise ServerError("run script/bootstrap, then: source script/lib/env.sh")
    return path, env


class Mongod:
    """One server. It keeps its port and its folder over kill9() and restart()."""

    def __init__(self, version, *, port=0, dbpath=None, users=(), repl_set=None,
                 test_commands=False, cache_gb=0.25, extra=()):
        self.version = version
        self.port = port
        self.users = list(users)
        self.repl_set = repl_set
        self.test_commands = test_commands
        self.cache_gb = cache_gb
        self.extra = list(extra)
        self._own_folder = None
        if dbpath is None:
            self._own_folder = tempfile.mkdtemp(prefix=f"mongod-{version}-")
            dbpath = self._own_folder
        self.dbpath = str(dbpath)
        self.log_path = os.path.join(self.dbpath, "mongod.log")
        self.process = None
        self._clients = []
        self._shared = None

    # Addresses

    def uri(self, user=None, database=""):
        """As a client writes it. `user`: a User; default the first one, if there are any."""
        if user is None and self.users:
            user = self.users[0]
        who, options = "", []
        if user:
            who = user.credentials()
            options.append(f"authSource={user.database}")
        if self.repl_set:
            options.append(f"replicaSet={self.repl_set}")
        query = "?" + "&".join(options) if options else ""
        return f"mongodb://{who}127.0.0.1:{self.port}/{database}{query}"

    def client(self, user=None, **options):
        """Closed by stop()."""
        options.setdefault("serverSelectionTimeoutMS", 20000)
        client = pymongo.MongoClient(self.uri(user), **options)
        self._clients.append(client)
        return client

    def shared_client(self):
        """One client for all who only look."""
        if self._shared is None:
            self._shared = self.client()
        return self._shared

    @property
    def pid(self):
        return self.process.pid

    # Life

    def start(self):
        os.makedirs(self.dbpath, exist_ok=True)
        chosen = self.port != 0
        for attempt in range(PORT_ATTEMPTS):
            if not chosen:
                self.port = free_port()
            try:
                self._spawn()
                break
            except ServerError as e:
                # Somebody took the free port between the look and the start.
                if chosen or "in use" not in str(e) or attempt + 1 == PORT_ATTEMPTS:
                    self.stop()
                    raise
        if self.repl_set or self.users:
            try:
                self._first_setup()
            except BaseException:
                self.stop()
                raise
        return self

    def restart(self):
        """Again on the same port and folder, after kill9() or while it runs."""
        if self.running():
            self._end(signal.SIGTERM)
        self._spawn()
        if self.repl_set:
            self._wait_primary()
        return self

    def kill9(self):
        """As a power cut would."""
        self._end(signal.SIGKILL)

    def pause(self):
        """Stops answering without closing a connection."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        for client in self._clients:
            client.close()
        self._clients, self._shared = [], None
        # Nothing of it is wanted any more, so it need not be asked politely.
        if self.running():
            self._end(signal.SIGKILL)
        if self._own_folder:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    def __del__(self):
        if getattr(self, "process", None) is not None:
            self.stop()

    # Faults (needs test_commands)

    def fail_command(self, commands, *, times=1, **data):
        """times: a count, "alwaysOn" or "off". data: errorCode, closeConnection, blockConnection…"""
        mode = {"times": times} if isinstance(times, int) else times
        self.client().admin.command({"configureFailPoint": "failCommand", "mode": mode,
                                     "data": {"failCommands": list(commands), **data}})

    # Inside

    def _arguments(self):
        path, env = binary(self.version)
        args = [path, "--dbpath", self.dbpath, "--port", str(self.port),
                "--bind_ip", "127.0.0.1", "--nounixsocket",
                "--logpath", self.log_path, "--logappend",
                "--wiredTigerCacheSizeGB", str(self.cache_gb),
                "--setParameter", "diagnosticDataCollectionEnabled=false"]
        if self.test_commands:
            args += ["--setParameter", "enableTestCommands=1"]
        if self.repl_set:
            args += ["--replSet", self.repl_set, "--oplogSize", "64"]
        if self.users:
            args += ["--auth"]
            if self.repl_set:
                args += ["--keyFile", self._key_file()]
        return args + self.extra, env

    def _key_file(self):
        path = os.path.join(self.dbpath, "keyfile")
        if not os.path.exists(path):
            with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
                f.write("x" * 64)
        return path

    def _spawn(self):
        args, env = self._arguments()
        if os.path.exists(self.log_path):
            os.rename(self.log_path, f"{self.log_path}.{time.monotonic_ns()}")
        self.process = subprocess.Popen(
            args, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerError(f"mongod {self.version} ended with {self.process.returncode}:\n"
                                  + self.log_tail())
            # Its own log tells, not the port: another server may answer there.
            if "aiting for connections" in self.log_tail():
                return
            time.sleep(0.02)
        self._end(signal.SIGKILL)
        raise ServerError(f"mongod {self.version} not ready in {START_SECONDS} s:\n"
                          + self.log_tail())

    def log_tail(self, size=20000):
        try:
            with open(self.log_path, "rb") as f:
                f.seek(max(0, os.path.getsize(self.log_path) - size))
                return f.read().decode(errors="replace")
        except OSError:
            return ""

    def _end(self, number):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _first_setup(self):
        """Through the localhost exception: open until the first user is there."""
        with pymongo.MongoClient("127.0.0.1", self.port, directConnection=True,
                                 serverSelectionTimeoutMS=20000) as c:
            if self.repl_set:
                c.admin.command("replSetInitiate", {
                    "_id": self.repl_set,
                    "members": [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]})
                self._wait_primary()
            if self.users:
                self._create_user(c, self.users[0])
        if len(self.users) > 1:
            with pymongo.MongoClient(self.uri()) as c:
                for user in self.users[1:]:
                    self._create_user(c, user)

    @staticmethod
    def _create_user(client, user):
        client[user.database].command("createUser", user.name, pwd=user.password, roles=[
            {"role": r, "db": "admin" if r == "root" else user.database}
            if isinstance(r, str) else r for r in user.roles])

    def _wait_primary(self):
        deadline = time.monotonic() + START_SECONDS
        with pymongo.MongoClient("127.0.0.1", self.port, directConnection=True) as c:
            while time.monotonic() < deadline:
                try:
                    if c.admin.command("isMaster").get("ismaster"):
                        return
                except PyMongoError:
                    pass
                time.sleep(0.05)
        raise ServerError("no primary")
