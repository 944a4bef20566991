"""Write tests/stored/<version>/journals.json: what this release stores, for the releases after it to read.

`python scripts/make_stored.py` once a release, before it is tagged; that of an earlier one is never written again.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qcp_sdk import codec
from qcp_sdk.offers import Offer
from qcp_sdk.subscription.stages import FINAL, Plan, Stage
from qcp_sdk.testing.scene import Scene

STORED = Path(__file__).parent.parent / "tests" / "stored"
BESIDES = {
    Plan.ASSEMBLED: {Stage.OPENING_REGISTRATION, Stage.REGISTERING},
    Plan.HOSTED: {
        Stage.OPENING_IDENTITY, Stage.PROVING_IDENTITY, Stage.CONFIRMING_IDENTITY, Stage.PREPARING_REQUEST,
        Stage.READING_REQUEST, Stage.SIGNING_REQUEST, Stage.SEALING_REQUEST, Stage.AWAITING_CERTIFICATE,
    },
}  # fmt: skip
"""Stages that a plan never comes to."""


def stream(scene: Scene, id: str) -> dict[str, Any]:
    """Give everything that is stored of a stream, as it is before it is sealed."""
    kept = scene.qcp.engine.streams.load(id)
    return {
        "kind": kept.kind,
        "state": json.loads(codec.pack_state(kept.kind, kept.state)),
        "journal": [
            {"at": one.at.isoformat(), "fact": json.loads(codec.pack_fact(one.fact))}
            for one in scene.qcp.records.history(id)
        ],
        "outbox": [
            json.loads(codec.pack_effect(scene.qcp.engine.streams.effect(kept, row.key, row.payload)))
            for row in scene.world.store.outstanding(stream=id)
        ],
    }


def streams() -> dict[str, dict[str, Any]]:
    """Give a stream at every stage that a person rests at, and two ceremonies."""
    found: dict[str, dict[str, Any]] = {}
    for plan, besides in BESIDES.items():
        for stage in Stage:
            if stage in FINAL or stage in besides or stage is Stage.REVOKING:
                continue
            scene = Scene(offer=Offer(plan=plan))
            try:
                view = scene.subscribe(scene.jessica, until=stage)
            except AssertionError:
                continue  # nobody rests there: it is passed within one call
            found[f"{plan}/{stage}"] = stream(scene, view.id)
    scene = Scene()
    scene.subscribe(scene.jessica)
    (ceremony,) = scene.start(scene.collecte(scene.jessica))
    found["ceremony/consenting"] = stream(scene, ceremony.id)
    scene.sign(ceremony, scene.jessica)
    found["ceremony/signed"] = stream(scene, ceremony.id)
    return found


def main() -> int:
    """Write the folder of this release; give the exit status."""
    folder = STORED / version("qcp_sdk")
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(streams(), ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "journals.json").write_text(content + "\n", "utf-8")
    print(f"wrote {folder.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
