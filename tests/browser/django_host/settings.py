"""The Django platform of the browser's tests: its own tables for the SDK's store, and no user of Django's."""

ROOT_URLCONF = "tests.browser.django_host.urls"
SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["127.0.0.1", "platform.example"]
USE_TZ = True
USE_I18N = True
LANGUAGES = [("fr", "Français"), ("en", "English")]
INSTALLED_APPS = ["qcp_sdk.web.django"]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "tests.browser.django_host.urls.language_of_session",
    "django.middleware.csrf.CsrfViewMiddleware",
]
# A file: every thread of the server has a connection of its own. Who begins a transaction is its writer at once.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "",  # said by `DjangoHost`
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
}
QCP = {
    "BACKEND": "tests.browser.django_host.urls.installation",
    "ACCOUNT": "tests.browser.django_host.urls.who",
    "PLATFORM": "Plateforme",
    "MOBILE_HELP": "/account",
}
