"""Exit statuses of `qcp-sdk`: yes, no, and a question that cannot be answered."""

YES, NO, UNANSWERED = 0, 1, 2
