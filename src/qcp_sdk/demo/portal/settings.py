"""The portal's settings. It listens on this machine only, and knows nothing when it stops."""

from __future__ import annotations

import secrets

ROOT_URLCONF = "qcp_sdk.demo.portal.urls"
SECRET_KEY = secrets.token_urlsafe(48)
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
USE_TZ = True
USE_I18N = True
LANGUAGES = [("fr", "Français"), ("en", "English")]
LANGUAGE_CODE = "fr"
LOGIN_URL = "/"
INSTALLED_APPS = ["qcp_sdk.web.django"]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_HTTPONLY = True
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "qcp_sdk.demo.portal.views.language_of_session",
    "django.middleware.csrf.CsrfViewMiddleware",
]
QCP = {
    "BACKEND": "qcp_sdk.demo.portal.world.installation",
    "ACCOUNT": "qcp_sdk.demo.portal.views.who",
    "PLATFORM": "Portail",
    "MOBILE_HELP": "/",
}
