# SPDX-License-Identifier: Apache-2.0
"""Says hello as a MongoDB server of another age would, and answers nothing else; or lies.

    with FakeServer(minWireVersion=0, maxWireVersion=5) as server:
        ... mongodb://127.0.0.1:{server.port} ...

    FakeServer(answers=message({"ok": 1.0}))      one answer to whatever is asked: message(request)
"""
import socket
import struct
import threading

import bson

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013


def message(document, flags=0, respond_to=0, times=1):
    """An answer with that document; `respond_to` away from the request it belongs to."""
    raw = bson.encode(document) if isinstance(document, dict) else document

    def answer(request):
        return times * (struct.pack("<iiiiIB", 21 + len(raw), 1, request + respond_to, OP_MSG,
                                    flags, 0) + raw)
    return answer


class FakeServer:
    def __init__(self, answers=None, **hello):
        self.answers = answers
        self.hello = {"ismaster": True, "maxBsonObjectSize": 16777216,
                      "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 1000, **hello,
                      "ok": 1.0}
        self.commands = []  # what it was asked, in order
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
        with client, client.makefile("rb") as stream:
            try:
                while len(head := stream.read(16)) == 16:
                    length, request, _, code = struct.unpack("<iiii", head)
                    client.sendall(self._answer(request, code, stream.read(length - 16)))
            except OSError:
                return

    def _answer(self, request, code, body):
        # OP_QUERY: flags, name of the collection, two numbers; OP_MSG: flags, section kind 0.
        at = body.index(b"\0", 4) + 9 if code == OP_QUERY else 5
        size = struct.unpack_from("<i", body, at)[0]
        command = next(iter(bson.decode(body[at:at + size])))
        self.commands.append(command)
        known = command.lower() in ("ismaster", "hello")
        if self.answers and not known:
            return self.answers(request)
        answer = bson.encode(self.hello if known else {
            "ok": 0.0, "errmsg": f"no such command: {command}", "code": 59})
        if code == OP_QUERY:
            return struct.pack("<iiiiiqii", 36 + len(answer), 1, request, OP_REPLY, 8, 0, 0,
                               1) + answer
        return struct.pack("<iiiiiB", 21 + len(answer), 1, request, OP_MSG, 0, 0) + answer
