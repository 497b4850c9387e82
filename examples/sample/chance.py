# SPDX-License-Identifier: Apache-2.0
"""Random numbers by name: each object draws from its own stream, so that one object more does
not change all that come after it."""
import random

DAY = 86_400_000
# 2019-06-01 in milliseconds: when these servers were in daily use.
EPOCH_MS = 1_559_347_200_000
SPAN_DAYS = 900


class Chance:
    def __init__(self, seed):
        self.seed = seed

    def stream(self, *names):
        return random.Random("/".join([str(self.seed), *map(str, names)]))


def uuid(rng):
    """A random UUID as text (the library's own takes the system's randomness)."""
    h = f"{rng.getrandbits(128):032x}"
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{'89ab'[int(h[16], 16) % 4]}{h[17:20]}-{h[20:]}"


def time_ms(rng):
    return EPOCH_MS + rng.randrange(SPAN_DAYS * DAY)
