"""A trusted list that knows the sandbox's authorities: what was signed there is then judged as a real document is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from qcp_sdk.adapters.local_scheme import ListedService, Purpose, ServiceStatus, ServiceType, publish
from qcp_sdk.ports.clock import Clock
from qcp_sdk.sandbox.pki import SandboxPki

LIFE: Final = timedelta(days=180)


def publish_trust(
    pki: SandboxPki, directory: Path, *, clock: Clock, authority: ServiceType = ServiceType.CA_QC
) -> Path:
    """Write a trust directory for `TrustStore.load`, and give it: the authority as `authority`, the time-stamping unit.

    Its territory is `ZZ`, which production refuses. It lives half a year, by `clock`.
    """
    now, operator = clock.now(), pki.operator()
    granted = ((ServiceStatus.GRANTED, now - timedelta(days=1)),)
    signatures = (Purpose.SIGNATURES,) if authority is ServiceType.CA_QC else ()
    recognised = ((ServiceStatus.RECOGNISED_NATIONALLY, now - timedelta(days=1)),)
    publish(
        directory,
        operator_key=operator.key,
        operator_certificate=operator.certificate,
        services=(
            ListedService(
                name="Sandbox QCP-n (TEST)",
                type=authority,
                certificate=pki.authority,
                history=granted if authority is ServiceType.CA_QC else recognised,
                purposes=signatures,
            ),
            ListedService(
                name="Sandbox time (TEST)", type=ServiceType.QTST, certificate=pki.timestamps, history=granted
            ),
        ),
        now=now,
        next_update=now + LIFE,
        sequence=1,
        crls=tuple(one for one in (pki.crl(issuer=pki.root), pki.crl(issuer=pki.authority)) if one is not None),
        provider="qcp_sdk sandbox (TEST)",
    )
    return directory
