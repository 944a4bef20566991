"""The admin: everything can be read that is not personal, and nothing changed. What is sealed is never opened here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from qcp_sdk.web.django.models import Effect, Entry, Stream

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = admin.ModelAdmin  # generic for checkers only


class ReadOnly(_Admin):
    """Shows rows; adds, changes and deletes none."""

    actions = None

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Never: `qcp_erase` does, on record."""
        return False


@admin.register(Stream)
class StreamAdmin(ReadOnly):
    """Subscriptions and ceremonies: where they stand."""

    list_display = ("name", "kind", "stage", "version")
    list_filter = ("kind", "stage")
    search_fields = ("name",)
    ordering = ("-ordinal",)
    fields = ("name", "kind", "stage", "version", "wrapped_by")
    show_full_result_count = False


@admin.register(Entry)
class EntryAdmin(ReadOnly):
    """Recorded facts: which, and when; not what they say."""

    list_display = ("stream", "sequence", "kind", "instant")
    search_fields = ("stream",)
    ordering = ("-ordinal",)
    fields = ("stream", "sequence", "kind", "instant")
    show_full_result_count = False

    @admin.display(description=_("at"), ordering="at")
    def instant(self, row: Entry) -> datetime:
        """When it was recorded."""
        return _moment(row.at)


@admin.register(Effect)
class EffectAdmin(ReadOnly):
    """What is still to be done, what waits for a person, what was done."""

    list_display = ("key", "kind", "state", "attempts", "when", "note")
    list_filter = ("state", "kind")
    search_fields = ("key", "stream")
    ordering = ("-ordinal",)
    fields = ("key", "stream", "kind", "state", "attempts", "when", "note")
    show_full_result_count = False

    @admin.display(description=_("due"), ordering="due")
    def when(self, row: Effect) -> datetime:
        """When it is, or was, due."""
        return _moment(row.due)


def _moment(ticks: int) -> datetime:
    return datetime.fromtimestamp(ticks / 1_000_000, UTC)
