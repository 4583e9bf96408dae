"""Experiments on labelled tracks: what they ask, and the reports they answer with."""
