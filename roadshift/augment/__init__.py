"""Augmentation: a small pure function for each operation, a registry, a policy to chain them.

Adding an operation takes a function with a decorator of `roadshift.augment.registry` and a key
of the same name in `roadshift.augment.settings.AugmentSettings`; the policy finds both.
"""
