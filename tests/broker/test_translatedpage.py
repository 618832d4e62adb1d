"""The pages `/friend` and `/keep` in the language of whoever opens them."""

from __future__ import annotations

import pytest

from passerelle.broker.translatedpage import choose_language
from passerelle.core.embed import LANGUAGES
from passerelle.serve import BUILT_WIDGET
from tests.broker.parties import scene

INVITE = f"https://broker.example/#{'A' * 43}"


@pytest.mark.parametrize(
    ("asked", "accepted", "code"),
    [
        ("", "", "en"),
        ("", "fa-IR,fa;q=0.9,en;q=0.8", "fa"),
        ("", "en;q=0.2, de;q=0.9", "de"),
        ("", "xx, vi;q=0.5", "vi"),
        ("", "fr;q=0, es", "es"),
        ("", "de;q=high, *", "en"),
        ("ug", "de", "ug"),
        ("<b>", "de", "en"),
    ],
)
@pytest.mark.parametrize("name", ["friend", "keep"])
async def test_a_page_speaks_its_visitors_language(
    name: str, asked: str, accepted: str, code: str
) -> None:
    """The language in the address goes before those that the browser accepts."""
    async with scene(invite=INVITE, widget_dir=BUILT_WIDGET) as here:
        query = {"lang": asked} if asked else {}
        headers = {"Accept-Language": accepted}
        async with here.http.get(f"{here.url}/{name}", params=query, headers=headers) as response:
            page = await response.text()
            assert response.headers["Content-Language"] == code
            assert response.headers["Vary"] == "Accept-Language"
    direction = "rtl" if code in {"fa", "ar", "ug"} else "ltr"
    assert f'<html lang="{code}" dir="{direction}">' in page
    assert "$" not in page
    assert "{" not in page
    if name == "friend":
        assert all(f'lang="{other}">' in page for other in LANGUAGES)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        (["zh-TW"], "zh-Hant"),
        (["zh_HK"], "zh-Hant"),
        (["zh"], "zh-Hans"),
        (["tr-TR", "de"], "tr"),
        (["", "*", "pt", "my"], "my"),
        ([], "en"),
    ],
)
def test_chinese_is_chosen_by_script_and_region(tags: list[str], code: str) -> None:
    assert choose_language(tags, LANGUAGES) == code
