from __future__ import annotations

import msgspec
import pytest

from passerelle.errors import LinkCode, LinkLost
from passerelle.io.webrtc.chrome.call import CallOffer
from passerelle.wire.description import CALL_MEDIA_VERSION, CHROME_MEDIA_VERSION, Setup
from tests.chrome import needs_chrome

pytestmark = needs_chrome


@pytest.mark.parametrize("media", [CHROME_MEDIA_VERSION, 1, msgspec.UNSET])
async def test_only_a_call_is_taken_for_an_answer(media: int | msgspec.UnsetType) -> None:
    """A page that knows no calls answers otherwise, and no packet goes to its volunteer."""
    offer = await CallOffer.gather(private=True, media=True)
    assert offer.description.media == CALL_MEDIA_VERSION
    answer = msgspec.structs.replace(offer.description, media=media, setup=Setup.ACTIVE)
    with pytest.raises(LinkLost) as caught:
        await offer.connect(answer, timeout_s=5)
    assert caught.value.code is LinkCode.VERSION
    await offer.close()
