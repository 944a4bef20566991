"""The platform's settings."""

ROOT_URLCONF = "host"
SECRET_KEY = "for development"  # noqa: S105
ALLOWED_HOSTS = ["*"]
USE_TZ = True
LOGIN_URL = "/login"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "platform.sqlite"}}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "qcp_sdk.web.django",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
QCP = {
    "BACKEND": "installation.build",
    "ACCOUNT": lambda request: request.user.username if request.user.is_authenticated else None,
    "PLATFORM": "Letters",
}
