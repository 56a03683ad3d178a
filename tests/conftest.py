"""Fixtures that every kind of test may use, and how property tests draw.

Examples are the same in every run, so that a run is as long and as green as the last one of the same code.
``pytest --hypothesis-profile=exploring`` draws new ones, for a search at leisure.
"""

from hypothesis import settings

pytest_plugins = ["tests.browser", "tests.database"]

settings.register_profile("exploring", deadline=None)
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")
