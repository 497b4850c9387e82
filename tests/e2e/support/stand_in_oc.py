#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An oc whose cluster is a folder: pods are directories of this machine, and a port-forward is a
proxy that breaks as it is told.

It is called as FOLDER/bin/oc and reads, in FOLDER:

    cluster.json   url, token, project; "ports" {"POD:PORT": port of a server here};
                   "pods" {NAME: directory in which exec runs}; "mounts" {folder below /opt in
                   the pod: directory here};
                   "user" number of the pod's user (with "mounts"); "rights" [verbs] (null: all)
    pods.json, secrets.json   lists as the real program prints them
    forward        how port-forwards behave, a line for each start, the last for all that follow:
                   pass | drop N | hang N | die N | refuse | silent | fail
    (with the Nth request that passes: the connections break and it ends; no byte passes any more;
    it is killed. Counted in requests, not in seconds, so that a slow machine gets as far)

and notes in FOLDER what it was asked (`asked`, a line of JSON each) and which rights that takes
(`verbs`).
"""
import fcntl
import json
import os
import select
import signal
import socket
import sys

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0])))


def path(*names):
    return os.path.join(FOLDER, *names)


def read(name):
    with open(path(name), encoding="utf-8") as f:
        return json.load(f)


def note(name, line):
    with open(path(name), "a", encoding="utf-8") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        f.write(line + "\n")


def fail(text, status=1):
    sys.stderr.write(text + "\n")
    sys.exit(status)


def need(cluster, *verbs):
    for verb in verbs:
        note("verbs", verb)
        if cluster.get("rights") is not None and verb not in cluster["rights"]:
            what, resource = verb.split(" ")
            fail(f'Error from server (Forbidden): {resource} is forbidden: User "mvimig" cannot '
                 f'{what} resource "{resource}" in API group "" in the namespace')


def log_in(cluster):
    """The server, token and namespace as a real one sees them."""
    try:
        with open(os.environ["KUBECONFIG"], encoding="utf-8") as f:
            login = json.load(f)
    except (KeyError, OSError):
        fail("error: Missing or incomplete configuration info. (no KUBECONFIG)")
    server = login["clusters"][0]["cluster"]
    if server["server"] != cluster["url"]:
        fail(f"Unable to connect to the server: dial tcp: lookup {server['server']}: no such host")
    if cluster.get("self_signed") and not (server.get("certificate-authority")
                                           or server.get("insecure-skip-tls-verify")):
        fail("Unable to connect to the server: x509: certificate signed by unknown authority")
    if login["users"][0]["user"]["token"] != cluster["token"]:
        fail("error: You must be logged in to the server (Unauthorized)")


def get(cluster, words):
    what, names = words[0].rstrip("s") + "s", [w for w in words[1:] if not w.startswith("-")
                                               and w != "json"]
    try:
        listed = read(what + ".json")
    except OSError:
        fail(f'error: the server doesn\'t have a resource type "{what}"')
    need(cluster, ("get " if names else "list ") + what)
    if not names:
        print(json.dumps(listed))
        return
    for item in listed["items"]:
        if item["metadata"]["name"] == names[0]:
            print(json.dumps(item))
            return
    fail(f'Error from server (NotFound): {what} "{names[0]}" not found')


def find_pod(cluster, name):
    need(cluster, "get pods")
    name = name.removeprefix("pod/")
    if name not in [p["metadata"]["name"] for p in read("pods.json")["items"]]:
        fail(f'Error from server (NotFound): pods "{name}" not found')
    return name


def run_in(cluster, words):
    """exec -i POD [-c C] -- COMMAND..."""
    at = words.index("--")
    named = [w for i, w in enumerate(words[:at]) if not w.startswith("-") and words[i - 1] != "-c"]
    pod = find_pod(cluster, named[0])
    need(cluster, "create pods/exec")
    command = words[at + 1:]
    folder = cluster["pods"].get(pod)
    if folder is None or cluster.get("no_exec"):
        fail("error: unable to upgrade connection: container not found")
    os.makedirs(os.path.join(folder, "tmp"), exist_ok=True)
    os.chdir(folder)
    if "user" in cluster:  # of the group 0, as OpenShift has it
        command = ["setpriv", f"--reuid={cluster['user']}", "--regid=0", "--clear-groups", *command]
    for folder, source in cluster.get("mounts", {}).items():  # as the pod has it; needs root
        command = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /opt && mkdir -p \"$1\" && "
                   "mount --bind \"$2\" \"$1\" && shift 2 && exec \"$@\"", "sh", folder, source,
                   *command]
    # What a pod has, and nothing of the caller's.
    os.execvpe(command[0], command, {"PATH": cluster.get("path", os.environ["PATH"]),
                                     "HOME": folder, "TMPDIR": os.path.join(folder, "tmp")})


class Proxy:
    def __init__(self, target, mode, requests):
        self.target, self.mode = target, mode
        self.left = requests if mode in ("drop", "hang", "die") else None
        self.asking = set()  # connections from here whose request is on its way
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.other = {}
        self.here = set()

    def listen(self, port):
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(64)
        return self.listener.getsockname()[1]

    def serve(self):
        while True:
            for s in select.select([self.listener, *self.other], [], [])[0]:
                if s is self.listener:
                    self.accept()
                elif s in self.other:
                    self.carry(s)

    def break_down(self):
        if self.mode == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.mode == "hang":  # takes connections, answers nothing
            while True:
                signal.pause()
        fail("error: lost connection to pod")

    def accept(self):
        here = self.listener.accept()[0]
        try:
            there = socket.create_connection(("127.0.0.1", self.target))
        except OSError as error:
            sys.stderr.write(f"E an error occurred forwarding: {error}\n")
            here.close()
            return
        if self.mode == "refuse":
            here.close()
            there.close()
            return
        # As the real one: a line for each connection, which somebody has to read.
        sys.stdout.write(f"Handling connection for {here.getsockname()[1]}\n")
        sys.stdout.flush()
        self.other[here], self.other[there] = there, here
        self.here.add(here)

    def count(self, s):
        """What comes from here behind an answer, or first, is another request."""
        if s not in self.here:
            self.asking.discard(self.other[s])
        elif s not in self.asking and self.left is not None:
            self.asking.add(s)
            self.left -= 1
            if self.left <= 0:
                self.break_down()

    def carry(self, s):
        try:
            data = s.recv(1 << 16)
            if data:
                self.other[s].sendall(data)
                self.count(s)
                return
        except OSError:
            pass
        other = self.other.pop(s)
        self.other.pop(other, None)
        self.here -= {s, other}
        self.asking -= {s, other}
        s.close()
        other.close()


def next_mode():
    """The line of `forward` for this start."""
    try:
        with open(path("forward"), encoding="utf-8") as f:
            lines = f.read().split("\n")
    except OSError:
        lines = []
    lines = [line for line in lines if line.strip()] or ["pass"]
    with open(path("forwards"), "a+", encoding="utf-8") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        f.seek(0)
        n = len(f.read())
        f.write(".")
    words = lines[min(n, len(lines) - 1)].split()
    return words[0], int(words[1]) if len(words) > 1 else 0


def forward(cluster, words):
    """port-forward POD --address 127.0.0.1 [LOCAL]:REMOTE"""
    words = [w for i, w in enumerate(words) if w != "--address" and words[i - 1] != "--address"]
    pod = find_pod(cluster, words[0])
    need(cluster, "create pods/portforward")
    local, remote = words[1].split(":")
    target = cluster["ports"].get(f"{pod}:{remote}")
    mode, requests = next_mode()
    if target is None or mode == "fail":
        fail("error: error upgrading connection: unable to upgrade connection")
    proxy = Proxy(target, mode, requests)
    port = proxy.listen(int(local or 0))
    note("listened", f"{os.getpid()} {port} {mode}")
    if mode != "silent":
        print(f"Forwarding from 127.0.0.1:{port} -> {remote}", flush=True)
    proxy.serve()


def main():
    words = sys.argv[1:]
    note("asked", json.dumps({"pid": os.getpid(), "words": words, "env": dict(os.environ)}))
    cluster = read("cluster.json")
    if os.path.basename(sys.argv[0]) == "kubectl.sh":  # a standalone server's, with its own login
        words = ["-n", cluster["project"], *words]
    else:
        log_in(cluster)
    if words[:1] != ["-n"]:
        fail("the stand-in wants -n PROJECT first")
    if words[1] != cluster["project"]:
        fail(f'Error from server (Forbidden): User "mvimig" cannot do this in "{words[1]}"')
    verb, rest = words[2], words[3:]
    if verb == "get":
        get(cluster, rest)
    elif verb == "exec":
        run_in(cluster, rest)
    elif verb == "port-forward":
        forward(cluster, rest)
    else:
        fail(f"error: unknown command {verb}")


if __name__ == "__main__":
    main()
