from tests.miniature import default_project, miniature, shared_cache

__all__ = ["default_project", "miniature", "shared_cache"]
