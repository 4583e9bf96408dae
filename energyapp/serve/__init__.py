"""`make run`: everything the product needs on one machine, under one process manager.

Reading order: `__main__` (the start, step by step) -> `checks` (what must be true before) -> `prepare` (database,
static files, demo library; runs in a process of its own) -> `programs` (who runs, with which command) -> `supervisor`
(starts processes, prefixes what they print, ends them; knows nothing of Django).
"""
