"""The conformance tests' machinery; docs/testing.md says how the parts fit together."""
