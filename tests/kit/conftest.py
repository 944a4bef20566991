import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "caught_by(promise, **parameters): this wrong adapter is caught by that test of its suite"
    )
