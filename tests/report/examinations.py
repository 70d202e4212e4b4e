"""Examinations for the tests of the doctor's page and of what it prints."""

from __future__ import annotations

from typing import Any

DIFF = """--- train.py
+++ train.py
@@ -40,5 +40,6 @@
     for x, y in loader:
         loss = criterion(model(x), y)
+        optimizer.zero_grad()
         loss.backward()
         optimizer.step()
     print(epoch, loss.item())"""


def faulty() -> dict[str, Any]:
    """Two faults, a remark, a fixed script."""
    rough = [[i, 2.3 + 0.4 * ((i * 7) % 5) / 5 - 0.001 * i] for i in range(1, 121)]
    better = [[i, 2.3 * 0.97**i + 0.2] for i in range(1, 121)]
    same = [[i, 2.3 + 0.4 * ((i * 3) % 5) / 5 - 0.0012 * i] for i in range(1, 121)]
    before = {"exit": 0, "ran": 8.2, "updates": 1200, "losses": rough, "lines": ["epoch 9 loss 2.61", "test accuracy 0.114"]}
    after = {"exit": 0, "ran": 8.4, "updates": 1200, "losses": better, "lines": ["epoch 9 loss 0.26", "test accuracy 0.931"]}
    return {
        "verdict": "faulty",
        "findings": [
            {
                "code": "loop.zero-grad", "severity": "error", "confidence": 0.98,
                "message": "gradients are never set to zero, so that each update adds all gradients before it",
                "evidence": {"gradient_norm_last_over_first": 61.3, "inherited_updates": 1199},
                "columns": (), "rows": (), "remedy": "set them to zero before backward()",
                "edit": {"file": "/home/ada/digits/train.py", "line": 42, "before": "", "after": "        optimizer.zero_grad()", "diff": DIFF},
                "probe": {
                    "name": "the same 120 updates from the same start, with zeroing, three seeds",
                    "would_have": "a loss after 120 updates within 0.08 of 2.41, the spread of three seeds",
                    "showed": "0.26 ± 0.02", "seeds": 3, "curves": {"as it is": rough, "acquitted": same, "repaired": better},
                },
                "gain": 0.93,
            },
            {
                "code": "optim.rate-low", "severity": "warning", "confidence": 1.0, "message": "the learning rate is too low", "evidence": {"rate": 1e-6},
                "columns": (), "rows": (), "remedy": "", "edit": None, "probe": {"name": "eight rates", "would_have": "", "showed": "0.3 at 0.001"}, "gain": 0.04,
            },
            {
                "code": "activation.dead", "severity": "remark", "confidence": 1.0, "message": "38 of 128 units of fc1 are never active, without harm",
                "evidence": {}, "columns": (), "rows": (), "remedy": "", "edit": None, "probe": None, "gain": None,
            },
        ],
        "examined": {
            "script": "train.py", "exit": 0, "ran": 8.2, "updates": 1200, "runs": 9, "losses": rough, "reference": 0.94, "outcome": 0.11,
            "looked_at": ["1,000 rows with 10 classes; 200 of them held back", "The three calls of the loop"],
            "not_seen": ["What the evaluation prints was not computed by torch."],
        },
        "seconds": 31.4,
        "fixed": {
            "script": "/home/ada/digits/train.fixed.py", "edits": [{"file": "train.py", "line": 42}], "left_out": ["the edit of a is in b, line 3: make it there"],
            "failure": "", "before": before, "after": after,
        },
    }  # fmt: skip


def healthy() -> dict[str, Any]:
    return {"verdict": "healthy", "findings": [], "examined": {"script": "train.py", "exit": 0, "looked_at": ["The loop."]}, "seconds": 3}
