"""The certificate by which the parts of a cluster of our own know each other."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID = datetime.timedelta(days=365)
_NAME = "mlpipe"


def make_certificates() -> dict[str, str]:
    """Return a fresh key and certificate, for all roles of one cluster, as options of `distributed.Security`.

    As of `distributed.Security.temporary`, but on an elliptic curve (NIST P-256): to find the primes of an
    RSA key takes a tenth of a second, sometimes two, of the first step.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_NAME)]), critical=False)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _VALID)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = certificate.public_bytes(serialization.Encoding.PEM).decode()
    roles = ("client", "scheduler", "worker")
    return {
        "tls_ca_file": public,
        **{f"tls_{role}_key": private for role in roles},
        **{f"tls_{role}_cert": public for role in roles},
    }
