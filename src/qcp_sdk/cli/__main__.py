"""`python -m qcp_sdk.cli`."""

import sys

from qcp_sdk.cli import main

sys.exit(main())
