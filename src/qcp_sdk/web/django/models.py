"""The tables of the store on the ORM. They hold what is sealed, and what every query needs beside it; no foreign key
leads to a table of the host's.

Instants are whole microseconds since 1970, in UTC: exact on every database, and in order. SQLite and PostgreSQL are
served; on others text has no unique key.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Index, Q
from django.utils.translation import gettext_lazy as _

WAITING, DONE, PARKED = "waiting", "done", "parked"


class Stream(models.Model):
    """One subscription, ceremony, or record of attempts."""

    ordinal: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    name: models.TextField[str, str] = models.TextField(_("id"), unique=True)
    kind: models.TextField[str, str] = models.TextField(_("kind"))
    version: models.BigIntegerField[int, int] = models.BigIntegerField(_("facts"))
    stage: models.TextField[str, str] = models.TextField(_("stage"))
    data_key: models.BinaryField[bytes, bytes] = models.BinaryField()
    state: models.BinaryField[bytes, bytes] = models.BinaryField()
    head: models.BinaryField[bytes, bytes] = models.BinaryField()
    indexed: models.TextField[str, str] = models.TextField(default="[]")
    wrapped_by: models.TextField[str, str] = models.TextField(_("wrapped by"), default="")

    objects: ClassVar[models.Manager[Stream]]

    class Meta:
        verbose_name, verbose_name_plural = _("subscription or ceremony"), _("subscriptions and ceremonies")
        permissions: ClassVar = [("reveal", _("Can reveal personal data, on record"))]
        indexes: ClassVar = [Index(fields=["wrapped_by", "name"], name="qcp_wrapped")]

    def __str__(self) -> str:
        return self.name


class Mark(models.Model):
    """One keyed hash under which a stream is found."""

    ordinal: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    index: models.TextField[str, str] = models.TextField()
    value: models.TextField[str, str] = models.TextField()
    stream: models.TextField[str, str] = models.TextField()

    objects: ClassVar[models.Manager[Mark]]

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["index", "value", "stream"], name="qcp_mark_once")]
        indexes: ClassVar = [Index(fields=["stream"], name="qcp_mark_stream")]


class Entry(models.Model):
    """One recorded fact; `hash` chains it to the one before."""

    ordinal: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    stream: models.TextField[str, str] = models.TextField(_("id"))
    sequence: models.BigIntegerField[int, int] = models.BigIntegerField(_("sequence"))
    at: models.BigIntegerField[int, int] = models.BigIntegerField()
    kind: models.TextField[str, str] = models.TextField(_("fact"))
    payload: models.BinaryField[bytes, bytes] = models.BinaryField()
    hash: models.BinaryField[bytes, bytes] = models.BinaryField()

    objects: ClassVar[models.Manager[Entry]]

    class Meta:
        verbose_name, verbose_name_plural = _("recorded fact"), _("recorded facts")
        constraints: ClassVar = [models.UniqueConstraint(fields=["stream", "sequence"], name="qcp_entry_once")]

    def __str__(self) -> str:
        return f"{self.stream}/{self.sequence}"


class Effect(models.Model):
    """One effect: still to be done, parked, or done (then only its mark is left)."""

    ordinal: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    key: models.TextField[str, str] = models.TextField(_("key"), unique=True)
    stream: models.TextField[str, str] = models.TextField(_("id"))
    kind: models.TextField[str, str] = models.TextField(_("effect"))
    due: models.BigIntegerField[int, int] = models.BigIntegerField()
    ready: models.BigIntegerField[int, int] = models.BigIntegerField()
    leased_until: models.BigIntegerField[int | None, int | None] = models.BigIntegerField(null=True)
    token: models.BigIntegerField[int, int] = models.BigIntegerField(default=0)
    attempts: models.BigIntegerField[int, int] = models.BigIntegerField(_("attempts"), default=0)
    state: models.TextField[str, str] = models.TextField(_("state"), default=WAITING)
    note: models.TextField[str, str] = models.TextField(_("reason"), default="")
    payload: models.BinaryField[bytes, bytes] = models.BinaryField()

    objects: ClassVar[models.Manager[Effect]]

    class Meta:
        verbose_name, verbose_name_plural = _("effect"), _("effects")
        permissions: ClassVar = [("operate", _("Can ask again, retry, and settle with a second person"))]
        indexes: ClassVar = [
            Index(fields=["ready", "ordinal"], name="qcp_effect_ready", condition=Q(state=WAITING)),
            Index(fields=["stream"], name="qcp_effect_open", condition=~Q(state=DONE)),
            Index(fields=["ordinal"], name="qcp_effect_parked", condition=Q(state=PARKED)),
        ]

    def __str__(self) -> str:
        return self.key


class Claim(models.Model):
    """A name that one stream owns."""

    ordinal: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    name: models.TextField[str, str] = models.TextField(unique=True)
    owner: models.TextField[str, str] = models.TextField(db_index=True)

    objects: ClassVar[models.Manager[Claim]]


class Message(models.Model):
    """The id of a message that was seen."""

    ordinal: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    name: models.TextField[str, str] = models.TextField(unique=True)
    kept_until: models.BigIntegerField[int, int] = models.BigIntegerField(db_index=True)

    objects: ClassVar[models.Manager[Message]]


class Proposal(models.Model):
    """Somebody would settle a parked effect by hand, and a second person has not approved it yet.

    It is about one parking: an effect that was tried again, and parked again, has another token.
    """

    key: models.TextField[str, str] = models.TextField(_("key"), unique=True)
    by: models.TextField[str, str] = models.TextField(_("proposed by"))
    reason: models.TextField[str, str] = models.TextField(_("reason"))
    token: models.BigIntegerField[int, int] = models.BigIntegerField()

    objects: ClassVar[models.Manager[Proposal]]
