"""From the list of lists to a snapshot: pivots, staleness, rollback, territory; and the European lists of 2019."""

from __future__ import annotations

import base64
import json
import lzma
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import define, field
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from qcp_sdk.adapters.local_scheme import ListedService, Purpose, ServiceStatus, ServiceType, _signed, publish
from qcp_sdk.cli import main, verifying
from qcp_sdk.errors import TrustListError, Unavailable
from qcp_sdk.verification import TrustStore, verify
from qcp_sdk.verification.showing import shown
from qcp_sdk.verification.updating import State, Update, update

if TYPE_CHECKING:
    from tests.core.verification.conftest import Party, World

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DATA = Path(__file__).parents[2] / "data" / "trusted-lists"
IN_2019 = datetime(2019, 9, 15, 9, 0, tzinfo=UTC)
JOURNAL = "https://eur-lex.europa.eu/legal-content/EN/TXT/?uri=TEST"
LOTL, NATIONAL = "https://lists.test/lotl.xml", "https://lists.test/zz.xml"


def identities(parties: Sequence[Party]) -> str:
    return "".join(
        "<ServiceDigitalIdentity><DigitalId><X509Certificate>"
        f"{base64.b64encode(one.der).decode()}</X509Certificate></DigitalId></ServiceDigitalIdentity>"
        for one in parties
    )


def pointer(location: str, kind: str, territory: str, parties: Sequence[Party]) -> str:
    said = {"TSLType": f"http://uri.etsi.org/TrstSvc/TrustedList/TSLType/{kind}", "SchemeTerritory": territory}
    told = "".join(f"<OtherInformation><{tag}>{text}</{tag}></OtherInformation>" for tag, text in said.items())
    return (
        f"<OtherTSLPointer><ServiceDigitalIdentities>{identities(parties)}</ServiceDigitalIdentities>"
        f"<TSLLocation>{location}</TSLLocation><AdditionalInformation>{told}<OtherInformation>"
        '<MimeType xmlns="http://uri.etsi.org/02231/v2/additionaltypes#">application/vnd.etsi.tsl+xml</MimeType>'
        "</OtherInformation></AdditionalInformation></OtherTSLPointer>"
    )


@define(kw_only=True)
class Scheme:
    """A European list of lists in small: who signs it, who may sign the next one, what it points to."""

    world: World
    served: dict[str, bytes] = field(factory=dict)
    asked: list[str] = field(factory=list)

    def lotl(
        self,
        by: Party,
        *,
        names: Sequence[Party],
        sequence: int = 1,
        pivots: Sequence[str] = (),
        territory: str = "ZZ",
        until: datetime = NOW + timedelta(days=60),
        operators: Sequence[Party] = (),
    ) -> bytes:
        """Write and sign one."""
        uris = "".join(f'<URI xml:lang="en">{one}</URI>' for one in (*pivots, JOURNAL, "https://lists.test/rules.xml"))
        pointers = pointer(LOTL, "EUlistofthelists", "EU", names) + pointer(
            NATIONAL, "EUgeneric", territory, operators or [self.world.operator]
        )
        text = f"""<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#" Id="LOTL-{sequence}">
          <SchemeInformation>
          <TSLVersionIdentifier>6</TSLVersionIdentifier>
          <TSLSequenceNumber>{sequence}</TSLSequenceNumber>
          <TSLType>http://uri.etsi.org/TrstSvc/TrustedList/TSLType/EUlistofthelists</TSLType>
          <SchemeOperatorName><Name xml:lang="en">TEST Commission</Name></SchemeOperatorName>
          <SchemeInformationURI>{uris}</SchemeInformationURI><SchemeTerritory>EU</SchemeTerritory>
          <PointersToOtherTSL>{pointers}</PointersToOtherTSL>
          <ListIssueDateTime>2026-03-01T12:00:00Z</ListIssueDateTime>
          <NextUpdate><dateTime>{until:%Y-%m-%dT%H:%M:%SZ}</dateTime></NextUpdate>
        </SchemeInformation></TrustServiceStatusList>"""
        return _signed(etree.fromstring(text), by.key, by.der, NOW - timedelta(days=1))

    def national(self, *, sequence: int = 7, until: datetime = NOW + timedelta(days=30)) -> bytes:
        """Write and sign the list of territory ZZ."""
        service = ListedService(
            name="Qualified CA",
            type=ServiceType.CA_QC,
            certificate=self.world.qc_ca.der,
            history=((ServiceStatus.GRANTED, NOW - timedelta(days=500)),),
            purposes=(Purpose.SIGNATURES,),
        )
        directory = self.world.directory / f"national-{len(list(self.world.directory.iterdir()))}"
        path = publish(
            directory,
            operator_key=self.world.operator.key,
            operator_certificate=self.world.operator.der,
            services=[service],
            now=NOW - timedelta(days=1),
            next_update=until,
            sequence=sequence,
        )
        return path.read_bytes()

    def fetch(self, url: str, most: int) -> bytes:
        self.asked.append(url)
        if url not in self.served:
            raise Unavailable("no answer")
        return self.served[url]


