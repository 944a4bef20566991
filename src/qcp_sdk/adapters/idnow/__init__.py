"""IDnow: the gateway API of VideoIdent and AutoIdent, its webhooks, and those of the new platform.

Marks in these modules: [read] in IDnow's "API Documentation" of 2016-02-15 with its notes of 2017 or in a public
client; [known] from elsewhere; [inferred]. Nothing here was tried on the live service (docs/providers/idnow.md).
"""

from qcp_sdk.adapters.idnow.gateway import LIVE, TEST, IdnowIdentity, Places, Product
from qcp_sdk.adapters.idnow.hints import IdnowHints
from qcp_sdk.adapters.idnow.platform import IdnowPlatformWebhooks

__all__ = ["LIVE", "TEST", "IdnowHints", "IdnowIdentity", "IdnowPlatformWebhooks", "Places", "Product"]
