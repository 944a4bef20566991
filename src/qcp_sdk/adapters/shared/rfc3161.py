"""The answer of a time-stamping authority (RFC 3161 § 2.4.2), refusals included."""

from __future__ import annotations

from typing import ClassVar

from asn1crypto import cms, core, tsp  # type: ignore[import-untyped]


class TimeStampResp(core.Sequence):  # type: ignore[misc]
    """As asn1crypto's, but that the token is OPTIONAL: its own can neither read nor write a refusal."""

    _fields: ClassVar[list[tuple[object, ...]]] = [
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]
