"""The signing ceremony: one signatory, one or more documents, one level."""
