"""A dossier of a whole subscription, and one of a signature, sealed by a trust centre in a temporary folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import frozen

from qcp_sdk.adapters.local_trust_centre import LocalTrustCentre
from qcp_sdk.evidence.dossier import Dossiers
from qcp_sdk.evidence.sealing import EvidenceSeal
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.values import Secret


@frozen
class Sealed:
    """What was exported, and whom its verifier trusts."""

    scene: Scene
    subscription: str
    ceremony: str
    dossiers: Dossiers
    subscription_dossier: bytes
    ceremony_dossier: bytes
    anchor: bytes


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    scene = Scene()
    folder: Path = tmp_path_factory.mktemp("evidence") / "centre"
    centre = LocalTrustCentre(folder, clock=scene.world.clock, passphrase=Secret("for tests only"))
    credential, signing = centre.seal_credential()
    seal = EvidenceSeal(credential=credential, signing=signing, timestamps=centre.timestamps(), revocation=centre)
    view = scene.subscribe(scene.jessica, until=Stage.ACTIVE)
    (ceremony,) = scene.start(scene.collecte(scene.jessica))
    scene.sign(ceremony, scene.jessica)
    dossiers = Dossiers(scene.qcp.engine, scene.qcp.records, seal)
    return Sealed(
        scene=scene,
        subscription=view.id,
        ceremony=ceremony.id,
        dossiers=dossiers,
        subscription_dossier=dossiers.export(view.id),
        ceremony_dossier=dossiers.export(ceremony.id),
        anchor=centre.certificates().root,
    )
