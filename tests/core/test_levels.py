"""Levels, by the text of the standards: what each policy identifier means, and what each niveau asks for."""

from __future__ import annotations

from qcp_sdk.levels import POLICY_OIDS, REQUIRED_CERTIFICATE, CertificateLevel, SignatureLevel


def test_policy_identifiers_mean_what_etsi_says() -> None:
    """EN 319 411-1 § 5.3 (itu-t 0 identified-organization 4 etsi 0 …) and EN 319 411-2 § 5.3."""
    assert POLICY_OIDS == {
        "0.4.0.2042.1.1": CertificateLevel.NCP,
        "0.4.0.2042.1.2": CertificateLevel.NCP,
        "0.4.0.2042.1.3": CertificateLevel.LCP,
        "0.4.0.194112.1.0": CertificateLevel.QCP_N,
        "0.4.0.194112.1.2": CertificateLevel.QCP_N_QSCD,
    }
    # Legal persons (QCP-l, QCP-l-qscd) and web sites (QCP-w) sign nothing here.
    assert not {"0.4.0.194112.1.1", "0.4.0.194112.1.3", "0.4.0.194112.1.4"} & set(POLICY_OIDS)


def test_a_niveau_asks_for_a_certificate_and_more_of_it_is_enough() -> None:
    assert REQUIRED_CERTIFICATE == {
        SignatureLevel.NIVEAU_1: None,
        SignatureLevel.NIVEAU_2: CertificateLevel.LCP,
        SignatureLevel.NIVEAU_3: CertificateLevel.QCP_N,
        SignatureLevel.NIVEAU_4: CertificateLevel.QCP_N_QSCD,
    }
    assert sorted(SignatureLevel) == [1, 2, 3, 4]
    assert sorted(CertificateLevel) == [
        CertificateLevel.LCP,
        CertificateLevel.NCP,
        CertificateLevel.QCP_N,
        CertificateLevel.QCP_N_QSCD,
    ]
