"""Mobile numbers in E.164 form, of every zone of the ITU's numbering plan."""

from __future__ import annotations

from functools import cache
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from qcp_sdk.values import PhoneNumber

MOBILES: Final = (
    ("33", ("6", "7"), 9), ("262", ("692", "693", "639"), 9), ("590", ("690", "691"), 9), ("594", ("694",), 9),
    ("596", ("696", "697"), 9), ("687", ("7", "8", "9"), 6), ("689", ("87", "89"), 8), ("508", ("55",), 6),
    ("32", ("46", "47", "48", "49"), 9), ("41", ("75", "76", "77", "78", "79"), 9), ("352", ("621", "661", "691"), 9),
    ("49", ("151", "160", "170"), 10), ("49", ("151", "176"), 11), ("44", ("74", "75", "77", "78", "79"), 10),
    ("34", ("6", "71"), 9), ("39", ("32", "33", "34"), 10), ("351", ("91", "92", "93", "96"), 9), ("31", ("6",), 9),
    ("353", ("83", "85", "87"), 9), ("43", ("660", "664", "676"), 10), ("48", ("5", "60", "69"), 9),
    ("212", ("6", "7"), 9), ("213", ("5", "6", "7"), 9), ("216", ("2", "5", "9"), 8), ("221", ("7",), 9),
    ("225", ("01", "05", "07"), 10), ("237", ("6",), 9), ("376", ("3", "6"), 6), ("377", ("6",), 9),
    ("1", ("202555", "613555"), 10), ("55", ("119", "219"), 11), ("81", ("70", "80", "90"), 10), ("86", ("13",), 11),
)  # fmt: skip
"""Calling code, how a mobile begins, digits after the calling code."""

_ELSEWHERE: Final = [
    "7",
    "20",
    "27",
    "30",
    "36",
    "40",
    "45",
    "46",
    "47",
    "51",
    "52",
    "53",
    "54",
    "56",
    "57",
    "58",
    "60",
    "61",
    "62",
    "63",
    "64",
    "65",
    "66",
    "82",
    "84",
    "90",
    "91",
    "92",
    "93",
    "94",
    "95",
    "98",
    "211",
    "218",
    "220",
    "222",
    "223",
    "224",
    "226",
    "227",
    "228",
    "229",
    "230",
    "231",
    "232",
    "233",
    "234",
    "235",
    "236",
    "238",
    "239",
    "240",
    "241",
    "242",
    "243",
    "244",
    "245",
    "248",
    "249",
    "250",
    "251",
    "252",
    "253",
    "254",
    "255",
    "256",
    "257",
    "258",
    "260",
    "261",
    "263",
    "264",
    "265",
    "266",
    "267",
    "268",
    "269",
    "290",
    "291",
    "297",
    "298",
    "299",
    "350",
    "354",
    "355",
    "356",
    "357",
    "358",
    "359",
    "370",
    "371",
    "372",
    "373",
    "374",
    "375",
    "378",
    "380",
    "381",
    "382",
    "383",
    "385",
    "386",
    "387",
    "389",
    "420",
    "421",
    "423",
    "500",
    "501",
    "502",
    "503",
    "504",
    "505",
    "506",
    "507",
    "509",
    "591",
    "592",
    "593",
    "595",
    "597",
    "598",
    "599",
    "670",
    "672",
    "673",
    "674",
    "675",
    "676",
    "677",
    "678",
    "679",
    "680",
    "681",
    "682",
    "683",
    "685",
    "686",
    "688",
    "690",
    "691",
    "692",
    "850",
    "852",
    "853",
    "855",
    "856",
    "880",
    "886",
    "960",
    "961",
    "962",
    "963",
    "964",
    "965",
    "966",
    "967",
    "968",
    "970",
    "971",
    "972",
    "973",
    "974",
    "975",
    "976",
    "977",
    "992",
    "993",
    "994",
    "995",
    "996",
    "998",
]
"""The other calling codes of ITU-T E.164; how their mobiles begin is not kept here."""


@st.composite
def _known(draw: DrawFn) -> str:
    code, beginnings, digits = draw(st.sampled_from(MOBILES))
    beginning = draw(st.sampled_from(beginnings))
    left = digits - len(beginning)
    return f"+{code}{beginning}{draw(st.text('0123456789', min_size=left, max_size=left))}"


@st.composite
def _other(draw: DrawFn) -> str:
    code = draw(st.sampled_from(_ELSEWHERE))
    digits = st.text("0123456789", min_size=5, max_size=14 - len(code))
    return f"+{code}{draw(st.sampled_from('123456789'))}{draw(digits)}"


@cache
def phone_numbers() -> SearchStrategy[PhoneNumber]:
    """A mobile number; most are French or of a neighbour, some of any country, of 7 to 15 digits (E.164 § 6.2.1)."""
    fiction = st.integers(0, 9_999).map(lambda number: f"+3363998{number:04d}")  # a range that ARCEP keeps for fiction
    return (fiction | _known() | _other()).map(PhoneNumber)


@st.composite
def typed_phone_numbers(draw: DrawFn) -> tuple[str, PhoneNumber]:
    """A number as a person types it, with spaces, dots, dashes and brackets, and the number that it is."""
    number = draw(phone_numbers())
    signs = draw(
        st.lists(st.sampled_from(("", "", " ", ".", "-", "(", ")", "\u00a0", "\u202f")), min_size=16, max_size=16)
    )
    body = "".join(sign + digit for sign, digit in zip(signs, number.text[1:], strict=False))
    return f" +{body} ", number
