# SPDX-License-Identifier: Apache-2.0
"""A way to a MongoDB server that loses answers after the work was done, and worse.

    with Lossy(server.port, command="insert", lose={2, 5}) as way:
    with Lossy(server.port, command="getMore", does={2: "cut-answer", 5: "delay"}) as way:
        ... mongodb://127.0.0.1:{way.port} ...
"""
import socket
import struct
import threading
import time

DELAY_SECONDS = 0.4
# What can be done to one command, counted from 1.
WAYS = {
    "lose": "the work is done, the answer is lost with the connection",
    "cut-answer": "the work is done, the connection breaks within the answer",
    "cut-request": "the connection breaks within the request: nothing is done",
    "delay": "the answer comes late",
    "replay": "the request arrives twice; what the second one brings is the answer",
}


class Lossy:
    def __init__(self, port, *, command, lose=(), does=None):
        self.target = port
        # The command's first element: a collection's name, or the cursor of a getMore.
        self.marker = (b"\x12" if command == "getMore" else b"\x02") + command.encode() + b"\0"
        self.does = {**{n: "lose" for n in lose}, **(does or {})}
        assert set(self.does.values()) <= set(WAYS)
        self.seen = 0
        self.done = []  # what was done, in order
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def lost(self):
        return self.done.count("lose")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            try:
                while (request := _message(client)) is not None:
                    if not self._pass_on(client, server, request, self._next(request)):
                        return
            except OSError:
                return

    @staticmethod
    def _pass_on(client, server, request, way):
        """False: the connection is to break."""
        if way == "cut-request":
            server.sendall(request[:len(request) // 2])
            return False
        server.sendall(request)
        answer = _message(server)
        if way == "replay" and answer is not None:
            server.sendall(request)
            answer = _message(server)
        if way == "delay":
            time.sleep(DELAY_SECONDS)
        if answer is None or way == "lose":
            return False
        client.sendall(answer[:len(answer) // 2] if way == "cut-answer" else answer)
        return way != "cut-answer"

    def _next(self, request):
        # OP_MSG: header, flags, section kind 0, then the command with its name first.
        if self.marker not in request[21:21 + 4 + len(self.marker)]:
            return None
        with self._lock:
            self.seen += 1
            way = self.does.get(self.seen)
            if way:
                self.done.append(way)
            return way


def _message(sock):
    head = _exactly(sock, 4)
    if head is None:
        return None
    rest = _exactly(sock, struct.unpack("<i", head)[0] - 4)
    return None if rest is None else head + rest


def _exactly(sock, n):
    parts, left = [], n
    while left:
        part = sock.recv(min(left, 1 << 20))
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
