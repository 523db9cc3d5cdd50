"""Hold what an answer says against the reasoning that is withheld from it, whichever API it is of, whole or in events.

An answer that carries the reasoning ends where it begins to, and says that a filter ended it (`content_filter`, or
`refusal` with Anthropic's API). Comes from `answers`, before reasoning is taken out; asks `guard.leaks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spiritsafe.guard.leaks.checking import LeakCheck, Thoughts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spiritsafe.guard.leaks.checking import Leak

_MOST_TEXT: Final = 1 << 20
_REASONING_DELTAS: Final = frozenset({
    "response.reasoning_text.delta", "response.reasoning_summary_text.delta", "response.reasoning_summary.delta",
})  # fmt: skip
_ARGUMENTS: Final = "response.function_call_arguments"
_TEXTS: Final = {"response.output_text": "text", _ARGUMENTS: "arguments"}
"""Events of OpenAI's responses that bring text, and where the last one has it whole."""


def texts_of(body: dict[str, Any]) -> str:
    """All that a call's body says: what is in it the caller knows already.

    Examples
    --------
    >>> texts_of({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}]})
    'm user text Why?'
    """
    said: list[str] = []
    left, waiting = _MOST_TEXT, [body]
    while waiting and left > 0:
        one: Any = waiting.pop()
        if isinstance(one, str):
            said.append(one[:left])
            left -= len(one)
        elif isinstance(one, dict):
            waiting.extend(reversed(one.values()))
        elif isinstance(one, list):
            waiting.extend(reversed(one))
    return " ".join(said)


