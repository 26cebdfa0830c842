"""Values shared by the tests of the store and their child scripts."""

from desktop_slm.store.keyfile import KDF_MIN_KIB, KdfParameters

CHEAP = KdfParameters(memory_kib=KDF_MIN_KIB, iterations=1)
"""The cheapest Argon2id that any vault may have: the floor is not lowered for tests."""

KEY = bytes(range(32))
