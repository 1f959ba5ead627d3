"""What no story may say of itself: the checks of a reader who sees nothing but the call."""

from collections.abc import Iterator

from calls.story import CallStory, LegStory, QueueStory

__all__ = ["contradictions", "its_own"]


def contradictions(story: CallStory) -> list[str]:
    """Return what a call that is over says against itself; empty when it is plausible."""
    return [
        *_of_call(story),
        *(f"{leg.telephone}: {text}" for leg in story.legs for text in _of_leg(story, leg)),
        *(f"{stay.queue}: {text}" for stay in story.stays for text in _of_stay(story, stay)),
    ]


def its_own(story: CallStory) -> list[str]:
    """Return the contradictions but for those that a PBX may utter: a queue answered, a line cancelled for
    another (cause 26), a ringing picked up, and the caller gone before anybody talked."""
    return [text for text in contradictions(story) if not text.endswith("nobody talked")]


def _of_call(story: CallStory) -> Iterator[str]:
    talked = [leg for leg in story.legs if leg.answered_at is not None]
    if story.ended_at is None:
        yield "has no end"
    if (story.outcome == "answered") != (story.answered_at is not None):
        yield f"{story.outcome}, but answered at {story.answered_at}"
    if bool(talked) != (story.answered_at is not None):
        yield f"answered at {story.answered_at}, but {len(talked)} telephones talked"
    if story.outcome == "abandoned" and story.ended_by in ("operator", "pbx"):
        yield f"abandoned, but ended by {story.ended_by}"
    if story.outcome == "closed" and story.ended_by == "caller":
        yield "closed by the PBX, but ended by the caller"
    if any(leg.outcome == "elsewhere" for leg in story.legs) and not talked:
        yield "rang elsewhere, but nobody talked"


def _of_leg(story: CallStory, leg: LegStory) -> Iterator[str]:
    if not leg.telephone:
        yield "nobody's leg"
    if leg.ended_at is None or (story.ended_at is not None and leg.ended_at > story.ended_at):
        yield f"ends {leg.ended_at}, the call {story.ended_at}"
    if leg.answered_at is not None and leg.outcome != "answered":
        yield f"talked, but {leg.outcome}"
    known = [at for at in (leg.rang_at, leg.answered_at, leg.ended_at) if at is not None]
    if known != sorted(known):
        yield "runs backwards"


def _of_stay(story: CallStory, stay: QueueStory) -> Iterator[str]:
    if stay.left_at is None or stay.left_at < stay.entered_at:
        yield f"from {stay.entered_at} to {stay.left_at}"
    if stay.reason == "answered" and story.answered_at is None:
        yield "left answered, but nobody talked"
