"""Augmentation: one small pure function an operation, a registry, and a policy that chains them.

Adding an operation takes a function with a decorator of `roadshift.augment.registry` and a key
of the same name in `roadshift.augment.settings.AugmentSettings`; the policy finds both.
"""
