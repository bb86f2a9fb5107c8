from __future__ import annotations

from pathlib import Path

import pytest

from xinstr_core.errors import SettingsError
from xinstr_core.languages import (
    Language,
    active_languages,
    check_tag,
    get_language,
    read_languages,
    write_entry,
)

REGISTRY = """\
# the languages of this project
[sw]
name = "Swahili"   # spoken in East Africa
script = "Latn"
minimum_language_score = 0.4

[th]
name = "Thai"
script = "Thai"
corpus = "texts/th.jsonl"
seeds = "texts/seeds"
licence = "CC0-1.0"
retired = true
"""


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    path = tmp_path / "languages.toml"
    path.write_text(REGISTRY, "utf-8")
    return path


@pytest.mark.parametrize("tag", ["sw", "yue", "zh-hant", "sr-latn", "es-419", "de-ch-1996"])
def test_a_lower_case_language_tag_is_a_key(tag: str) -> None:
    assert check_tag(tag) == tag


@pytest.mark.parametrize(
    "tag",
    [
        "a/b", "a,b", "sw,ur", "SW", "zh-Hant", "", "all", "s", "swah", "sw-", "-sw", "sw_ke", "sw ", "sw\n", "..",
        "../sw", "sw-a", "ß", "\u0455w", "sw\x00", "sw-123456789", "*",
    ],
)  # fmt: skip
def test_a_tag_that_cannot_be_a_key_or_folder_is_refused(tag: str) -> None:
    with pytest.raises(SettingsError, match="is no language key"):
        check_tag(tag)


def test_the_registry_gives_every_field_with_its_default(registry: Path) -> None:
    assert read_languages(registry) == {
        "sw": Language(
            tag="sw", name="Swahili", script="Latn", corpus="pocket", seeds="pocket", minimum_language_score=0.4
        ),
        "th": Language(
            tag="th",
            name="Thai",
            script="Thai",
            corpus="texts/th.jsonl",
            seeds="texts/seeds",
            licence="CC0-1.0",
            retired=True,
        ),
    }


def test_retired_languages_are_registered_but_not_active(registry: Path) -> None:
    assert list(active_languages(registry)) == ["sw"]
    assert get_language(registry, "th").retired


def test_an_empty_registry_has_no_languages(tmp_path: Path) -> None:
    path = tmp_path / "languages.toml"
    path.write_bytes(b"")
    assert read_languages(path) == {}


