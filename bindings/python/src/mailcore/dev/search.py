"""What a search of the inbox asks for."""

from typing import Callable, List

from .letters import Letter


def matcher(query: str) -> Callable[[Letter], bool]:
    """What `query` asks for: words, and to:, from:, subject:, is:unread, is:queued, is:failed, has:attachment."""
    tests: List[Callable[[Letter], bool]] = []
    for word in query.lower().split():
        name, colon, value = word.partition(":")
        if colon and name == "to":
            tests.append(lambda one, value=value: any(value in to.lower() for to in one.recipients))  # type: ignore[misc]
        elif colon and name == "from":
            tests.append(lambda one, value=value: value in one.author.lower() or value in one.sender.lower())  # type: ignore[misc]
        elif colon and name == "subject":
            tests.append(lambda one, value=value: value in one.subject.lower())  # type: ignore[misc]
        elif word == "is:unread":
            tests.append(lambda one: not one.seen)
        elif word in ("is:queued", "is:failed", "is:filed", "is:released"):
            states = ("queued", "deferred") if value == "queued" else (value,)
            tests.append(lambda one, states=states: one.state in states)  # type: ignore[misc]
        elif word == "has:attachment":
            tests.append(lambda one: one.attachments > 0)
        else:
            tests.append(lambda one, word=word: word in one.words)  # type: ignore[misc]
    return lambda one: all(test(one) for test in tests)
