"""A recorder and an examiner for the tests of `doctor/script.py`: Python imports this by its name at its start, before a child of ours runs.

They stand in for the real ones: the recorder counts what `backward` and `step` do, the examiner calls a program faulty whose file never zeroes.
"""

import sys
import types


def _recorder() -> type:
    class Recorder:
        def __init__(self, root: object) -> None:
            self.root, self.losses, self.updates = str(root), [], 0

        def __enter__(self) -> "Recorder":
            import torch

            self._torch, self._backward, self._step = torch, torch.Tensor.backward, torch.optim.SGD.step

            def backward(tensor, *args, **words):
                self.losses.append(float(tensor.detach()))
                return self._backward(tensor, *args, **words)

            def step(optimizer, *args, **words):
                self.updates += 1
                return self._step(optimizer, *args, **words)

            torch.Tensor.backward, torch.optim.SGD.step = backward, step
            return self

        def __exit__(self, *error: object) -> None:
            self._torch.Tensor.backward, self._torch.optim.SGD.step = self._backward, self._step

        def program(self):
            from goodfit.base.errors import InputError
            from goodfit.doctor.program import Program

            if not self.losses:
                raise InputError("nothing was trained")
            return Program([], [], [], [], losses=self.losses, updates=self.updates, said=[f"root {self.root}"])

    return Recorder


def _examine(program, *, seconds, seed, progress):
    import time
    from pathlib import Path

    from goodfit.base.records import Finding
    from goodfit.doctor.examination import Examination
    from goodfit.doctor.program import Place
    from goodfit.doctor.source_loops import insert_zero_grad

    script = sys.modules["__main__"].__file__
    lines = Path(script).read_text().splitlines()
    progress("loop.zero-grad")
    if any("# examine for ever" in line for line in lines):
        time.sleep(1000)
    if any("# examine and fail" in line for line in lines):
        raise KeyError("probe")
    at = {word: next((n for n, line in enumerate(lines, 1) if word in line), 0) for word in (".step()", ".backward()", "zero_grad")}
    examined = {"looked_at": ["The gradients."], "not_seen": program.said, "runs": 2, "seconds_given": seconds, "seed": seed}
    if at["zero_grad"]:
        return Examination("healthy", (), examined, 0.5)
    edit = insert_zero_grad(Place(script, at[".step()"]), Place(script, at[".backward()"]))
    told = None if edit is None else {name: getattr(edit, name) for name in ("file", "line", "before", "after", "diff")}
    probe = {
        "name": "with zeroing",
        "would_have": "no gain",
        "showed": "a gain",
        "curves": {"as it is": [[1, 2.0], [2, 3.0]], "repaired": [[1, 2.0], [2, 1.0]]},
    }
    finding = Finding("loop.zero-grad", "error", "gradients add up", {"ratio": 2.0}, remedy="zero them", probe=probe, gain=0.8, edit=told)
    return Examination("faulty", (finding,), examined, 0.5)


def _module(name: str, **names: object) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(names)
    return module


sys.modules["goodfit.doctor.record"] = _module("goodfit.doctor.record", Recorder=_recorder())
sys.modules["goodfit.doctor.engine"] = _module("goodfit.doctor.engine", examine_program=_examine)
