"""The auditor's review: what people say of a run's matches, kept in `RUN/review/`, and what that says of the audit."""