def pin(directory: Path, *parties: Party, name: str = "journal.pem") -> Path:
    (directory / "lotl").mkdir(parents=True, exist_ok=True)
    text = b"".join(one.certificate.public_bytes(Encoding.PEM) for one in parties)
    (directory / "lotl" / name).write_bytes(text)
    return directory


@pytest.fixture
def scheme(world: World) -> Scheme:
    made = Scheme(world=world)
    made.served[NATIONAL] = made.national()
    return made


@pytest.fixture(scope="module")
def signers(world: World) -> tuple[Party, Party]:
    """Those who sign the list of lists: the first, and who replaces them."""
    return world.impostor(), world.impostor()


def run(scheme: Scheme, directory: Path, *, now: datetime = NOW, **options: object) -> Update:
    return update(directory, fetch=scheme.fetch, now=now, location=LOTL, **options)  # type: ignore[arg-type]


class TestUpdate:
    def test_a_snapshot_is_made_that_verification_uses_and_names(
        self, scheme: Scheme, signers: tuple[Party, Party], tmp_path: Path
    ) -> None:
        first, _ = signers
        scheme.served[LOTL] = scheme.lotl(first, names=[first])
        done = run(scheme, pin(tmp_path, first))
        assert done.complete
        assert [(one.territory, one.state, one.sequence) for one in done.outcomes] == [("ZZ", State.NEW, 7)]
        trust = TrustStore.load(tmp_path)
        report = verify(scheme.world.signed(), trust=trust, now=NOW)
        assert report.trust_snapshot == done.snapshot == trust.snapshot
        assert report.list_of_lists is not None
        assert (report.list_of_lists.sequence, report.list_of_lists.pinned_on_first_use) == (1, False)
        assert report.signatures[0].trust_path
        told = report.to_json()["list_of_lists"]
        assert isinstance(told, dict)
        assert told["pinned_on_first_use"] is False

    def test_the_same_again_is_the_same_snapshot_and_an_older_one_stays(
        self, scheme: Scheme, signers: tuple[Party, Party], tmp_path: Path
    ) -> None:
        first, _ = signers
        scheme.served[LOTL] = scheme.lotl(first, names=[first])
        one = run(scheme, pin(tmp_path, first))
        again = run(scheme, tmp_path)
        assert again.snapshot == one.snapshot
        assert again.outcomes[0].state is State.SAME
        scheme.served[NATIONAL] = scheme.national(sequence=8)
        other = run(scheme, tmp_path)
        assert other.snapshot != one.snapshot
        assert {path.name for path in (tmp_path / "snapshots").iterdir()} == {one.snapshot, other.snapshot}
        assert TrustStore.load(tmp_path).snapshot == other.snapshot

    def test_who_is_pinned_on_first_use_is_said_to_be(
        self, scheme: Scheme, signers: tuple[Party, Party], tmp_path: Path
    ) -> None:
        first, _ = signers
        scheme.served[LOTL] = scheme.lotl(first, names=[first])
        with pytest.raises(TrustListError, match=r"no such directory|nobody is pinned"):
            run(scheme, tmp_path)
        run(scheme, tmp_path, first_use=True)
        report = verify(scheme.world.blank(), trust=TrustStore.load(tmp_path), now=NOW)
        assert report.list_of_lists is not None
        assert report.list_of_lists.pinned_on_first_use
        assert "pinned_on_first_use" in {one.id for one in report.reasons}
        pin(tmp_path, first)  # now somebody compared it, and pinned it
        assert not TrustStore.load(tmp_path).on_first_use

    def test_first_use_pins_once(self, scheme: Scheme, signers: tuple[Party, Party], tmp_path: Path) -> None:
        first, second = signers
        scheme.served[LOTL] = scheme.lotl(first, names=[first])
        run(scheme, tmp_path, first_use=True)
        scheme.served[LOTL] = scheme.lotl(second, names=[second], sequence=2)
        with pytest.raises(TrustListError, match="does not verify"):
            run(scheme, tmp_path, first_use=True)


