"""What the host needs to run; a real one adds its database and its middleware."""

ROOT_URLCONF = "host"
ALLOWED_HOSTS = ["testserver"]
SECRET_KEY = "of a test"  # noqa: S105
USE_TZ = True
QCP = {"INSTALLATION": "production.qcp"}  # a function of the host that builds its `Qcp`
