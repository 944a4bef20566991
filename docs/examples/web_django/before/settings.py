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
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
