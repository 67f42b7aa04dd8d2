"""A request on the short way whose reply is a stream of events.

It has no task: tokens that have come by the same round of the event loop go out in one write, each as an event and a
chunk of its own. What a client is slow to take waits as tokens, not as text.
"""

import asyncio
from typing import Any, cast

from ..engine.requests import Generated
from ..errors import RondoError
from ..mailbox import mailbox
from .shortcuts import Plan, StreamShortcut
from .text_events import TextEvents, event_of_error
from .visits import RawHeaders, Visit

_HEADERS: RawHeaders = [(b"content-type", b"text/event-stream; charset=utf-8")]
_END = b"0\r\n\r\n"

_TOKENS_AT_ONCE = 64
"""Then others have their turn, and it is seen whether the client takes more."""


class StreamVisit(Visit):
    """The status is sent with the first event, so that an error before it has its own."""

    _shortcut: StreamShortcut

    def __init__(self, *own: Any) -> None:
        super().__init__(*own)
        self._events: TextEvents | None = None
        self._tokens: list[int] = []
        self._will_write = False
        self._head_sent = False
        self._num_bytes = 0
        self._mailbox = mailbox()

    def _ask(self, plan: Plan) -> None:
        self._events = self._shortcut.events(self._request, plan)
        self._request, self._headers = None, []  # not needed any more, and it may last
        terms = plan.terms
        self._tickets = plan.suite.engine.submit_all(
            plan.works, deadline=terms.deadline, priority=terms.priority, on_token=[self._arrived]
        )
        self._tickets[0].future.add_done_callback(self._write_soon)

    def _arrived(self, identifier: int, _: object) -> None:
        self._tokens.append(identifier)
        self._write_soon()

    def _write_soon(self, _: object = None) -> None:
        """From any thread: the engine may have one here."""
        if not self._will_write:
            self._will_write = True
            self._mailbox.post(self._write_on)

    def may_write(self) -> None:
        if self._head_sent:
            self._write_on()

    def _write_on(self) -> None:
        self._will_write = False  # before the look at what is there: what comes now posts again
        if not self._connection.flow.write_paused:
            self._go_on(self._tell_news)

    def _tell_news(self) -> None:
        """Send the events of what has come since the last time, but not of too much at once."""
        assert self._events is not None
        (ticket,) = self._tickets
        has_ended = ticket.future.done()  # before the look at the tokens, all of which have come by then
        tokens = self._tokens[:_TOKENS_AT_ONCE]
        del self._tokens[: len(tokens)]
        events: list[bytes] = []
        for identifier in tokens:
            events += self._events.of_token(identifier)
            if self._events.stopped:
                ticket.stop()
                self._finish(events)
                return
        if self._tokens:
            self._send_events(events)
            self._will_write = True
            asyncio.get_running_loop().call_soon(self._write_on)
        elif not has_ended:
            self._send_events(events)
        elif (error := ticket.future.exception()) is None:
            self._finish(events + self._events.of_end(cast("Generated", ticket.future.result())))
        else:
            self._send_events(events)
            raise error

    def _send_events(self, events: list[bytes], end: bytes = b"") -> None:
        if not events:
            return
        content = b"".join([b"%x\r\n%b\r\n" % (len(event), event) for event in events]) + end
        self._num_bytes += sum(map(len, events))
        if not self._head_sent:
            self._head_sent = True
            self._way.metrics.replied(self._path, 200)
            content = self._head(200, self._with_own([*_HEADERS]), chunked=True) + content
        self._write(content)

    def _finish(self, events: list[bytes]) -> None:
        """Send the last events."""
        self._send_events(events, _END)
        self._leave_off()
        self._close_if_told()

    def _leave_off(self) -> None:
        """Nothing more comes."""
        self.response_complete = True
        self._count_for_release(200)
        self._clean_up(200, self._num_bytes)

    def _fail(self, error: RondoError) -> None:
        if not self._head_sent:
            super()._fail(error)
        elif self.disconnected:
            self._leave_off()
        else:
            self._finish([event_of_error(error)])

    def _break(self) -> None:
        if not self._head_sent:
            super()._break()
            return
        self._connection.transport.close()  # all that can be told now is that it is not whole
        self._leave_off()

    def _clean_up(self, status: int, num_bytes: int) -> None:
        self._events = None
        self._tokens.clear()
        super()._clean_up(status, num_bytes)
