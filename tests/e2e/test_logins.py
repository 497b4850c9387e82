# SPDX-License-Identifier: Apache-2.0
"""Who may log in, over what, and what is said when somebody may not."""
import socket
import ssl
import subprocess
import threading

import pymongo
import pytest

from support import oracle
from support.servers import Mongod, User

# Passwords

SECRET = "correct-horse-staple"


@pytest.fixture(scope="module")
def guarded():
    users = [User("root", SECRET + "-root"), User("mvi", SECRET, "DLAAS", ["readWrite"]),
             User("looker", SECRET, "DLAAS", [])]
    with Mongod("6.0", users=users) as server:
        yield server


@pytest.mark.parametrize("user,password,source,says", [
    ("mvi", "wrong-password-1", "DLAAS", "the password is wrong"),
    ("ghost", SECRET, "DLAAS", "is not known in the database DLAAS"),
    ("mvi", SECRET, "admin", "but in DLAAS: give mongoAuthSource DLAAS"),
    ("looker", SECRET, "DLAAS", "lacks this right"),
    (None, None, None, "the server asks for a login"),
], ids=["password", "user", "authSource", "role", "none"])
def test_login_refused(ends, guarded, mvimig, user, password, source, says):
    who = f"{user}:{password}@" if user else ""
    where = f"?authSource={source}" if source else ""
    mvimig.secrets |= {p for p in (password,) if p}
    config = ends.write_config(destination={
        "mongoUri": f"mongodb://{who}127.0.0.1:{guarded.port}/{where}", "mongoDatabase": "DLAAS"})
    done = mvimig.run("plan", "-c", config, "--server", "--name", "t", "-o", ends.path("p.yaml"))
    done.expect(12)
    assert says in done.stderr


# TLS


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """ca.pem; NAME.pem (certificate and key) of servers and a client; another.pem, an unknown CA;
    stranger.pem, of a client that only that one vouches for."""
    folder = tmp_path_factory.mktemp("tls")
    for ca in ("ca", "another"):
        openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
                f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    for name, san, days in (("server", "IP:127.0.0.1", "30"), ("elsewhere", "DNS:mvi.invalid", "30"),
                            ("expired", "IP:127.0.0.1", "-1"), ("client", "DNS:client", "30")):
        with open(folder / "ext", "w") as f:
            f.write(f"subjectAltName={san}\n")
        openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}/O=mvi",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", days, "-extfile", "ext", "-out", f"{name}.crt")
        (folder / f"{name}.pem").write_bytes((folder / f"{name}.crt").read_bytes()
                                             + (folder / f"{name}.key").read_bytes())
    (folder / "stranger.pem").write_bytes((folder / "another.pem").read_bytes()
                                          + (folder / "another.key").read_bytes())
    return folder


class Handshakes:
    """Only shakes hands: a mongod does not start with a certificate that has expired."""

    def __init__(self, certificate):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
                self.context.wrap_socket(connection, server_side=True).close()
            except ssl.SSLError:
                continue
            except OSError:
                if self.socket.fileno() < 0:
                    return


def tls_server(certificates, name, *, client=False):
    """A server that wants TLS, with this certificate; with client, certificates of clients too."""
    extra = ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(certificates / f"{name}.pem")]
    if client:
        extra += ["--tlsCAFile", str(certificates / "ca.pem")]
    return Mongod("6.0", extra=extra)


def plan_over(ends, mvimig, server, **keys):
    config = ends.write_config(destination={
        "mongoUri": f"mongodb://127.0.0.1:{server.port}/{keys.pop('query', '?tls=true')}", **keys})
    return mvimig.run("plan", "-c", config, "--server", "--name", "t", "-o", ends.path("t.yaml"))


def test_migrates_over_tls(ends, mvimig, certificates):
    ends.source.fill()
    with tls_server(certificates, "server", client=True) as server:
        keys = {"tlsCAFile": str(certificates / "ca.pem"),
                "tlsCertificateKeyFile": str(certificates / "client.pem")}
        plan_over(ends, mvimig, server, **keys).ok()
        mvimig.run("apply", ends.path("t.yaml"), "-c", ends.path("network.json")).ok()
        with pymongo.MongoClient("127.0.0.1", server.port, tls=True,
                                 tlsCAFile=keys["tlsCAFile"],
                                 tlsCertificateKeyFile=keys["tlsCertificateKeyFile"]) as client:
            there = oracle.documents(client[ends.destination.database])
    oracle.check(oracle.document_differences(
        oracle.migrated(oracle.documents(ends.source.db), {}), there, id_to_front=True))


@pytest.mark.parametrize("name,client,keys,says", [
    ("server", False, {}, "is not trusted: give the CA that signed it (tlsCAFile)"),
    ("server", False, {"tlsCAFile": "another.pem"}, "is not trusted"),
    ("elsewhere", False, {"tlsCAFile": "ca.pem"}, "is not made out for this host"),
    ("expired", False, {"tlsCAFile": "ca.pem"}, "has expired"),
    ("server", True, {"tlsCAFile": "ca.pem"}, "client certificate"),
    ("server", True, {"tlsCAFile": "ca.pem", "tlsCertificateKeyFile": "stranger.pem"},
     "give a client certificate that it accepts"),
    ("server", False, {"query": ""}, "the server wants TLS: add tls=true"),
], ids=["no CA", "other CA", "other host", "expired", "no client certificate",
        "another client certificate", "no TLS"])
def test_tls_refused(ends, mvimig, certificates, name, client, keys, says):
    keys = {k: str(certificates / v) if k.startswith("tls") else v for k, v in keys.items()}
    server = Handshakes(certificates / "expired.pem") if name == "expired" else tls_server(
        certificates, name, client=client)
    with server:
        done = plan_over(ends, mvimig, server, **keys)
    assert done.rc in (12, 13) and says in done.stderr, done.stderr
