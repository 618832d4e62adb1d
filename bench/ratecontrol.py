"""Draw how the rate control behaves on simulated paths: `python -m bench.ratecontrol [FILE.svg]`.

Without a file it prints a table, or with `--json` the same as JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as File

from tests.core.media.bottleneck import Cubic, Flow, Ours, Path, Simulation

SECONDS = 30.0
WIDTH, HEIGHT, LEFT, TOP, GAP = 720, 130, 60, 24, 46
COLOURS = ("#1f5fae", "#c4622d")
QUEUE_COLOUR = "#b8b8b8"


@dataclass(frozen=True, slots=True)
class Scene:
    """A path, the flows on it, and the changes of the path over time."""

    title: str
    path: Path
    rivals: tuple[type[Flow], ...] = ()
    change: Callable[[Simulation, float], None] | None = None

    def play(self) -> Simulation:
        """Simulate the scene to its end."""
        simulation = Simulation(self.path, [Ours(), *(rival() for rival in self.rivals)])
        change = self.change
        simulation.run(
            SECONDS, change=None if change is None else lambda now: change(simulation, now)
        )
        return simulation


def _faster_then_slower(simulation: Simulation, now: float) -> None:
    simulation.path.rate_mbit = 20 if now < 10 else 60 if now < 20 else 5


def _loss(simulation: Simulation, now: float) -> None:
    simulation.path.loss = 0.0 if now < 10 else 0.1 if now < 20 else 0.01


def _longer(simulation: Simulation, now: float) -> None:
    simulation.path.rtt_s = 0.05 if now < 5 else 0.15


def _second_comes(simulation: Simulation, now: float) -> None:
    simulation.flows[1].busy = now > 8


SCENES = (
    Scene("100 ms, 20 Mbit/s, 250 KB queue, 0.5 % loss", Path(20, 0.1, 250, 0.005)),
    Scene("100 ms, 80 Mbit/s; 0, then 10, then 1 % loss", Path(80, 0.1, 1000), change=_loss),
    Scene("300 ms, 25 Mbit/s, 10 % loss", Path(25, 0.3, 1000, 0.1)),
    Scene("100 ms, 1 Mbit/s, 32 KB queue", Path(1, 0.1, 32)),
    Scene("100 ms; 20, then 60, then 5 Mbit/s", Path(20, 0.1, 500), change=_faster_then_slower),
    Scene("20 Mbit/s; 50, then 150 ms", Path(20, 0.05, 500), change=_longer),
    Scene("100 ms, 20 Mbit/s, 250 KB, beside CUBIC", Path(20, 0.1, 250), (Cubic,)),
    Scene(
        "100 ms, 20 Mbit/s, 250 KB, two of us", Path(20, 0.1, 250), (Ours,), change=_second_comes
    ),
)


def draw(plays: list[tuple[Scene, Simulation]]) -> str:
    """Return one SVG with a panel per scene: rates as lines, the longest queue in grey."""
    panels = [_panel(index, scene, simulation) for index, (scene, simulation) in enumerate(plays)]
    height = len(panels) * (HEIGHT + GAP) + TOP
    width = LEFT + WIDTH + LEFT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12"><rect width="{width}" height="{height}" '
        f'fill="white"/>{"".join(panels)}</svg>\n'
    )


def _panel(index: int, scene: Scene, simulation: Simulation) -> str:
    top = TOP + index * (HEIGHT + GAP)
    flows = len(simulation.flows)
    most_mbit = 1.1 * max(max(moment.mbit) for moment in simulation.moments)
    most_s = max(0.1, *(moment.queue_s for moment in simulation.moments))

    def line(values: list[float], most: float, colour: str) -> str:
        points = " ".join(
            f"{LEFT + WIDTH * moment.time_s / SECONDS:.1f},{top + HEIGHT * (1 - value / most):.1f}"
            for moment, value in zip(simulation.moments, values, strict=True)
        )
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'

    queues = line([moment.queue_s for moment in simulation.moments], most_s, QUEUE_COLOUR)
    rates = [
        line([moment.mbit[flow] for moment in simulation.moments], most_mbit, COLOURS[flow])
        for flow in range(flows)
    ]
    end = LEFT + WIDTH
    return (
        f'<text x="{LEFT}" y="{top - 6}" font-weight="bold">{scene.title}</text>'
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ddd"/>'
        f"{queues}{''.join(rates)}"
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most_mbit:.0f}</text>'
        f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">Mbit/s</text>'
        f'<text x="{end + 6}" y="{top + 10}" fill="#888">{most_s * 1e3:.0f} ms</text>'
        f'<text x="{LEFT}" y="{top + HEIGHT + 15}">0</text>'
        f'<text x="{end}" y="{top + HEIGHT + 15}" text-anchor="end">{SECONDS:.0f} s</text>'
    )


def main() -> None:
    """Play all scenes; draw, or print."""
    parser = argparse.ArgumentParser(prog="python -m bench.ratecontrol", description=__doc__)
    parser.add_argument("file", nargs="?", type=File)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    plays = [(scene, scene.play()) for scene in SCENES]
    if options.file is not None:
        options.file.write_text(draw(plays), encoding="utf-8")
    rows = [
        {
            "path": scene.title,
            "mbit_s": round(simulation.mbit(0, 3), 1),
            "rival_mbit_s": round(simulation.mbit(1, 3), 1) if scene.rivals else None,
            "queue_p95_ms": round(simulation.queue_s(3) * 1e3),
        }
        for scene, simulation in plays
    ]
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        rival = "" if row["rival_mbit_s"] is None else f"{row['rival_mbit_s']:.1f} the other"
        print(f"{row['path']:<46} {row['mbit_s']:>6} Mbit/s {row['queue_p95_ms']:>5} ms  {rival}")


if __name__ == "__main__":
    main()
