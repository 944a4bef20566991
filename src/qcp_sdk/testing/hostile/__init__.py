"""Hostile documents for the tests of whoever reads PDFs: altered, endless, contradictory, forged.

    kit = Kit()
    for one in hostile.ALL:
        content = one.make(kit)      # the same attack, with keys of this kit
        ...                          # whatever your platform does with an upload

`kit.trust()` trusts the authority of the kit, so that what is rejected is rejected for what it is, not for who signed
it. `docs/hostile.md` says what each is, and what three verifiers say of it.
"""

from qcp_sdk.testing.hostile.corpus import ALL, Hostile
from qcp_sdk.testing.hostile.kit import NOW, Kit

__all__ = ["ALL", "NOW", "Hostile", "Kit"]
