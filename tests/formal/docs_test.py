"""docs/verification.md names every property that tests/formal proves, and none that it does not.

usage: docs_test.py
"""

import re
import sys

import run


def faults():
    text = run.DOC.read_text()
    table = text.split(run.BEGIN, 1)[1].split(run.END, 1)[0]
    named = {line.split(" | how")[0] for line in table.splitlines() if line.startswith("| ") and "`a_" in line}
    named = {(line.split("`")[1], line.split("`")[3], line.split(" | ")[2]) for line in named}
    proven = {(name, f"keyway_{task.module}", task.configuration()) for task in run.TASKS
              for name, _ in run.properties(task)}
    for name, module, configuration in sorted(proven - named):
        yield f"not in the table: {name} of {module} ({configuration})"
    for name, module, configuration in sorted(named - proven):
        yield f"in the table, but nowhere proven: {name} of {module} ({configuration})"
    for path in sorted({task.source() for task in run.TASKS}):
        source = path.read_text()
        labels = re.findall(r"\b(a_\w+)\s*:\s*assert\b", source)
        sentences = [name for _, name in run.PROPERTY.findall(source)]
        for name in labels:
            if name not in sentences:
                yield f"{path.name}: {name} has no sentence before it (`//: ...`)"
        if len(set(labels)) != len(labels):
            yield f"{path.name}: a name stands twice"


if __name__ == "__main__":
    wrong = list(faults())
    print("\n".join(wrong) or "every property is named")
    sys.exit(bool(wrong))