def test_an_unknown_language_lists_the_known_ones_and_how_to_add_it(registry: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        get_language(registry, "ur")
    assert str(caught.value) == (
        "unknown language 'ur'; known: sw, th; "
        "add it with: xinstr languages add ur --name NAME --script SCRIPT --corpus PATH --seeds PATH"
    )


def test_a_bad_tag_is_refused_before_it_is_looked_up(registry: Path) -> None:
    with pytest.raises(SettingsError, match="'sw,th' is no language key"):
        get_language(registry, "sw,th")


def test_a_missing_registry_says_where_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no language registry at .*languages\.toml"):
        read_languages(tmp_path / "languages.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sw\n", "languages.toml: "),
        ('[SW]\nname = "x"\nscript = "Latn"\n', "'SW' is no language key"),
        ('[all]\nname = "x"\nscript = "Latn"\n', "'all' is no language key"),
        ("sw = 3\n", r"sw must be a table: \[sw\]"),
        ('[sw]\nscript = "Latn"\n', r"\[sw\] name: Field required"),
        ('[sw]\nname = ""\nscript = "Latn"\n', r"\[sw\] name: "),
        ('[sw]\nname = "x"\nscript = "latn"\n', r"\[sw\] script 'latn' is not known: give an ISO 15924 code"),
        (
            '[sw]\nname = "x"\nscript = "Latn"\nfont = "y"\n',
            r"\[sw\] font: .*known: name, script, corpus, seeds, ",
        ),
        ('[sw]\nname = "x"\nscript = "Latn"\nminimum_language_score = 2\n', r"\[sw\] minimum_language_score: "),
        ('[sw]\nname = "x"\nscript = "Latn"\ntag = "ur"\n', r"\[sw\] "),
        (
            '[sw]\nname = "x"\nscript = "Latn"\ncorpus = { path = "a", readr = "jsonl" }\n',
            r"\[sw\] corpus.readr: Extra inputs are not permitted; known: path, reader, text, source, ",
        ),
        (
            '[sw]\nname = "x"\nscript = "Latn"\ncorpus = { path = "a", reader = "xlsx" }\n',
            r"\[sw\] corpus.reader: .*'warc'",
        ),
        ('[sw]\nname = "x"\nscript = "Latn"\ncorpus = 5\n', r"\[sw\] corpus"),
        ('[sw]\nname = 5\nscript = "Latn"\n', r"\[sw\] name: "),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "languages.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=message):
        read_languages(path)


def test_a_registry_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "languages.toml"
    path.write_bytes(b'[sw]\nname = "\xff"\n')
    with pytest.raises(SettingsError, match=r"languages\.toml: "):
        read_languages(path)


@pytest.mark.parametrize(
    ("script", "letters"),
    [
        ("Thaa", "ދިވެހި"), ("Nkoo", "ߒߞߏ"), ("Olck", "ᱥᱟᱱᱛᱟᱲᱤ"), ("Tfng", "ⵜⴰⵎⴰⵣⵉⵖⵜ"), ("Mtei", "ꯃꯤꯇꯩꯂꯣꯟ"), ("Adlm", "𞤆𞤵𞤤𞤢𞤪"),
        ("Cans", "ᐃᓄᒃᑎᑐᑦ"), ("Mong", "ᠮᠣᠩᠭᠣᠯ"), ("Syrc", "ܣܘܪܝܝܐ"), ("Cher", "ᏣᎳᎩ"), ("Java", "ꦗꦮ"), ("Nagm", "𞓐𞓑"),
        ("Jpan", "日本語のカタカナ"), ("Kore", "한국어漢字"), ("Hans", "汉语"), ("Hant", "漢語"), ("Aran", "اردو"), ("Cyrs", "словѣньскъ"),
    ],
)  # fmt: skip
def test_a_script_that_unicode_has_letters_of_can_be_registered_and_measured(
    tmp_path: Path, script: str, letters: str
) -> None:
    from xinstr_core.corpus.characters import count_characters

    path = tmp_path / "languages.toml"
    path.write_text(f'[sw]\nname = "x"\nscript = "{script}"\n', "utf-8")
    assert read_languages(path)["sw"].script == script
    assert count_characters(letters, script).script_share == 1.0
    assert count_characters("abc", script).script_share == 0.0


@pytest.mark.parametrize(
    "script", ["Zyyy", "Zinh", "Zzzz", "Zxxx", "Qaac", "Xyzq", "latn", "Latin", "Greek", "", "L", r"La}n"]
)
def test_what_is_no_code_of_a_script_is_refused(tmp_path: Path, script: str) -> None:
    path = tmp_path / "languages.toml"
    path.write_text(f"[sw]\nname = 'x'\nscript = '{script}'\n", "utf-8")
    with pytest.raises(SettingsError, match="is not known: give an ISO 15924 code such as Latn"):
        read_languages(path)


def test_a_new_entry_leaves_the_rest_of_the_file_as_it_was(registry: Path) -> None:
    write_entry(registry, "vi", {"name": "Tiếng Việt", "script": "Latn", "licence": None})
    text = registry.read_text("utf-8")
    assert text.startswith(REGISTRY)
    assert read_languages(registry)["vi"] == Language(tag="vi", name="Tiếng Việt", script="Latn")


def test_a_changed_entry_keeps_comments_and_its_other_values(registry: Path) -> None:
    write_entry(registry, "sw", {"minimum_language_score": 0.6, "name": None})
    assert registry.read_text("utf-8") == REGISTRY.replace(
        "minimum_language_score = 0.4", "minimum_language_score = 0.6"
    )


def test_a_changed_entry_keeps_its_settings(registry: Path) -> None:
    with registry.open("a", encoding="utf-8") as entries:
        entries.write("[th.settings.tuning]\nepochs = 2\n")
    write_entry(registry, "th", {"preset": "modern"})
    assert read_languages(registry)["th"].built_with == {"preset": "modern", "tuning": {"epochs": 2}}


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        ("SW", {"name": "Swahili", "script": "Latn"}),
        ("ur", {"name": "Urdu"}),
        ("ur", {"name": "Urdu", "script": "Nastaliq"}),
        ("ur", {"name": "Urdu", "script": "Arab", "font": "x"}),
        ("sw", {"minimum_language_score": 7}),
    ],
)
def test_an_entry_that_would_be_wrong_is_refused_and_the_file_stays(
    registry: Path, tag: str, values: dict[str, object]
) -> None:
    with pytest.raises(SettingsError):
        write_entry(registry, tag, values)
    assert registry.read_text("utf-8") == REGISTRY
    assert [path.name for path in registry.parent.iterdir()] == ["languages.toml"]


def test_writing_into_a_registry_that_is_not_toml_is_a_settings_error(tmp_path: Path) -> None:
    path = tmp_path / "languages.toml"
    path.write_text("[sw\n", "utf-8")
    with pytest.raises(SettingsError, match=r"languages\.toml"):
        write_entry(path, "ur", {"name": "Urdu", "script": "Arab"})
    assert path.read_text("utf-8") == "[sw\n"


def test_writing_into_a_registry_that_does_not_exist_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"languages\.toml"):
        write_entry(tmp_path / "languages.toml", "ur", {"name": "Urdu", "script": "Arab"})


def test_a_name_with_control_characters_is_refused(registry: Path) -> None:
    with pytest.raises(SettingsError, match="control characters"):
        write_entry(registry, "ca", {"name": "\x1b[31mCat", "script": "Latn"})
    assert "ca" not in read_languages(registry)


def test_a_key_inside_an_entry_is_told_to_go(registry: Path) -> None:
    registry.write_text('[sw]\ntag = "fi"\nname = "Swahili"\nscript = "Latn"\n', "utf-8")
    with pytest.raises(SettingsError, match="the section's own name is the key"):
        read_languages(registry)
