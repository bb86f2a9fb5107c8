"""Verb and noun of instructions as people write them."""

from __future__ import annotations

import pytest

from xinstr_core.diversity.requests import verb_object


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        # Imperatives.
        ("Name a good ski mountain in Vermont", ("name", "mountain")),
        ("Give me a list of 10 nematode species", ("give", "list")),
        ("Write a simple recipe for barley broth.", ("write", "recipe")),
        ("Please provide some resources that will help me.", ("provide", "resource")),
        ("Name the top 10 greatest rapper of all time", ("name", "rapper")),
        ("List the incarnations of Lord Vishnu. Vishnu is known as the preserver.", ("list", "incarnation")),
        ("Jot down some important points about optical illusion", ("jot", "point")),
        ("Given the facts, compose them into a coherent story. Facts: Ann was born.", ("compose", "story")),
        ("Describe a recurring dream you've had.", ("describe", "dream")),
        # Questions with an auxiliary.
        ("How do I make a traditional Bolognese sauce?", ("make", "sauce")),
        ("What dishes can we eat as a Vegan?", ("eat", "dish")),
        ("What programming language does Spark support?", ("support", "language")),
        ("Can you give me some suggestions?", ("give", "suggestion")),
        (
            "I broke up with my girlfriend and I am feeling so sad. Can you give me some suggestions?",
            ("give", "suggestion"),
        ),
        ("Does Bolivia have a wine scene?", ("have", "scene")),
        ("Why did the Soviet Union collapse?", ("collapse", None)),
        ("What does costco do?", ("do", None)),
        # Questions with a verb of their own.
        ("Who invented the game of basketball?", ("invent", "game")),
        ("How to code the snake game in C", ("code", "game")),
        # Forms of "be".
        ("What is the difference between love and affection?", ("be", "difference")),
        ("What’s your favorite baseball team?", ("be", "team")),
        ("Which rivers were the birthplaces of the first civilizations?", ("be", "birthplace")),
        ("Who is William B. Davis?", ("be", "davis")),
        ("How is ugali cooked?", ("cook", "ugali")),
        ("Where are brook trout found?", ("find", "trout")),
        ("How many official languages are spoken in India?", ("speak", "language")),
        # Neither verb nor request.
        ("Seven Wonders of the Underwater World", None),
        ("", None),
        ("?!", None),
        ("กี่ น้ำ", None),
    ],
)
def test_the_request_is_that_which_a_reader_finds(instruction: str, expected: tuple[str, str | None] | None) -> None:
    assert verb_object(instruction) == expected


def test_a_verb_is_known_in_all_its_forms() -> None:
    forms = ("write", "writes", "wrote", "writing", "written", "Writes")
    assert {verb_object(f"Who {form} novels?") for form in forms} == {("write", "novel")}
    assert verb_object("Who stopped the trains?") == ("stop", "train")
    assert verb_object("Who carries the countries' stories?") == ("carry", "story")


def test_what_is_handed_over_behind_the_request_is_not_read() -> None:
    assert verb_object("Summarize the text. " + "Write a poem! " * 100_000) == ("summarize", "text")
