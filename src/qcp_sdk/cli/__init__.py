"""`qcp-sdk`: verify a signed PDF, show and try a policy, check journals and dossiers, draw the machines.

Exit status: 0 when the answer is yes (valid, allowed, intact), 1 when it is no, 2 when the question cannot be answered
(a file that cannot be read, a wrong argument). Errors are one line on standard error.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from qcp_sdk.cli import certificates, custody, doctor, practice, sandbox, verifying
from qcp_sdk.cli.answers import NO, UNANSWERED, YES
from qcp_sdk.cli.arguments import content_of
from qcp_sdk.cli.verifying import TRUST
from qcp_sdk.errors import InvalidInput, QcpError
from qcp_sdk.values import Key

__all__ = ["INSTALLATION", "TRUST", "build_parser", "main"]

MODEL_NAMES: Final = (
    "money",
    "assembled",
    "hosted",
    "ceremony",
    "ceremony-later",
    "ceremony-hosted",
    "ceremony-hosted-later",
)
"""What can be explored: the keys of `testing.exploration.models.MODELS`, which is imported only when it is needed."""
WORLD_NAMES: Final = (
    "assembled",
    "hosted",
    "renewals",
    "signatories",
    "signatories-parallel",
    "signatories-hosted",
)
"""The same with `--world`: the keys of `WORLDS`."""
INSTALLATION: Final = "QCP_INSTALLATION"
"""Environment variable that names the installation when `--installation` does not."""


def build_parser() -> argparse.ArgumentParser:
    """Give the parser; the CLI's documentation is made from it."""
    parser = argparse.ArgumentParser(prog="qcp-sdk", description="Qualified certificates and niveau 3 signatures.")
    parser.add_argument("--language", choices=("fr", "en"), default=_language(), help="language of what is printed")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    verifying.add(commands)

    policy = commands.add_parser("policy", help="the level policy").add_subparsers(required=True, metavar="COMMAND")
    show = policy.add_parser("show", help="print the default policy, commented")
    show.set_defaults(run=_policy_show)
    assess = policy.add_parser("assess", help="say who may sign a collecte at which level, and why")
    assess.add_argument("file", type=Path, metavar="COLLECTE.json", help="the collecte, with the certificates known")
    assess.add_argument("--policy", type=Path, metavar="FILE", help="a policy of your own, TOML")
    assess.add_argument("--json", action="store_true", help="print the decision as JSON")
    assess.set_defaults(run=_policy_assess)

    journal = commands.add_parser("journal", help="journals").add_subparsers(required=True, metavar="COMMAND")
    check = journal.add_parser("verify", help="check the hash chain of an exported journal")
    check.add_argument("file", type=Path, metavar="FILE", help="the journal, JSON")
    check.set_defaults(run=_journal_verify)

    history = commands.add_parser("history", help="say in words what happened; nothing personal is told")
    history.add_argument("id", metavar="ID", help="the subscription or ceremony")
    history.add_argument("--zone", default="Europe/Paris", metavar="ZONE", help="time zone of instants")
    _asks_for_installation(history)
    history.set_defaults(run=_history)

    evidence = commands.add_parser("evidence", help="evidence dossiers").add_subparsers(
        required=True, metavar="COMMAND"
    )
    export = evidence.add_parser("export", help="write the dossier of a subscription or a signature")
    export.add_argument("id", metavar="ID", help="the subscription or ceremony")
    _asks_for_installation(export)
    export.add_argument("--output", type=Path, metavar="FILE", help="by default ID.asice; never written over")
    export.set_defaults(run=_evidence_export)
    held = commands.add_parser("certificates", help="certificates that people hold").add_subparsers(
        dest="certificates", required=True, metavar="COMMAND"
    )
    before = held.add_parser("import", help="take those into care that were held before, from a CSV file")
    before.add_argument("file", type=Path, metavar="FILE", help="columns: account, fingerprint[, route][, tenant]")
    _asks_for_installation(before)
    before.set_defaults(run=certificates.bring_in)
    follow = held.add_parser("follow", help="have every certificate in force asked about at its authority from now on")
    _asks_for_installation(follow)
    follow.set_defaults(run=certificates.follow)
    person = commands.add_parser("person", help="what is kept about one person").add_subparsers(
        dest="person", required=True, metavar="COMMAND"
    )
    theirs = person.add_parser("export", help="write everything that is kept about an account, for that person")
    theirs.add_argument("account", metavar="ACCOUNT")
    theirs.add_argument("--tenant", default="", metavar="TENANT", help="whose account it is, where there are several")
    _asks_for_installation(theirs)
    theirs.add_argument("--output", type=Path, metavar="FILE", help="where to write it (person.zip by default)")
    theirs.set_defaults(run=_person_export)
    proof = evidence.add_parser("verify", help="check a dossier offline, with nothing but the file and the anchors")
    proof.add_argument("file", type=Path, metavar="FILE", help="the dossier (.asice)")
    proof.add_argument(
        "--anchor", type=Path, action="append", required=True, metavar="PEM",
        help="certificates of authorities that you trust for seals and timestamps; may be repeated",
    )  # fmt: skip
    proof.add_argument("--json", action="store_true", help="print what it proves as JSON")
    proof.set_defaults(run=_evidence_verify)

    explore = commands.add_parser(
        "explore", help="enumerate every reachable state of the machines; needs the extra `testing`"
    )
    explore.add_argument(
        "--plan",
        action="append",
        choices=tuple(dict.fromkeys((*MODEL_NAMES, *WORLD_NAMES))),
        help="which machine, plan or world; may be repeated; by default all",
    )
    explore.add_argument(
        "--world",
        action="store_true",
        help="with what surrounds them: outbox, answers on their way, providers, faults; two streams at once",
    )
    explore.add_argument(
        "--budget",
        type=_budget,
        metavar="D,C,F",
        help="how many duplicates, crashes and failures a world has; by default 2,2,2, and less for two streams",
    )
    explore.add_argument("--json", action="store_true", help="print what was found as JSON")
    explore.set_defaults(run=_explore)

    work = commands.add_parser("work", help="do what is due, until SIGTERM or SIGINT; as many as you like at once")
    _asks_for_installation(work)
    work.add_argument("--once", action="store_true", help="do what is due now, and end: for cron")
    work.add_argument("--quiet", action="store_true", help="print no line of health every minute")
    work.set_defaults(run=_work)

    backlog = commands.add_parser("backlog", help="say what waits, and for how long; made for an alarm")
    _asks_for_installation(backlog)
    backlog.add_argument(
        "--most", type=_count, default=600, metavar="SECONDS",
        help="exit status 1 when something has been due for longer; 600 by default",
    )  # fmt: skip
    backlog.set_defaults(run=_backlog)

    parked = commands.add_parser("parked", help="effects that wait for a person").add_subparsers(
        required=True, metavar="COMMAND"
    )
    for name, run, about in (
        ("list", _parked_list, "list them, oldest first; exit status 1 when there are any"),
        ("show", _parked_show, "show one in full, personal data masked"),
        ("retry", _parked_retry, "put one back in line, under its own key"),
        ("settle", _parked_settle, "mark one as settled by hand: it is never performed"),
        ("acts", _parked_acts, "list what operators did"),
    ):
        command = parked.add_parser(name, help=about)
        _asks_for_installation(command)
        if name in ("show", "retry", "settle"):
            command.add_argument("key", metavar="KEY", help="as `list` prints it")
        if name in ("retry", "settle"):
            command.add_argument("--by", required=True, metavar="NAME", help="who does it")
            command.add_argument("--reason", required=True, metavar="TEXT", help="why; kept on record")
        if name == "settle":
            command.add_argument("--approved-by", required=True, metavar="NAME", help="a second person")
        command.set_defaults(run=run)

    for name, run, about in (
        ("erase", custody.erase, "destroy the data key of a subscription or ceremony, for good"),
        ("hold", custody.hold, "place a legal hold: it is not erased until it is released"),
        ("release", custody.release, "end a legal hold"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("id", metavar="ID", help="the subscription or ceremony")
        _asks_for_installation(command)
        _asks_who(command)
        if name == "erase":
            command.add_argument(
                "--despite", action="append", default=[], metavar="OBSTACLE",
                help="what does not count this time, by its name in the refusal; may be repeated",
            )  # fmt: skip
            command.add_argument("--approved-by", default="", metavar="NAME", help="a second person, with --despite")
        command.set_defaults(run=run)

    keys = commands.add_parser("keys", help="keys that wrap data keys").add_subparsers(required=True, metavar="COMMAND")
    counted = keys.add_parser("show", help="count the data keys under each key; an old one without any may go")
    _asks_for_installation(counted)
    counted.set_defaults(run=custody.keys_show)
    rotate = keys.add_parser("rotate", help="bring every data key under the current key; no data is touched")
    _asks_for_installation(rotate)
    _asks_who(rotate)
    rotate.set_defaults(run=custody.keys_rotate)
    for name, about in (
        ("new", "make a key ring, or add a key to the one that is there; nothing uses it yet"),
        ("use", "make a key of the ring the current one"),
        ("drop", "drop a key that wraps nothing any more"),
    ):
        command = keys.add_parser(name, help=about)
        command.add_argument("ring", type=Path, metavar="FILE", help="the key ring")
        if name != "new":
            command.add_argument("key", metavar="KEY", help="its id")
        if name == "drop":
            _asks_for_installation(command)
        command.set_defaults(run=custody.KEY_RING[name])

    sandbox.add(commands)
    doctor.add(commands, _asks_for_installation)
    practice.add(commands, _asks_for_installation)
    simulate = commands.add_parser(
        "simulate", help="let many people subscribe while things go wrong; needs the extra `testing`"
    )
    simulate.add_argument("--subscriptions", type=_count, default=1_000, metavar="N", help="how many; 1000 by default")
    simulate.add_argument(
        "--seed", type=int, default=0, metavar="S", help="the same seed, the same result; by default 0"
    )
    simulate.add_argument(
        "--faults", metavar="CLASSES", help="what may go wrong: classes of faults, with commas; by default all of them"
    )
    simulate.add_argument("--jobs", type=_count, default=1, metavar="N", help="how many processes; changes no result")
    simulate.add_argument("--sealed", action="store_true", help="write and seal what is stored, as in production; slow")
    simulate.add_argument("--trace", type=Path, metavar="FILE", help="where a failure is written, to be replayed")
    simulate.add_argument(
        "--replay", type=Path, metavar="FILE", help="run the failure of this file again, nothing else"
    )
    simulate.add_argument("--json", action="store_true", help="print what was found as JSON")
    simulate.set_defaults(run=_simulate)

    diagram = commands.add_parser("diagram", help="draw a machine as Mermaid text, from its table")
    diagram.add_argument(
        "machine", nargs="?", choices=("subscription", "ceremony", "money"), default="subscription", help="which one"
    )
    diagram.set_defaults(run=_diagram)
    return parser


def _asks_for_installation(parser: argparse.ArgumentParser) -> None:
    named = os.environ.get(INSTALLATION) or None
    parser.add_argument(
        "--installation", default=named, required=named is None, metavar="WHERE",
        help=f"a folder of Qcp.local, or module:name of your Qcp; by default ${INSTALLATION}",
    )  # fmt: skip


def _asks_who(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", required=True, metavar="NAME", help="who does it")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; kept on record")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; give its exit status."""
    parsed = build_parser().parse_args(arguments)
    # The answer says what is wrong with a document; libraries' logs would say it again, at length and with names.
    logging.basicConfig(handlers=[logging.NullHandler()])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a letter that the terminal cannot show is no reason to say nothing
    run: Callable[[argparse.Namespace], int] = parsed.run
    try:
        return run(parsed)
    except QcpError as error:
        print(f"qcp-sdk: {error}", file=sys.stderr)
        return UNANSWERED
    except BrokenPipeError:
        # Whoever reads has read enough; standard output is closed before the interpreter flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNANSWERED


def _budget(text: str) -> tuple[int, int, int]:
    numbers = tuple(int(part) for part in text.split(","))
    if len(numbers) != 3 or min(numbers) < 0:
        raise argparse.ArgumentTypeError("write three numbers: duplicates, crashes, failures")
    return (numbers[0], numbers[1], numbers[2])


def _by_number(check: str) -> tuple[str, int]:
    letters = check.rstrip("0123456789")
    return letters, int(check.removeprefix(letters))


def _language() -> str:
    # An empty variable counts as unset (POSIX.1-2017 § 8.2).
    named = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "fr" if named.lower().startswith("fr") else "en"


def _policy_show(_asked: argparse.Namespace) -> int:
    from qcp_sdk.policy.load import default_text

    print(default_text(), end="")
    return YES


def _policy_assess(asked: argparse.Namespace) -> int:
    from qcp_sdk.policy.assess import assess
    from qcp_sdk.policy.collecte_json import load_collecte
    from qcp_sdk.policy.decision import Verdict
    from qcp_sdk.policy.load import default_policy, read_policy
    from qcp_sdk.policy.report import as_json, as_text

    enquiry = load_collecte(asked.file)
    policy = read_policy(content_of(asked.policy), name=asked.policy.name) if asked.policy else default_policy()
    decision = assess(
        enquiry.collecte,
        enquiry.holdings,
        now=enquiry.at or datetime.now(UTC),
        policy=policy,
        recognitions=enquiry.recognitions,
    )
    print(as_json(decision) if asked.json else as_text(decision, enquiry.collecte, asked.language), end="")
    return YES if decision.verdict is Verdict.PASSED else NO


def _journal_verify(asked: argparse.Namespace) -> int:
    from qcp_sdk.errors import JournalError
    from qcp_sdk.journal_file import check

    content = content_of(asked.file)
    try:
        file = check(content)
    except JournalError as broken:
        print(f"qcp-sdk: {broken}", file=sys.stderr)
        return NO
    words = {"fr": "{} faits, chaîne intacte, tête {}", "en": "{} facts, chain intact, head {}"}[asked.language]
    print(words.format(len(file.entries), file.head.hex()))
    return YES


def _history(asked: argparse.Namespace) -> int:
    from qcp_sdk.adapters.shared.history import sentence
    from qcp_sdk.adapters.shared.texts import load_texts, read_zone
    from qcp_sdk.installation import find

    texts = load_texts(asked.language, read_zone(asked.zone))
    for one in find(asked.installation).records.history(asked.id):
        print(f"{one.sequence:4} {texts.moment(one.at)}\t{sentence(one.fact, texts)}")
    return YES


def _evidence_export(asked: argparse.Namespace) -> int:
    from qcp_sdk.installation import find

    return _written(find(asked.installation).evidence.export(asked.id), asked.output or Path(f"{asked.id}.asice"))


def _person_export(asked: argparse.Namespace) -> int:
    from qcp_sdk.installation import find
    from qcp_sdk.values import AccountId, TenantId

    content = find(asked.installation).evidence.person(account=AccountId(asked.account), tenant=TenantId(asked.tenant))
    return _written(content, asked.output or Path("person.zip"))


def _written(content: bytes, path: Path) -> int:
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise InvalidInput(
            f"it cannot be written ({error.strerror})", where=path.name, mend="give another --output"
        ) from error
    print(path)
    return YES


def _evidence_verify(asked: argparse.Namespace) -> int:
    from qcp_sdk.errors import EvidenceError
    from qcp_sdk.evidence.sealing import anchors
    from qcp_sdk.evidence.verifying import verify

    trusted = tuple(der for path in asked.anchor for der in anchors(content_of(path), name=path.name))
    content = content_of(asked.file)
    try:
        report = verify(content, anchors=trusted)
    except EvidenceError as broken:
        print(f"qcp-sdk: {broken}", file=sys.stderr)
        return NO
    if asked.json:
        print(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
        return YES
    words = {
        "fr": "{} : {} faits et {} documents intacts, scellés par {} le {}",
        "en": "{}: {} facts and {} documents intact, sealed by {} on {}",
    }[asked.language]
    sealed = report.sealed
    print(words.format(report.stream, report.facts, len(report.documents), sealed.signer, sealed.at.isoformat()))
    return YES


def _work(asked: argparse.Namespace) -> int:
    from qcp_sdk.installation import find
    from qcp_sdk.worker import Beat, work

    qcp = find(asked.installation)
    if asked.once:
        tried = 0
        while done := qcp.run_due(limit=100):
            tried += done
        print(tried)
        return YES
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def health(beat: Beat) -> None:
        print(f"{datetime.now(UTC).isoformat(timespec='seconds')} {beat.line()}", flush=True)

    work(qcp, stop=stop, on_beat=None if asked.quiet else health)
    return YES


def _backlog(asked: argparse.Namespace) -> int:
    from qcp_sdk.installation import find

    standing = find(asked.installation).operations.standing()
    age = standing.age.total_seconds()
    print(f"due={standing.due} oldest={age:.0f}s parked={standing.parked}")
    return YES if age <= asked.most else NO


def _parked_list(asked: argparse.Namespace) -> int:
    from qcp_sdk.installation import find

    found = find(asked.installation).operations.parked()
    for one in found:
        print(f"{one.key}\t{one.kind}\t{one.attempts}\t{one.reason}")
    return NO if found else YES


def _parked_show(asked: argparse.Namespace) -> int:
    from qcp_sdk.installation import find

    shown = find(asked.installation).operations.show(Key(asked.key))
    effect = shown.effect
    for name, value in (
        ("key", effect.key),
        ("stream", effect.stream),
        ("stage", shown.stage),
        ("kind", effect.kind),
        ("attempts", effect.attempts),
        ("reason", effect.reason),
        ("content", shown.content),
    ):
        print(f"{name:9} {value}")
    return YES


def _parked_retry(asked: argparse.Namespace) -> int:
    from qcp_sdk.installation import find

    find(asked.installation).operations.retry(Key(asked.key), by=asked.by, reason=asked.reason)
    return YES


def _parked_settle(asked: argparse.Namespace) -> int:
    from qcp_sdk.installation import find

    operations = find(asked.installation).operations
    operations.settle(Key(asked.key), by=asked.by, reason=asked.reason, approved_by=asked.approved_by)
    return YES


def _parked_acts(asked: argparse.Namespace) -> int:
    from qcp_sdk.audit import OperatorActed
    from qcp_sdk.installation import find

    for one in find(asked.installation).operations.acts():
        if isinstance(one.fact, OperatorActed):
            act, seconded = one.fact, f"\t{one.fact.approved_by}" if one.fact.approved_by else ""
            print(f"{one.at.isoformat()}\t{act.what}\t{act.about}\t{act.by}\t{act.reason}{seconded}")
    return YES


def _diagram(asked: argparse.Namespace) -> int:
    from qcp_sdk.ceremony.machine import CEREMONY_TRANSITIONS
    from qcp_sdk.diagrams import mermaid
    from qcp_sdk.subscription.machine import TRANSITIONS
    from qcp_sdk.subscription.money import MONEY

    drawn = {
        "subscription": lambda: mermaid(TRANSITIONS),
        "ceremony": lambda: mermaid(CEREMONY_TRANSITIONS),
        "money": lambda: mermaid(MONEY),
    }
    print(drawn[asked.machine](), end="")
    return YES


def _explore(asked: argparse.Namespace) -> int:
    from qcp_sdk.testing.exploration.models import MODELS, WORLDS, run, run_world
    from qcp_sdk.testing.exploration.world.faults import Budget

    budget = Budget(*asked.budget) if asked.budget else None
    if asked.world:
        found = [run_world(name, budget) for name in asked.plan or WORLDS]
    else:
        found = [run(name) for name in asked.plan or MODELS]
    checks = sorted({check for one in found for check in one.checks}, key=_by_number)
    violations = [
        {"model": one.model, "invariant": each.invariant, "path": list(each.path)}
        for one in found
        for each in one.violations
    ]
    complete = all(one.complete for one in found)
    if asked.json:
        print(
            json.dumps(
                {
                    "states": sum(one.states for one in found),
                    "transitions": sum(one.transitions for one in found),
                    "invariants": checks,
                    "violations": violations,
                    "complete": complete,
                    "seconds": round(sum(one.seconds for one in found), 2),
                    "models": {
                        one.model: {
                            "states": one.states,
                            "transitions": one.transitions,
                            "seconds": round(one.seconds, 2),
                            "graph": one.graph,
                        }
                        for one in found
                    },
                },
                ensure_ascii=False,
                indent=2,
            )
        )
    else:
        for one in found:
            print(f"{one.model}: {one.states} states, {one.transitions} transitions, {one.seconds:.1f} s, {one.graph}")
        print(f"invariants checked: {', '.join(checks)}; {'complete' if complete else 'NOT COMPLETE'}")
        for each in violations:
            print(f"VIOLATION {each['invariant']} ({each['model']}): {' > '.join(each['path'])}")
    return YES if complete and not violations else NO


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number from 1")
    return int(text)


def _simulate(asked: argparse.Namespace) -> int:
    from qcp_sdk.testing.simulation.console import command

    return YES if command(asked) else NO
