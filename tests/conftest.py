"""Properties are judged by what they find, not by the clock: an example has no deadline."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