class TestPivots:
    PIVOT = "https://lists.test/pivot-2.xml"

    def serve(self, scheme: Scheme, signers: tuple[Party, Party]) -> None:
        first, second = signers
        scheme.served[self.PIVOT] = scheme.lotl(first, names=[second], sequence=2)
        scheme.served[LOTL] = scheme.lotl(second, names=[second], sequence=3, pivots=[self.PIVOT])

    def test_new_signers_are_reached_through_the_pivot(
        self, scheme: Scheme, signers: tuple[Party, Party], tmp_path: Path
    ) -> None:
        self.serve(scheme, signers)
        done = run(scheme, pin(tmp_path, signers[0]))
        assert done.list_of_lists.pivots == (self.PIVOT,)
        assert TrustStore.load(tmp_path).snapshot == done.snapshot
        assert "https://lists.test/rules.xml" not in scheme.asked  # what follows the Journal is no pivot

    def test_pins_that_are_newer_than_the_pivot_do(
        self, scheme: Scheme, signers: tuple[Party, Party], tmp_path: Path
    ) -> None:
        self.serve(scheme, signers)
        assert run(scheme, pin(tmp_path, signers[1])).complete

    def test_no_way_from_the_pins_is_refused(
        self, scheme: Scheme, signers: tuple[Party, Party], tmp_path: Path, world: World
    ) -> None:
        self.serve(scheme, signers)
        with pytest.raises(TrustListError, match="does not verify"):
            run(scheme, pin(tmp_path, world.impostor()))
        assert not (tmp_path / "current").exists()

    def test_a_step_after_the_first_must_hold(
        self, scheme: Scheme, signers: tuple[Party, Party], tmp_path: Path, world: World
    ) -> None:
        first, second = signers
        later = "https://lists.test/pivot-3.xml"
        stranger = world.impostor()
        scheme.served[self.PIVOT] = scheme.lotl(first, names=[second], sequence=2)
        scheme.served[later] = scheme.lotl(stranger, names=[stranger], sequence=3)
        scheme.served[LOTL] = scheme.lotl(second, names=[second], sequence=4, pivots=[later, self.PIVOT])
        with pytest.raises(TrustListError, match="does not verify"):
            run(scheme, pin(tmp_path, first))

    def test_pivots_out_of_order_are_refused(
        self, scheme: Scheme, signers: tuple[Party, Party], tmp_path: Path
    ) -> None:
        first, second = signers
        later = "https://lists.test/pivot-3.xml"
        scheme.served[self.PIVOT] = scheme.lotl(first, names=[second], sequence=5)
        scheme.served[later] = scheme.lotl(second, names=[second], sequence=4)
        scheme.served[LOTL] = scheme.lotl(second, names=[second], sequence=6, pivots=[later, self.PIVOT])
        with pytest.raises(TrustListError, match="not in order"):
            run(scheme, pin(tmp_path, first))

    def test_a_pivot_that_cannot_be_had_is_an_error(
        self, scheme: Scheme, signers: tuple[Party, Party], tmp_path: Path
    ) -> None:
        self.serve(scheme, signers)
        del scheme.served[self.PIVOT]
        with pytest.raises(Unavailable):
            run(scheme, pin(tmp_path, signers[0]))


