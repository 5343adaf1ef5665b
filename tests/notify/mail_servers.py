"""A real SMTP server on a free port, and a certificate authority that is made for one test."""

import contextlib
import datetime
import ipaddress
import socket
import ssl

from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@contextlib.contextmanager
def mail_server(inbox, **more):
    """Its port, while it runs. `more`: as of aiosmtpd's Controller and SMTP."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(inbox, hostname="127.0.0.1", port=port, **more)
    server.start()
    try:
        yield port
    finally:
        with contextlib.suppress(AssertionError):
            server.stop()


def authority(folder):
    """(file of its certificate, TLS context of a server at 127.0.0.1 whose certificate it signed)."""
    key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of this test")])
    root = _certificate(name, name, key, key, (x509.BasicConstraints(ca=True, path_length=0), True))
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    leaf = _certificate(subject, name, leaf_key, key, (here, False))
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.public_bytes(pem))
    private = leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "mail.pem").write_bytes(private + leaf.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "mail.pem")
    return folder / "ca.pem", context


def _certificate(subject, issuer, key, signer, extension):
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).add_extension(*extension)
    made = made.not_valid_before(now - datetime.timedelta(minutes=5))
    return made.not_valid_after(now + datetime.timedelta(hours=1)).sign(signer, hashes.SHA256())
