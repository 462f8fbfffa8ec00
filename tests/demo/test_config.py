"""The demo's configuration is valid and agrees with the events."""

from streams.demo.config import demo_config
from streams.demo.events import LATE, MODEL, ON_TIME
from streams.demo.models import DEFAULTS
from streams.demo.quality import METRICS


def test_configuration_fits_the_events() -> None:
    """It declares the model with the labels and the threshold that the events are made with."""
    model = demo_config().models[MODEL]

    assert (model.positive, model.negative) == (LATE, ON_TIME)
    assert model.threshold == DEFAULTS.threshold


def test_configuration_computes_what_the_report_shows() -> None:
    """It asks for the report's metrics, by calendar month, for the whole, the carriers and the origins."""
    model = demo_config().models[MODEL]

    assert set(model.metrics) == set(METRICS)
    assert "1mo" in [window.name for window in model.windows]
    assert model.slices == ((), ("carrier",), ("origin",))
