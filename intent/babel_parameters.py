"""The parameters that babeld takes for one interface (babeld(8), section Interface configuration)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

from pydantic import Field

from intent.feature import Finding
from intent.fields import (
    BabelCost,
    BabelIntervalSeconds,
    BabelType,
    Channel,
    RttDecay,
    RttMilliseconds,
    TrueFalse,
    TrueFalseAuto,
)
from intent.resources.babel_configuration import ExitMetric
from intent.resources.babel_interface import Options
from intent.tree import Path
from intent.validation import Model

BABEL_PORT = 6696
"""The UDP port that babeld speaks on (RFC 8966, section 5)."""


class BabelParameters(Model):
    """How babel treats an interface. What is left out is babeld's own choice."""

    words = "a mesh interface"

    type: BabelType | None = Field(
        default=None,
        description="What kind of link this is: babeld chooses its other defaults by it. Left out, babeld looks at "
        "the interface (`auto`).",
        examples=["wired"],
    )
    rxcost: BabelCost | None = Field(
        default=None,
        description="The cost of receiving over this interface without loss, 1–65535: the higher, the less it is "
        "used. babeld's default is 96, and 256 for wireless.",
        examples=[300],
    )
    hello_interval: BabelIntervalSeconds | None = Field(
        default=None,
        description="Seconds between two hellos, 0.01–655.35. babeld's default is 4. Longer means less traffic and "
        "later notice of a broken link.",
        examples=[4],
    )
    update_interval: BabelIntervalSeconds | None = Field(
        default=None,
        description="Seconds between two full announcements of all routes, 0.01–655.35. babeld's default is four "
        "times the hello interval.",
        examples=[16],
    )
    link_quality: TrueFalseAuto | None = Field(
        default=None,
        description="Whether babeld estimates the quality of the link from lost hellos. By default on wireless only.",
        examples=[True],
    )
    split_horizon: TrueFalseAuto | None = Field(
        default=None,
        description="Whether routes are not announced back over the interface they came from. By default on wired "
        "only; right where everybody on the link hears everybody else.",
        examples=[False],
    )
    channel: Channel | None = Field(
        default=None,
        description="The radio channel, 1–254, or `interfering` (with all others) or `noninterfering` (with none). "
        "By default the real one of a wireless interface, else `noninterfering`.",
        examples=[36],
    )
    faraway: TrueFalse | None = Field(
        default=None,
        description="Whether networks behind this interface cannot interfere with those before it. babeld's default "
        "is false.",
    )
    enable_timestamps: TrueFalse | None = Field(
        default=None,
        description="Whether hellos carry timestamps, from which the round-trip time is known. By default on tunnels "
        "only.",
    )
    unicast: TrueFalse | None = Field(
        default=None,
        description="Whether to send each neighbour its own copy instead of one multicast packet for all. babeld's "
        "default is false.",
    )
    rfc6126_compatible: TrueFalse | None = Field(
        default=None,
        description="Whether to leave out what old babel routers (RFC 6126) do not know, source-specific routes among "
        "them: exits cannot be used over such a link. babeld's default is false.",
    )
    rtt_decay: RttDecay | None = Field(
        default=None,
        description="How fast old round-trip times are forgotten, in units of 1/256, 1–256. babeld's default is 42.",
        examples=[42],
    )
    rtt_min: RttMilliseconds | None = Field(
        default=None,
        description="The round-trip time in milliseconds from which a neighbour costs more. babeld's default is 10.",
        examples=[10],
    )
    rtt_max: RttMilliseconds | None = Field(
        default=None,
        description="The round-trip time in milliseconds above which a neighbour costs no more than at it. babeld's "
        "default is 120.",
        examples=[120],
    )
    max_rtt_penalty: BabelCost | None = Field(
        default=None,
        description="The cost that is added at `rtt_max`, 1–65535. By default 96 for tunnels, else nothing.",
        examples=[96],
    )

    def options(self) -> Options:
        """Return what is set, in babeld's spelling."""
        given = ((name, getattr(self, name)) for name in BabelParameters.model_fields)
        return tuple((name.replace("_", "-"), _spelled(value)) for name, value in given if value is not None)

    def findings(self, path: Path) -> Iterable[Finding]:
        """Yield what does not go together in the parameters of the interface at the path."""
        low = 10.0 if self.rtt_min is None else self.rtt_min
        high = 120.0 if self.rtt_max is None else self.rtt_max
        if low >= high:
            field = "rtt_min" if self.rtt_max is None else "rtt_max"
            yield Finding((*path, field), f"`rtt_max` ({high:g} ms) must be more than `rtt_min` ({low:g} ms)")


class Announcing(Model):
    """Base of features that have babeld announce default routes for source prefixes."""

    @abstractmethod
    def exit_metrics(self) -> tuple[ExitMetric, ...]:
        """Return the prefixes with the metric each is announced with."""


def _spelled(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
