"""All served names, and which release answers which request."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from ..errors import InvalidInput, NotServed, RondoError, UnknownModel
from ..languages import in_order
from ..suite import SERVICES, Suite
from .binding import Binding, request_binding
from .names import ModelName
from .release import Release
from .slot import Slot


class Fleet:
    """Belongs to one event loop.

    Args:
        slots: the first of those that have a service answers where no name is given.

    Attributes:
        slots: by name.
        default: the first one; jobs are done by it.
        services: that one of them has.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = {slot.name: slot for slot in slots}
        self.default = slots[0]
        self.services = [name for name in SERVICES if any(name in slot.services for slot in slots)]

    @staticmethod
    def of(suite: Suite) -> "Fleet":
        """One name with one release that stays."""
        return Fleet([Slot(suite.name, Release(Path(), Path(), suite))])

    @property
    def is_alive(self) -> bool:
        """Whether requests will be answered, whichever name they ask for."""
        return all(slot.current.suite.engine.is_alive for slot in self.slots.values())

    @property
    def languages(self) -> tuple[str, ...]:
        """Those that one of the vocabularies has."""
        releases = (release for slot in self.slots.values() for release in slot.releases)
        return in_order(language for release in releases for language in release.suite.tokenizer.target_ids)

    def asked_languages(self) -> tuple[str, ...]:
        """Those of the bundle that the request at hand names, else of all.

        Raises:
            UnknownModel: there is none of that name.
        """
        binding = request_binding.get()
        if binding is None or binding.asked is None:
            return self.languages
        return tuple(self.suite_for(None).tokenizer.target_ids)

    @property
    def only(self) -> Release | None:
        """The release that all requests go to; None if there are several."""
        return self.default.current if len(self.slots) == 1 and self.default.canary is None else None

    def places(self, count: int) -> AbstractContextManager[None]:
        """As `EnginePort.places`, of the release that answers; as long as that is not known, none is kept."""
        binding = request_binding.get()
        release = (binding.release if binding is not None else None) or self.only
        return nullcontext() if release is None else release.suite.engine.places(count)

    def first_with(self, service: str | None) -> Slot:
        """The slot that answers where no name is given."""
        return next(slot for slot in self.slots.values() if service is None or service in slot.services)

    def suite_for(self, service: str | None, model: str | None = None, state: str | None = None) -> Suite:
        """What answers the request at hand, from now on until its end.

        Args:
            service: that has to be there; None: no certain one.
            model: what the request's body or path names.
            state: to go on from; it goes to the release that it comes from.

        Raises:
            NotServed: nothing has the service.
            UnknownModel: nothing of that name has it.
            InvalidInput: the request names two different ones.
        """
        binding = request_binding.get() or Binding()
        if model is None and state is None and binding.asked is None and binding.release is not None:
            return binding.release.suite
        names = [ModelName.of(text) for text in (binding.asked, model) if text is not None]
        slot, found = self._found(names, service)
        if not found:
            raise self._refusal(binding.asked, model, service)
        release = binding.release
        if release not in found:
            release = found[0] if len(found) == 1 else slot.chosen(binding.request_id)
        if state is not None:
            everywhere = [one for other in self.slots.values() for one in other.releases]
            release = _home_of(state, found if names else everywhere) or release
        assert release is not None
        if request_binding.get() is not None:
            binding.to(release)
        return release.suite

    @contextmanager
    def lent(self, service: str) -> Iterator[Suite]:
        """What answers a part of a request that may go on when that has been answered: it counts as one of its own.

        Raises as `suite_for`.
        """
        whole = request_binding.get() or Binding()
        own = Binding(whole.asked, whole.request_id)
        before = request_binding.set(own)
        try:
            yield self.suite_for(service)
        finally:
            request_binding.reset(before)
            own.end()

    def model(self, text: str) -> tuple[Slot, str]:
        """The slot and the service that a model's name means.

        Raises:
            UnknownModel: it means none.
        """
        name = ModelName.of(text)
        slot, found = self._found([name], name.service)
        if name.service is None or not found:
            raise self._unknown(text, None)
        return slot, name.service

    def default_suite(self) -> Suite:
        """What does jobs.

        Raises:
            InvalidInput: the request asks for another release.
        """
        binding, current = request_binding.get(), self.default.current
        if binding is not None and binding.asked is not None:
            _, found = self._found([ModelName.of(binding.asked)], None)
            if current not in found:
                raise InvalidInput(f"jobs and batches are done by {self.default.name}@{current.hash} only")
        return current.suite

    def _found(self, names: Sequence[ModelName], service: str | None) -> tuple[Slot, list[Release]]:
        """The first slot of which releases have all these names, and these releases."""
        for slot in self.slots.values():
            if service is None or service in slot.services:
                found = [
                    release for release in slot.releases if all(_fits(one, slot, release, service) for one in names)
                ]
                if found:
                    return slot, found
        return self.default, []

    def _refusal(self, asked: str | None, model: str | None, service: str | None) -> RondoError:
        """Why nothing is called `asked` and `model`."""
        if service is not None and service not in self.services:
            return NotServed(f"nothing here has the service {service}; there are {', '.join(self.services)}")
        for text in (asked, model):
            if text is not None and not self._found([ModelName.of(text)], service)[1]:
                return self._unknown(text, service)
        return InvalidInput(f"model: {model!r} is not of {asked!r}, which a header asks for", field="model")

    def _unknown(self, text: str, service: str | None) -> UnknownModel:
        name = ModelName.of(text)
        if name.hash is not None and (slot := self.slots.get(name.bundle or "")) is not None:
            known = ", ".join(f"{slot.name}@{release.hash}" for release in slot.releases)
        else:
            known = ", ".join(self.model_ids(service))
        return UnknownModel(f"there is no model {text!r} for this; choose among {known}", field="model")

    def model_ids(self, service: str | None = None) -> Iterator[str]:
        """`BUNDLE/SERVICE` of all, or of those with one service."""
        for slot in self.slots.values():
            for own in slot.services:
                if service in (None, own):
                    yield f"{slot.name}/{own}"


def _fits(name: ModelName, slot: Slot, release: Release, service: str | None) -> bool:
    return (
        name.bundle in (None, slot.name)
        and (name.hash is None or release.is_called(name.hash))
        and (name.service is None or name.service in ((service,) if service is not None else slot.services))
    )


def _home_of(state: str, releases: Sequence[Release]) -> Release | None:
    """The release that a state comes from, if it is among these."""
    for release in releases:
        if release.suite.generation is not None and release.suite.generation.knows(state):
            return release
    return None
