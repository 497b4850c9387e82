# SPDX-License-Identifier: Apache-2.0
"""A way to a MongoDB server that loses answers after the work was done.

    with Lossy(server.port, command="insert", lose={2, 5}) as way:
        ... mongodb://127.0.0.1:{way.port} ...
"""
import socket
import struct
import threading


class Lossy:
    def __init__(self, port, *, command, lose):
        self.target = port
        self.marker = b"\x02" + command.encode() + b"\0"  # the command's first element
        self.lose = set(lose)   # which of these commands lose their answer, counted from 1
        self.seen = 0
        self.lost = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

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
                    lose = self._to_be_lost(request)
                    server.sendall(request)
                    answer = _message(server)
                    if answer is None or lose:
                        return
                    client.sendall(answer)
            except OSError:
                return

    def _to_be_lost(self, request):
        # OP_MSG: header, flags, section kind 0, then the command with its name first.
        if self.marker not in request[21:21 + 4 + len(self.marker)]:
            return False
        with self._lock:
            self.seen += 1
            if self.seen in self.lose:
                self.lost += 1
                return True
            return False


def _message(sock):
    head = _exactly(sock, 4)
    if head is None:
        return None
    return head + (_exactly(sock, struct.unpack("<i", head)[0] - 4) or b"")


def _exactly(sock, n):
    parts, left = [], n
    while left:
        part = sock.recv(min(left, 1 << 20))
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
