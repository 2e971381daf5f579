"""Fetches model weights onto a node before the server starts.

Rule of this package: the standard library only, Python 3.9 or newer, and nothing of ours. It runs on GPU nodes and in
Jobs where no package index can be reached, and ships as one archive. `tests/contract/test_imports.py` holds it to that.
"""
