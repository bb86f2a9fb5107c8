"""E-mail addresses however they are written, and what only looks like one."""

from __future__ import annotations

import pytest

from xinstr_core.corpus.personal_data import masked, personal_data


@pytest.mark.parametrize(
    "text",
    [
        "nimi.esimerkki@example .org", "nimi@ example.org", "nimi @ example.org", "neema @ example . co . tz", "info@example. fi", "jane AT example DOT com", "nimi at example dot fi",
        "palaute{at}example.fi", "jane (@) example.com", "nimi ( at ) example.fi", "nimi(ät)example.fi", "jane&commat;example.org", "jane&#x40;example.org", "?q=a%40example.org",
        "mailto:jane.doe@example.com?subject=a", '"jane"@example.org', "jane@example.com.", "<JANE@EXAMPLE.ORG>",
        "juma@example。com", "juma@mail｡example｡com", "联系juma@example.com。谢谢", "राम@उदाहरण.भारत", "सीता@उदाहरण.भारत।", "ali@مثال.مصر", "สม@ตัวอย่าง.ไทย",
    ],
)  # fmt: skip
def test_addresses_are_found_tokenised_and_written_out(text: str) -> None:
    assert personal_data(text) == "email"
    assert personal_data(masked(text)) is None


@pytest.mark.parametrize(
    "text",
    [
        "git clone git@github.com:user/project.git", "ssh git@github.com", "git+ssh://git@github.com/user/project.git", "deploy@www.example.org:/var/www", "user@host.example:docs",
        "https://user:secret@api.example.com/v1", "ssh://deploy@example.org/srv", "logo@2x.png", "tausta@3x.min.css", "kannet@home.jpeg", "react@18.2.0", "@jane@mastodon.social",
        "https://medium.com/@jane.doe", "Asante @juma . na wewe", "Asante @juma.karibu", "#Uganda@50. it feels good", "saa 4 @ Nairobi . Karibu", "look at this dot",
        "请关注@微博名。谢谢大家", "धन्यवाद @राम.जी", "नमस्ते@सबको। भारत",
    ],
)  # fmt: skip
def test_hosts_files_versions_and_handles_are_nobodys_address(text: str) -> None:
    assert personal_data(text) is None