class LeakFilter:
    """Follows one exchange's answer.

    Parameters
    ----------
    prompt
        What the caller sent (`texts_of`).
    summaries
        Summaries of reasoning that OpenAI's responses tell apart are given, and no secret.
    """

    def __init__(self, prompt: str, *, summaries: bool = False) -> None:
        self._prompt, self._summaries = prompt, summaries
        self._thoughts: dict[int, Thoughts] = {}
        self._checks: dict[tuple[Any, ...], LeakCheck] = {}
        self._said: dict[tuple[Any, ...], str] = {}
        self._leaked: dict[int, Leak] = {}
        self._begun: set[Any] = set()

    @property
    def leak(self) -> Leak | None:
        """The first leak that was found."""
        return next(iter(self._leaked.values()), None)

    def whole(self, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer that came whole, up to where it carries its reasoning."""
        if isinstance(answer.get("choices"), list):
            return self._chat(answer, "message")
        if isinstance(answer.get("output"), list):
            return self._response(answer)
        if isinstance(answer.get("content"), list):
            return self._message(answer)
        return answer

    def event(self, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """What may leave of one event of a stream; before it, what was held back until now."""
        kind = event.get("type")
        if isinstance(event.get("choices"), list):
            yield self._chat(event, "delta")
        elif isinstance(kind, str) and kind.startswith("response."):
            yield from self._response_event(kind, event)
        elif isinstance(kind, str):
            yield from self._message_event(kind, event)
        else:
            yield event

    # -- what the APIs have in common ------------------------------------------------------------------------

    def _think(self, choice: int, text: Any) -> None:
        if isinstance(text, str) and text:
            self._of(choice).add(text)

    def _of(self, choice: int) -> Thoughts:
        if choice not in self._thoughts:
            self._thoughts[choice] = Thoughts(self._prompt)
        return self._thoughts[choice]

    def _pass(self, choice: int, channel: tuple[Any, ...], text: str, *, end: bool = False) -> str:
        """What may leave of more text in one channel of a choice."""
        if choice in self._leaked:
            return ""
        key = (choice, *channel)
        check = self._checks.setdefault(key, LeakCheck(self._of(choice)))
        said = check.feed(text) if text else ""
        if end:
            said += check.end()
        if check.leak is not None:
            self._leaked[choice] = check.leak
        self._said[key] = self._said.get(key, "") + said
        return said

    # -- OpenAI's chat ---------------------------------------------------------------------------------------

    def _chat(self, event: dict[str, Any], key: str) -> dict[str, Any]:
        choices = [
            self._choice(one, key) if isinstance(one, dict) and isinstance(one.get(key), dict) else one
            for one in event["choices"]
        ]
        return {**event, "choices": choices}

    def _choice(self, choice: dict[str, Any], key: str) -> dict[str, Any]:
        number = _place(choice.get("index"))
        part = dict(choice[key])
        for name in ("reasoning_content", "reasoning"):
            if isinstance(part.get(name), str):
                self._think(number, part[name])
                break
        else:
            for detail in part.get("reasoning_details") or ():
                self._think(number, detail.get("text") if isinstance(detail, dict) else None)
        end = key == "message" or bool(choice.get("finish_reason"))
        if isinstance(part.get("content"), str) or end:
            given = part.get("content")
            said = self._pass(number, ("content",), given if isinstance(given, str) else "", end=end)
            if said or isinstance(given, str):
                part["content"] = said
        if isinstance(part.get("content"), list):
            part["content"] = [self._part(number, one, at) for at, one in enumerate(part["content"])]
        if calls := self._calls(number, part.get("tool_calls"), end=end):
            part["tool_calls"] = calls
        else:
            part.pop("tool_calls", None)
        changed = {**choice, key: part}
        if number in self._leaked and end:
            changed["finish_reason"] = "content_filter"
        return changed

    def _part(self, choice: int, part: Any, at: int) -> Any:
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            return {**part, "text": self._pass(choice, ("part", at), part["text"], end=True)}
        return part

    def _calls(self, choice: int, calls: Any, *, end: bool) -> list[Any]:
        """Calls of tools with what may leave of their arguments; at the end, with what was held back of them."""
        told = [dict(call) for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
        for place, call in enumerate(told):
            function = call.get("function")
            if isinstance(function, dict) and isinstance(function.get("arguments"), str):
                channel = ("tool", _place(call.get("index"), place))
                said = self._pass(choice, channel, function["arguments"], end=end)
                call["function"] = {**function, "arguments": said}
        if choice in self._leaked:
            return []
        if end:
            done = {_place(call.get("index"), place) for place, call in enumerate(told)}
            for key in [key for key in self._checks if key[:2] == (choice, "tool") and key[2] not in done]:
                if said := self._pass(choice, key[1:], "", end=True):
                    told.append({"index": key[2], "function": {"arguments": said}})
        return told

    # -- Anthropic's messages --------------------------------------------------------------------------------

    def _message(self, answer: dict[str, Any]) -> dict[str, Any]:
        content: list[Any] = []
        for at, block in enumerate(answer["content"]):
            content.append(self._block(block, at) if isinstance(block, dict) else block)
            if self._leaked:
                return {**answer, "content": content, "stop_reason": "refusal", "stop_sequence": None}
        return {**answer, "content": content}

    def _block(self, block: dict[str, Any], at: int) -> dict[str, Any]:
        self._think(0, block.get("thinking"))
        if isinstance(block.get("text"), str):
            return {**block, "text": self._pass(0, (at,), block["text"], end=True)}
        if isinstance(block.get("input"), dict):
            self._pass(0, (at,), " ".join(texts_of(block["input"]).split()), end=True)
            return {**block, "input": {}} if self._leaked else block
        return block

    def _message_event(self, kind: str, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        delta, at = event.get("delta"), _place(event.get("index"))
        if kind.startswith("content_block_") and self._leaked and at not in self._begun:
            return
        if kind == "content_block_start":
            self._begun.add(at)
        elif kind == "content_block_delta" and isinstance(delta, dict):
            self._think(0, delta.get("thinking"))
            name = next((name for name in ("text", "partial_json") if isinstance(delta.get(name), str)), None)
            if name is not None:
                said = self._pass(0, (at, name), delta[name])
                if said or not delta[name]:
                    yield {**event, "delta": {**delta, name: said}}
                return
        elif kind == "content_block_stop":
            for name, its in (("text", "text_delta"), ("partial_json", "input_json_delta")):
                if (0, at, name) in self._checks and (said := self._pass(0, (at, name), "", end=True)):
                    yield {"type": "content_block_delta", "index": at, "delta": {"type": its, name: said}}
        elif kind == "message_delta" and isinstance(delta, dict) and self._leaked:
            event = {**event, "delta": {**delta, "stop_reason": "refusal", "stop_sequence": None}}
        yield event

    # -- OpenAI's responses ----------------------------------------------------------------------------------

    def _response(self, answer: dict[str, Any]) -> dict[str, Any]:
        output, came_before = [], {key[1] for key in self._checks} if self._leaked else None
        for at, item in enumerate(answer["output"]):
            if came_before is not None and at not in came_before:
                continue
            output.append(self._item(item, at) if isinstance(item, dict) else item)
            if self._leaked and came_before is None:
                break
        return {**answer, "output": output, **(_INCOMPLETE if self._leaked else {})}

    def _item(self, item: dict[str, Any], at: int) -> dict[str, Any]:
        parts = [part for part in item.get("content") or () if isinstance(part, dict)]
        if item.get("type") == "reasoning":
            told = () if self._summaries else item.get("summary") or ()
            for part in [*parts, *(part for part in told if isinstance(part, dict))]:
                self._think(0, part.get("text"))
            return item
        if isinstance(item.get("arguments"), str):
            return {**item, "arguments": self._once((at, _ARGUMENTS), item["arguments"])}
        if not parts:
            return item
        told = [
            {**part, "text": self._once((at, place), part["text"])} if isinstance(part.get("text"), str) else part
            for place, part in enumerate(parts)
        ]
        return {**item, "content": told}

    def _once(self, channel: tuple[Any, ...], text: str) -> str:
        """What has left of a text that came in events before; of another, what may leave."""
        if (0, *channel) not in self._checks:
            self._pass(0, channel, text, end=True)
        return self._said.get((0, *channel), "")

    def _response_event(self, kind: str, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        name, _, verb = kind.rpartition(".")
        if kind in _REASONING_DELTAS:
            if not (self._summaries and "summary" in kind):
                self._think(0, event.get("delta"))
        elif name in _TEXTS:
            channel = (
                _place(event.get("output_index")),
                _ARGUMENTS if name == _ARGUMENTS else _place(event.get("content_index")),
            )
            if verb == "delta" and isinstance(event.get("delta"), str):
                said = self._pass(0, channel, event["delta"])
                if said:
                    yield {**event, "delta": said}
                return
            if verb == "done" and isinstance(event.get(_TEXTS[name]), str):
                if (0, *channel) in self._checks and (held := self._pass(0, channel, "", end=True)):
                    left = {key: value for key, value in event.items() if key != _TEXTS[name]}
                    yield {**left, "type": f"{name}.delta", "delta": held}
                event = {**event, _TEXTS[name]: self._once(channel, event[_TEXTS[name]])}
        elif isinstance(event.get("part"), dict) and isinstance(event["part"].get("text"), str) and verb == "done":
            channel = (_place(event.get("output_index")), _place(event.get("content_index")))
            event = {**event, "part": {**event["part"], "text": self._once(channel, event["part"]["text"])}}
        elif isinstance(event.get("item"), dict) and verb == "done" and isinstance(event.get("output_index"), int):
            event = {**event, "item": self._item(event["item"], event["output_index"])}
        elif isinstance(event.get("response"), dict) and kind == "response.completed":
            event = {**event, "response": self._response(event["response"])}
            if self._leaked:
                event["type"] = "response.incomplete"
        yield event


def _place(told: Any, otherwise: int = 0) -> int:
    """A place in a list, as an event names it; what is no number names none."""
    return told if isinstance(told, int) else otherwise


_INCOMPLETE: Final = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
