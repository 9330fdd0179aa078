from tests.namespaces import namespace

__all__ = ["namespace"]
