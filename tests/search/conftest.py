from tests.miniature import miniature, shared_cache

__all__ = ["miniature", "shared_cache"]