class TestStaleAndOld:
    @pytest.fixture
    def kept(self, scheme: Scheme, signers: tuple[Party, Party], tmp_path: Path) -> Path:
        scheme.served[LOTL] = scheme.lotl(signers[0], names=[signers[0]], sequence=5)
        run(scheme, pin(tmp_path, signers[0]))
        return tmp_path

    def test_an_older_list_of_lists_is_refused(self, scheme: Scheme, signers: tuple[Party, Party], kept: Path) -> None:
        scheme.served[LOTL] = scheme.lotl(signers[0], names=[signers[0]], sequence=4)
        with pytest.raises(TrustListError, match="older than 5"):
            run(scheme, kept)

    def test_a_stale_list_of_lists_is_refused_and_its_lists_stop_counting(
        self, scheme: Scheme, signers: tuple[Party, Party], kept: Path
    ) -> None:
        scheme.served[LOTL] = scheme.lotl(signers[0], names=[signers[0]], sequence=6, until=NOW)
        with pytest.raises(TrustListError, match="stale"):
            run(scheme, kept)
        trust = TrustStore.load(kept)
        late = NOW + timedelta(days=61)
        assert all(one.expired for one in trust.used(late))
        assert trust.services(late).issuers == ()
        assert trust.services(NOW).issuers != ()
        report = verify(scheme.world.blank(), trust=trust, now=late)
        expired = [dict(one.details)["territory"] for one in report.reasons if one.id == "list_expired"]
        assert expired == ["EU", "ZZ"]
        only_above = NOW + timedelta(days=1)
        scheme.served[LOTL] = scheme.lotl(signers[0], names=[signers[0]], sequence=6, until=only_above)
        run(scheme, kept)
        assert TrustStore.load(kept).services(only_above).issuers == ()
        report = verify(scheme.world.signed(), trust=TrustStore.load(kept), now=only_above)
        expired = [dict(one.details)["territory"] for one in report.reasons if one.id == "list_expired"]
        assert expired == ["EU"]
        assert report.lists[0].expired
        assert report.signatures[0].qualification.value == "N/A"

    @pytest.mark.parametrize(
        ("serve", "why"),
        [
            (lambda scheme: scheme.national(sequence=6), "older than 7"),
            (lambda scheme: scheme.national(sequence=8, until=NOW - timedelta(hours=1)), "stale"),
            (lambda scheme: scheme.national(sequence=8).replace(b"Qualified CA", b"Somebody else"), "does not verify"),
            (lambda scheme: b"<html/>", "not a trusted list"),
            (lambda scheme: None, "no answer"),
        ],
        ids=["older", "stale", "changed", "other", "silent"],
    )
    def test_a_list_that_cannot_be_used_leaves_the_one_before(
        self, scheme: Scheme, kept: Path, serve: Callable[[Scheme], bytes | None], why: str
    ) -> None:
        before = TrustStore.load(kept).snapshot
        answer = serve(scheme)
        if answer is None:
            del scheme.served[NATIONAL]
        else:
            scheme.served[NATIONAL] = answer
        done = run(scheme, kept)
        assert done.outcomes[0].state is State.KEPT
        assert why in done.outcomes[0].why
        assert done.snapshot == before
        assert not done.complete

    def test_a_list_whose_signer_no_longer_may_sign_is_not_kept(
        self, scheme: Scheme, signers: tuple[Party, Party], kept: Path
    ) -> None:
        other = scheme.world.impostor()
        scheme.served[LOTL] = scheme.lotl(signers[0], names=[signers[0]], sequence=6, operators=[other])
        del scheme.served[NATIONAL]
        (outcome,) = run(scheme, kept).outcomes
        assert outcome.state is State.MISSING
        assert TrustStore.load(kept).lists == ()

    def test_a_list_of_another_territory_is_refused(
        self, scheme: Scheme, signers: tuple[Party, Party], kept: Path
    ) -> None:
        scheme.served[LOTL] = scheme.lotl(signers[0], names=[signers[0]], sequence=6, territory="QM")
        (outcome,) = run(scheme, kept).outcomes
        assert (outcome.state, "territory" in outcome.why) == (State.MISSING, True)
        assert TrustStore.load(kept).lists == ()

    def test_a_snapshot_that_was_changed_is_refused(self, scheme: Scheme, kept: Path) -> None:
        (folder,) = (kept / "snapshots").iterdir()
        (folder / "lists" / "ZZ.xml").write_bytes(scheme.national(sequence=9))
        with pytest.raises(TrustListError, match="was changed"):
            TrustStore.load(kept)
        (kept / "current").write_text("../../elsewhere")
        with pytest.raises(TrustListError, match="names no snapshot"):
            TrustStore.load(kept)

    def test_a_pin_that_was_removed_takes_the_snapshot_with_it(self, kept: Path, world: World) -> None:
        pin(kept, world.impostor())
        with pytest.raises(TrustListError, match="does not verify"):
            TrustStore.load(kept)


class TestBombs:
    @pytest.mark.parametrize(
        "content",
        [
            b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
            b'<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#">&c;</TrustServiceStatusList>',
            b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#"/>',
            b"<a>" * 100_000,
            b'<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#">' + b"<a>" * 5_000,
            b"",
            b"\x00" * 1_000,
        ],
        ids=["laughs", "external", "nested", "nested-list", "empty", "zeros"],
    )
    def test_a_bomb_is_one_clear_error(
        self, scheme: Scheme, signers: tuple[Party, Party], tmp_path: Path, content: bytes
    ) -> None:
        scheme.served[LOTL] = content
        with pytest.raises(TrustListError) as refusal:
            run(scheme, pin(tmp_path, signers[0]))
        assert refusal.value.mend
        assert refusal.value.where == LOTL


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("2019")

    def fetch(url: str, most: int) -> bytes:
        name = {"http://www.ssi.gouv.fr/eidas/TL-FR.xml": "FR"}.get(url, "EU")
        return lzma.decompress((DATA / f"{name}-2019-09.xml.xz").read_bytes())

    done = update(directory, fetch=fetch, now=IN_2019, territories=["FR"], first_use=True)
    assert done.complete
    assert (done.list_of_lists.sequence, len(done.list_of_lists.pointers)) == (248, 31)
    assert done.outcomes[0].sequence == 56
    return directory


