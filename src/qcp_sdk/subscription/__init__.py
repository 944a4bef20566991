"""The subscription machine: facts in, effects out. Read `stages`, `facts`, `effects`, then `machine`."""
