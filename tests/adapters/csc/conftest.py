"""A CSC service that somebody else wrote: Certomancer's, on a real wire."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

CONFIGURATION = """
keysets:
  peer:
    path-prefix: {folder}
    keys:
      root: {{path: root.pem}}
      rsa: {{path: rsa.pem}}
      elliptic: {{path: elliptic.pem}}
      tsa: {{path: tsa.pem}}
pki-architectures:
  peer:
    keyset: peer
    entity-defaults: {{country-name: FR, organization-name: Peer}}
    entities:
      root: {{common-name: Root}}
      rsa: {{common-name: Signatory}}
      elliptic: {{common-name: Other signatory}}
      tsa: {{common-name: Time}}
    certs:
      root:
        subject: root
        subject-key: root
        issuer: root
        authority-key: root
        validity: {{valid-from: "2020-01-01T00:00:00+0000", valid-to: "2100-01-01T00:00:00+0000"}}
        extensions:
          - {{id: basic_constraints, critical: true, value: {{ca: true}}}}
          - {{id: key_usage, critical: true, smart-value: {{schema: key-usage, params: [key_cert_sign]}}}}
      rsa:
        subject: rsa
        subject-key: rsa
        issuer: root
        authority-key: root
        validity: {{valid-from: "2020-01-01T00:00:00+0000", valid-to: "2100-01-01T00:00:00+0000"}}
      elliptic:
        subject: elliptic
        subject-key: elliptic
        issuer: root
        authority-key: root
        validity: {{valid-from: "2020-01-01T00:00:00+0000", valid-to: "2100-01-01T00:00:00+0000"}}
      tsa:
        subject: tsa
        subject-key: tsa
        issuer: root
        authority-key: root
        validity: {{valid-from: "2020-01-01T00:00:00+0000", valid-to: "2100-01-01T00:00:00+0000"}}
        extensions:
          - {{id: extended_key_usage, critical: true, value: [time_stamping]}}
    services:
      time-stamping:
        tsa: {{signing-cert: tsa}}
"""


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of Certomancer's CSC service; it pins hashes, signs for anybody, and knows no codes."""
    from aiohttp import web
    from certomancer.registry import CertomancerConfig
    from csc_dummy.csc_dummy_server import CSCWithCertomancer, DummyServiceParams  # type: ignore[import-untyped]

    folder = tmp_path_factory.mktemp("peer")
    for name in ("root", "elliptic", "tsa"):
        _write(folder / f"{name}.pem", ec.generate_private_key(ec.SECP256R1()))
    _write(folder / "rsa.pem", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    (folder / "peer.yml").write_text(CONFIGURATION.format(folder=folder))
    config = CertomancerConfig.from_file(str(folder / "peer.yml"))
    service = CSCWithCertomancer(config, service_params=DummyServiceParams(default_tsa="peer/tsa"))
    service.register_routes()

    loop, ready, port = asyncio.new_event_loop(), threading.Event(), list[int]()

    async def start() -> None:
        runner = web.AppRunner(service.app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server = site._server
        assert isinstance(server, asyncio.Server)
        port.append(server.sockets[0].getsockname()[1])
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(20)
    yield f"http://127.0.0.1:{port[0]}"
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)


def _write(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
