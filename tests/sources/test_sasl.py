"""The test broker's side of SASL speaks as the RFCs do, so that what it lets in is proved."""

from __future__ import annotations

import base64

import pytest

from tidegate.testing.sasl import Conversation, Refused


def scram(password: str = "pencil") -> Conversation:
    """The conversation of RFC 7677, section 3."""
    return Conversation(
        "SCRAM-SHA-256",
        {"user": password},
        salt=base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="),
        nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    )


FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)


def test_scram_is_answered_as_in_the_rfcs_example():
    talk = scram()
    assert talk.answer(FIRST) == (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert talk.answer(FINAL) == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert (talk.done, talk.user) == (True, "user")


@pytest.mark.parametrize("password", ["pencil2", ""])
def test_a_proof_of_another_password_is_refused(password):
    talk = scram(password)
    talk.answer(FIRST)
    with pytest.raises(Refused):
        talk.answer(FINAL)


def test_plain_asks_for_name_and_password():
    talk = Conversation("PLAIN", {"ann": "right"})
    assert (talk.answer(b"\0ann\0right"), talk.user) == (b"", "ann")
    with pytest.raises(Refused):
        Conversation("PLAIN", {"ann": "right"}).answer(b"\0ann\0wrong")
