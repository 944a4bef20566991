"""`qcp-sdk verify`, `trust` and `extend`: signed documents, and by whose word they count."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qcp_sdk.cli.answers import NO, YES
from qcp_sdk.cli.arguments import instant, readable
from qcp_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from qcp_sdk.adapters.shared.fetching import Fetcher

TRUST: Final = "QCP_TRUST"
"""Environment variable that names the trust directory when `--trust` does not."""

Commands = argparse._SubParsersAction  # the only name that argparse has for it


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    verify = commands.add_parser("verify", help="say which level every signature of a PDF reached, and why")
    verify.add_argument("file", type=Path, metavar="FILE", help="the PDF")
    verify.add_argument("--trust", type=Path, metavar="DIR", help=f"trust directory; by default ${TRUST}, then nobody")
    verify.add_argument("--at", type=instant, metavar="INSTANT", help="verify as of this instant, ISO 8601 with zone")
    verify.add_argument("--online", action="store_true", help="ask the addresses in certificates for their status")
    _asks_for_networks(verify)
    verify.add_argument("--json", action="store_true", help="print the report as JSON")
    verify.add_argument("--pdf", type=Path, metavar="FILE", help="write the report as one page, too; needs `local`")
    verify.set_defaults(run=_verify)

    trust = commands.add_parser("trust", help="trusted lists").add_subparsers(
        dest="trust", required=True, metavar="COMMAND"
    )
    update = trust.add_parser("update", help="fetch the list of lists and what it points to, and keep what holds")
    _asks_for_trust(update)
    update.add_argument("--lotl", metavar="URL", help="the list of lists; by default the European one")
    update.add_argument("--territory", action="append", default=[], metavar="CC", help="only this one; may be repeated")
    update.add_argument(
        "--first-use", action="store_true", help="pin who signed the list that is met now; every report will say so"
    )
    _asks_for_networks(update)
    update.set_defaults(run=_update)
    show = trust.add_parser("show", help="print the snapshot, its lists, or what they say of a service")
    _asks_for_trust(show)
    show.add_argument("--service", metavar="WORDS", help="every service whose name or provider's name has these words")
    show.add_argument("--at", type=instant, metavar="INSTANT", help="as of this instant, ISO 8601 with zone")
    show.add_argument("--json", action="store_true", help="print it as JSON")
    show.set_defaults(run=_show)

    extend = commands.add_parser("extend", help="renew the proof of a signed PDF before its last timestamp ends")
    extend.add_argument("file", type=Path, metavar="FILE", help="the PDF; it is left as it is")
    extend.add_argument("--tsa", required=True, metavar="URL", help="a time-stamping authority (RFC 3161)")
    extend.add_argument("--output", type=Path, required=True, metavar="FILE", help="never written over")
    _asks_for_networks(extend)
    extend.set_defaults(run=_extend)


def _asks_for_trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trust", type=Path, metavar="DIR", help=f"trust directory; by default ${TRUST}")


def _asks_for_networks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow", action="append", default=[], metavar="NETWORK",
        help="a network that is not public and may be asked all the same (10.1.0.0/16); may be repeated",
    )  # fmt: skip


def _directory(asked: argparse.Namespace) -> Path | None:
    named: Path | None = asked.trust or (Path(os.environ[TRUST]) if os.environ.get(TRUST) else None)
    return named


def _required(asked: argparse.Namespace) -> Path:
    directory = _directory(asked)
    if directory is None:
        raise InvalidInput("no trust directory is named", mend=f"give --trust, or set {TRUST}")
    return directory


def _fetcher(asked: argparse.Namespace, *, time: timedelta = timedelta(seconds=10)) -> Fetcher:
    from qcp_sdk.adapters.shared.fetching import Fetcher, Limits

    return Fetcher(allow=asked.allow, limits=Limits(time=time))


def _verify(asked: argparse.Namespace) -> int:
    from qcp_sdk.verification.console import render
    from qcp_sdk.verification.revocation import RevocationSource
    from qcp_sdk.verification.trust import TrustStore
    from qcp_sdk.verification.verify import verify

    directory = _directory(asked)
    trust = TrustStore.load(directory) if directory is not None else TrustStore()
    readable(asked.file)
    source: RevocationSource | None = None
    if asked.online:
        from qcp_sdk.adapters.http_revocation import HttpRevocation

        source = HttpRevocation(_fetcher(asked))
    report = verify(asked.file, trust=trust, now=asked.at or datetime.now(UTC), revocation=source)
    if asked.pdf is not None:
        from qcp_sdk.verification.paper import paper

        _write(asked.pdf, paper(report, asked.language, name=asked.file.name))
    if asked.json:
        print(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
    else:
        print(render(report, asked.language))
    return YES if report.level_reached is not None else NO


def _update(asked: argparse.Namespace) -> int:
    from qcp_sdk.verification.lotl import EUROPEAN
    from qcp_sdk.verification.updating import update

    done = update(
        _required(asked),
        fetch=_fetcher(asked, time=timedelta(minutes=1)),  # lists of ten megabytes, from slow servers
        now=datetime.now(UTC),
        location=asked.lotl or EUROPEAN,
        territories=asked.territory,
        first_use=asked.first_use,
    )
    for one in done.outcomes:
        print("\t".join((one.territory, one.state.value, str(one.sequence or "-"), one.why)).rstrip("\t"))
    print(f"{done.list_of_lists.territory}\t{done.list_of_lists.sequence}\tsnapshot\t{done.snapshot}")
    return YES if done.complete else NO


def _show(asked: argparse.Namespace) -> int:
    from qcp_sdk.verification.showing import shown
    from qcp_sdk.verification.trust import TrustStore

    trust, at = TrustStore.load(_required(asked)), asked.at or datetime.now(UTC)
    above = trust.used_list_of_lists(at)
    lists = [*((above,) if above else ()), *trust.used(at)]
    services = shown(trust, asked.service, at=at) if asked.service else ()
    if asked.json:
        told: dict[str, object] = {"snapshot": trust.snapshot, "at": at.isoformat()}
        told["list_of_lists"] = above.to_json() if above else None
        told["lists"] = [one.to_json() for one in trust.used(at)]
        if asked.service:
            told["services"] = [one.to_json() for one in services]
        print(json.dumps(told, ensure_ascii=False, indent=2))
    elif asked.service:
        for one in services:
            print(f"{one.territory}\t{one.name}\t{one.provider}\t{one.type}\t{one.status or 'not listed'}")
            print(f"\tsince {one.since.isoformat() if one.since else '-'}\t{' '.join(one.purposes)}")
            for under in one.policies:
                print(f"\t{' '.join(under.policies)}\t{' '.join(under.qualifiers)}\t{under.qualification.value}")
    else:
        print(f"snapshot\t{trust.snapshot}")
        if above is not None and above.pinned_on_first_use:
            print("the signer of the list of lists was pinned on first use: compare it with the Official Journal")
        for used in lists:
            state = "expired" if used.expired else "in force"
            print(f"{used.territory}\t{used.sequence}\t{state}\t{used.next_update.date()}\t{used.operator}")
    return YES if not asked.service or services else NO


def _extend(asked: argparse.Namespace) -> int:
    from qcp_sdk.adapters.http_revocation import HttpRevocation
    from qcp_sdk.adapters.http_timestamps import HttpTimestamps
    from qcp_sdk.adapters.pdf_archive import PdfArchive
    from qcp_sdk.adapters.system import SystemClock

    readable(asked.file)
    archive = PdfArchive(
        timestamps=HttpTimestamps(asked.tsa), revocation=HttpRevocation(_fetcher(asked)), clock=SystemClock()
    )
    archive.extend(asked.file, asked.output)
    print(asked.output)
    return YES


def _write(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise InvalidInput(
            f"it cannot be written ({error.strerror})", where=path.name, mend="give another name"
        ) from error
