"""TLS for the API servers of the emulated clusters: each has a certificate authority, a serving
certificate and a port of its own, as the endpoints of real clusters do.
"""

import base64
import datetime
import ipaddress
import socket
import ssl
import tempfile
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

HANDSHAKE_SECONDS = 10
LIFE = datetime.timedelta(days=3650)


class Endpoint:
    """An https endpoint on a free port of this machine, until `close`."""

    def __init__(self, serve):
        """`serve(connection, address)` answers what comes through one TLS connection."""
        self.serve = serve
        self.context, authority = identity()
        # As EKS gives it: PEM, in base64.
        self.authority = base64.b64encode(authority).decode()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"https://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, address = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.shake_hands, args=(connection, address), daemon=True).start()

    def shake_hands(self, connection, address):
        """In a thread of its own: a client that says nothing holds up nobody else."""
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(HANDSHAKE_SECONDS)
            with self.context.wrap_socket(connection, server_side=True) as secured:
                secured.settimeout(None)
                self.serve(secured, address)
        except OSError:
            # The other end went away, or does not trust this one.
            connection.close()

    def close(self):
        """No more connections; those that are open end with their clients."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


class Application(ThreadedWSGIServer):
    """Serves a WSGI application on connections that somebody else accepts."""

    def __init__(self, application):
        super().__init__("127.0.0.1", 0, application, handler=MotoRequestHandler)
        self.server_close()
        # Tells the application that it is asked by https.
        self.ssl_context = True

    def __call__(self, connection, address):
        self.RequestHandlerClass(connection, address, self)


class Relay:
    """Passes each request on to another address, with `prefix` before its path.

    For whoever asked for the cluster through a proxy: requests to the cluster take the same way.
    One request a connection, so that a connection which the proxy cuts is cut here, too.
    """

    def __init__(self, target, prefix):
        self.target, self.prefix = urllib.parse.urlsplit(f"//{target}"), prefix

    def __call__(self, connection, _address):
        incoming = connection.makefile("rb")
        head = list(iter(incoming.readline, b"\r\n"))
        if not head or not head[0]:
            return
        method, path, version = head[0].split(b" ", 2)
        lengths = [line.split(b":", 1)[1] for line in head if line.lower().startswith(b"content-length:")]
        body = incoming.read(int(lengths[0])) if lengths else b""
        head[0] = b" ".join([method, self.prefix.encode() + path, version])
        with socket.create_connection((self.target.hostname, self.target.port)) as onward:
            onward.sendall(b"".join([*head, b"\r\n", body]))
            while answer := onward.recv(1 << 16):
                connection.sendall(answer)


def identity():
    """A TLS context with a new serving certificate, and the authority that signed it, in PEM."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = named("kubernetes")
    authority = certificate(issuer, issuer, authority_key.public_key())
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    authority = authority.add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
    authority = authority.sign(authority_key, hashes.SHA256())
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost"), x509.DNSName("kubernetes.default.svc")]
    serving = certificate(named("kube-apiserver"), issuer, key.public_key())
    serving = serving.add_extension(x509.SubjectAlternativeName(names), critical=False)
    serving = serving.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    serving = serving.add_extension(usage(digital_signature=True), critical=True)
    serving = serving.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    serving = serving.sign(authority_key, hashes.SHA256())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL takes keys from files alone; nobody else may read this one, and it goes at once.
    with tempfile.NamedTemporaryFile() as file:
        file.write(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        file.write(serving.public_bytes(serialization.Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return context, authority.public_bytes(serialization.Encoding.PEM)


def named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate(subject, issuer, key):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Clocks differ.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LIFE)
    )


def usage(**wanted):
    all_uses = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{use: wanted.get(use, False) for use in all_uses})
