"""SMS over HTTP: codes and the notices that go by telephone, through one of three shapes of gateway.

- `JsonGateway`: a documented shape of our own, for a gateway that you put in front of whatever you have; it knows an
  idempotency key and signs its receipts (docs/providers/sms.md).
- `TwilioGateway` and `BrevoGateway`: as those document theirs. Neither knows a key: a lost answer is `Unconfirmed`.

What did not arrive comes back as a receipt: `SmsReceipts`, `TwilioReceipts`, `BrevoReceipts` give its key.
"""

from qcp_sdk.adapters.sms_gateways.gateways import BrevoGateway, JsonGateway, SmsGateway, TwilioGateway
from qcp_sdk.adapters.sms_gateways.receipts import BrevoReceipts, SmsReceipts, TwilioReceipts
from qcp_sdk.adapters.sms_gateways.sending import SmsCodes, SmsNotices

__all__ = [
    "BrevoGateway",
    "BrevoReceipts",
    "JsonGateway",
    "SmsCodes",
    "SmsGateway",
    "SmsNotices",
    "SmsReceipts",
    "TwilioGateway",
    "TwilioReceipts",
]
