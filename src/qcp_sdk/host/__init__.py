"""What a host calls, part by part: subscriptions, collectes, records. `qcp_sdk.sdk.Qcp` holds one of each."""
