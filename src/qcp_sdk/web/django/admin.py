"""The admin: everything can be read that is not personal, and nothing changed. What is sealed is opened for one reason
given, on record. Support asks providers again, retries what is parked, and settles it with a second person.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, router, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from qcp_sdk import codec
from qcp_sdk.adapters.shared.history import sentence
from qcp_sdk.engine.streams import owned
from qcp_sdk.errors import Conflict, NotFound, QcpError
from qcp_sdk.facts import Fact
from qcp_sdk.values import AccountId, Key, TenantId
from qcp_sdk.web.django.conf import installation
from qcp_sdk.web.django.models import PARKED, Effect, Entry, Proposal, Stream

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

    def asked(self, request: HttpRequest, permission: str, pk: int) -> Any:
        """Give the row that an operator wants something done to, with a POST.

        Raises:
            PermissionDenied: They may not, or it was no POST.
            Http404: There is none.
        """
        user: Any = request.user
        if request.method != "POST" or not user.has_perm(permission):
            raise PermissionDenied
        return get_object_or_404(self.model, pk=pk)

    def done(self, request: HttpRequest, act: Callable[[], Any]) -> Any:
        """Do what an operator asked for; say why, where it is refused."""
        try:
            answer = act()
        except QcpError as error:
            messages.error(request, str(error))
            return None
        messages.success(request, _("Done, and on record."))
        return answer


@admin.register(Stream)
class StreamAdmin(ReadOnly):
    """Subscriptions and ceremonies: where they stand, what happened, and asking again."""

    list_display = ("name", "kind", "stage", "version")
    list_filter = ("kind", "stage")
    search_fields = ("name",)
    search_help_text = _("An id, or the id of an account; of a tenant's as tenant/account.")
    ordering = ("-ordinal",)
    fields = ("name", "kind", "stage", "version", "wrapped_by")
    show_full_result_count = False
    change_form_template = "qcp/admin/stream.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Stream], search_term: str
    ) -> tuple[QuerySet[Stream], bool]:
        """Find by id, and by account: through the keyed hash under which an account's subscriptions are found."""
        found, doubled = super().get_search_results(request, queryset, search_term)
        engine, term = installation().qcp.engine, search_term.strip()
        tenant, slash, account = term.partition("/")
        for whose, who in [("", term), (tenant, account)][: 2 if slash else 1] if term else []:
            value = engine.streams.blind("account", owned(TenantId(whose), AccountId(who)))
            found |= queryset.filter(name__in=engine.ports.store.find(index="account", value=value))
        return found, doubled

    def get_urls(self) -> list[Any]:
        """Add the two acts."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/ask/", wrap(self.ask), name="qcp_stream_ask"),
            path("<int:pk>/reveal/", wrap(self.reveal), name="qcp_stream_reveal"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what happened, in sentences that tell nothing personal."""
        row = self.get_object(request, object_id)
        entries = Entry.objects.filter(stream=row.name).order_by("sequence") if row else ()
        told = _told(row.name) if row else {}
        happened = [(one.sequence, told.get(one.sequence, ""), one.kind, _moment(one.at)) for one in entries]
        shown = {"happened": happened}
        return super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})

    def ask(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask now whoever is waited for, on record."""
        row: Stream = self.asked(request, "qcp.operate", pk)
        name, who, why = row.name, request.user.get_username(), request.POST.get("reason", "")
        self.done(request, lambda: installation().qcp.operations.ask(name, by=who, reason=why))
        return redirect("admin:qcp_stream_change", pk)

    def reveal(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Open what happened, once, for a reason that is kept."""
        row: Stream = self.asked(request, "qcp.reveal", pk)
        name, who, why = row.name, request.user.get_username(), request.POST.get("reason", "")
        told = self.done(request, lambda: installation().qcp.operations.reveal(name, by=who, reason=why))
        if told is None:
            return redirect("admin:qcp_stream_change", pk)
        words = _told(name)
        rows = [(one.at, words.get(one.sequence, one.fact.kind), _opened(one.fact)) for one in told]
        context = {**self.admin_site.each_context(request), "told": rows, "title": name}
        made = TemplateResponse(request, "qcp/admin/revealed.html", context)
        made["Cache-Control"] = "no-store"
        return made


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
    change_form_template = "qcp/admin/effect.html"

    @admin.display(description=_("due"), ordering="due")
    def when(self, row: Effect) -> datetime:
        """When it is, or was, due."""
        return _moment(row.due)

    def get_urls(self) -> list[Any]:
        """Add the acts."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/retry/", wrap(self.retry), name="qcp_effect_retry"),
            path("<int:pk>/propose/", wrap(self.propose), name="qcp_effect_propose"),
            path("<int:pk>/approve/", wrap(self.approve), name="qcp_effect_approve"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what may be done about one that is parked."""
        row = self.get_object(request, object_id)
        parked = row is not None and row.state == PARKED
        proposal = _proposed(row).first() if row and parked else None
        shown = {"parked": parked, "proposal": proposal, "me": request.user.get_username()}
        return super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})

    def retry(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Put it back in line, under its own key; what was proposed about it is over."""
        row, who, why = self._about(request, pk)

        def retried() -> None:
            installation().qcp.operations.retry(Key(row.key), by=who, reason=why)
            Proposal.objects.filter(key=row.key).delete()

        self.done(request, retried)
        return redirect("admin:qcp_effect_change", pk)

    def propose(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Propose to settle it by hand, on record: nothing happens until a second person approves."""
        row, who, why = self._about(request, pk)

        def proposed() -> None:
            with transaction.atomic(using=router.db_for_write(Proposal)):
                Proposal.objects.filter(key=row.key).exclude(token=row.token).delete()  # about an earlier parking
                try:
                    with transaction.atomic(using=router.db_for_write(Proposal)):
                        Proposal.objects.create(key=row.key, by=who, reason=why, token=row.token)
                except IntegrityError as there:
                    raise Conflict("it is proposed already", mend="look at it again, and approve it") from there
                installation().qcp.operations.propose(Key(row.key), by=who, reason=why)

        self.done(request, proposed)
        return redirect("admin:qcp_effect_change", pk)

    def approve(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Approve what another proposed: it is settled, and never performed."""
        row, who, why = self._about(request, pk)

        def settled() -> None:
            proposal = _proposed(row).filter(reason=why).first()
            if proposal is None:
                raise NotFound("this is not proposed, or no longer", mend="look at it again")
            installation().qcp.operations.settle(Key(row.key), by=proposal.by, reason=proposal.reason, approved_by=who)
            proposal.delete()

        self.done(request, settled)
        return redirect("admin:qcp_effect_change", pk)

    def _about(self, request: HttpRequest, pk: int) -> tuple[Effect, str, str]:
        row: Effect = self.asked(request, "qcp.operate", pk)
        return row, request.user.get_username(), request.POST.get("reason", "")


def _proposed(row: Effect) -> QuerySet[Proposal]:
    """Give what is proposed about an effect as it is parked now: what was proposed before a retry is over."""
    return Proposal.objects.filter(key=row.key, token=row.token)


def _told(stream: str) -> dict[int, str]:
    """Give a stream's history in words, by sequence; nothing of one that was erased, or that cannot be read."""
    held = installation()
    texts, language = held.journey.site.renderer.texts, (get_language() or "").partition("-")[0]
    try:
        history = held.qcp.records.history(stream)
    except QcpError:
        return {}
    return {one.sequence: sentence(one.fact, texts.get(language, texts["fr"])) for one in history}


def _opened(fact: Fact) -> str:
    return json.dumps(codec.converter().unstructure(fact, type(fact)), ensure_ascii=False, indent=1)


def _moment(ticks: int) -> datetime:
    return datetime.fromtimestamp(ticks / 1_000_000, UTC)