class TestIn2019:
    """The lists that the Commission and ANSSI published in September 2019. Nobody compared the signer of the list of
    lists with the Official Journal of that time: it is pinned from the file, and every report says so."""

    def test_universigns_authority_was_granted_for_signatures_without_qscd(self, directory: Path) -> None:
        trust = TrustStore.load(directory)
        assert trust.on_first_use
        (service,) = shown(trust, "universign ca hardware", at=IN_2019)
        assert (service.type, service.status) == ("CA/QC", "granted")
        assert service.since == datetime(2019, 4, 3, tzinfo=UTC)
        assert "ForeSignatures" in service.purposes
        said = {one.policies: (one.qualifiers, one.qualification.value) for one in service.policies}
        assert said == {
            ("1.3.6.1.4.1.15819.5.1.3.1",): (("QCNoQSCD",), "AdESig-QC"),
            ("1.3.6.1.4.1.15819.5.1.3.5",): (("QCNoQSCD",), "AdESig-QC"),
        }

    def test_what_it_was_before_2016_and_2019(self, directory: Path) -> None:
        trust = TrustStore.load(directory)
        (service,) = (one for one in trust.lists[0].services if one.name == "Universign CA hardware")
        words = {year: service.at(datetime(year, 1, 1, tzinfo=UTC)) for year in (2010, 2014, 2018)}
        assert [one.status_word if one else None for one in words.values()] == [None, "accredited", "granted"]

    def test_today_these_lists_say_nothing(self, directory: Path) -> None:
        trust = TrustStore.load(directory)
        assert shown(trust, "Universign", at=NOW) == ()
        assert trust.services(NOW).issuers == ()


class TestCommandLine:
    @pytest.fixture
    def say(
        self,
        scheme: Scheme,
        signers: tuple[Party, Party],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> Callable[..., tuple[int, str]]:
        class Frozen(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Frozen:
                return cls.fromisoformat(NOW.isoformat())

        scheme.served[LOTL] = scheme.lotl(signers[0], names=[signers[0]])
        monkeypatch.setattr(verifying, "_fetcher", lambda asked, **_: scheme.fetch)
        monkeypatch.setattr(verifying, "datetime", Frozen)
        monkeypatch.setenv("QCP_TRUST", str(tmp_path / "trust"))

        def run(*words: str) -> tuple[int, str]:
            code = main(["--language", "fr", *words])
            out = capsys.readouterr()
            return code, out.out + out.err

        return run

    def test_update_show_and_verify(self, say: Callable[..., tuple[int, str]], scheme: Scheme, tmp_path: Path) -> None:
        code, text = say("trust", "update", "--lotl", LOTL, "--first-use")
        assert (code, text.splitlines()[0]) == (0, "ZZ\tnew\t7")
        snapshot = text.split()[-1]
        code, text = say("trust", "show")
        assert code == 0
        assert snapshot in text
        assert "pinned on first use" in text
        assert "EU\t1\tin force\t" in text
        code, text = say("trust", "show", "--at", (NOW + timedelta(days=40)).isoformat(), "--json")
        told = json.loads(text)
        assert (told["snapshot"], told["lists"][0]["expired"], told["list_of_lists"]["expired"]) == (
            snapshot, True, False,
        )  # fmt: skip
        code, text = say("trust", "show", "--service", "qualified ca")
        assert (code, "CA/QC\tgranted" in text) == (0, True)
        assert say("trust", "show", "--service", "nobody") == (1, "")
        document, paper = tmp_path / "signed.pdf", tmp_path / "report.pdf"
        document.write_bytes(scheme.world.signed())
        code, text = say("verify", str(document), "--pdf", str(paper))
        assert snapshot[:16] in text
        assert "repris de cette liste elle-même" in " ".join(text.split())
        assert paper.read_bytes().startswith(b"%PDF")
        code, text = say("verify", str(document), "--pdf", str(paper))
        assert (code, "cannot be written" in text) == (2, True)  # never written over

    def test_what_could_not_be_had_is_said_and_ends_with_one(
        self, say: Callable[..., tuple[int, str]], scheme: Scheme
    ) -> None:
        del scheme.served[NATIONAL]
        code, text = say("trust", "update", "--lotl", LOTL, "--first-use")
        assert (code, text.splitlines()[0]) == (1, "ZZ\tmissing\t-\tno answer")
