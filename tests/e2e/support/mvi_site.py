# SPDX-License-Identifier: Apache-2.0
"""MVI's user interface, as far as it tells its version."""
import http.server
import json
import threading


class Site:
    """Where MVI's user interface would be: tells a version."""

    def __init__(self, version, status=200):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                known = self.path == "/visual-inspection/api/version-info"
                body = json.dumps({"version": version} if known else {}).encode()
                self.send_response(status if known else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/visual-inspection"
