"""Tests that are more than one fixture run: each module collects its own with @case."""
