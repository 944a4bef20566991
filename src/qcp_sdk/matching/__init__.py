"""Is this the same person? Exactly, by a listed transformation, or not at all; a fuzzy score never accepts.

Two names are EXACT when they are equal once folded (case, diacritics, hyphens, apostrophes, spaces). They are CLOSE
when they become equal by transformations that have a name, and whoever asked decides which of those count.
Everything else is NO_MATCH: there is no distance, no nickname, no phonetics (behaviour § 4).
"""

from qcp_sdk.matching.comparing import (
    BIRTH_NAME,
    EMAIL,
    FIRST_NAME,
    HOLDER_ACCEPTED,
    HOLDER_FIELDS,
    LAST_NAME,
    MOBILE,
    USUALLY_ACCEPTED,
    FieldMatch,
    Match,
    Person,
    Reason,
    Transformation,
    Verdict,
    compare_holder,
    differing_fields,
    match,
    match_identity,
    same_name,
)

__all__ = [
    "BIRTH_NAME",
    "EMAIL",
    "FIRST_NAME",
    "HOLDER_ACCEPTED",
    "HOLDER_FIELDS",
    "LAST_NAME",
    "MOBILE",
    "USUALLY_ACCEPTED",
    "FieldMatch",
    "Match",
    "Person",
    "Reason",
    "Transformation",
    "Verdict",
    "compare_holder",
    "differing_fields",
    "match",
    "match_identity",
    "same_name",
]
