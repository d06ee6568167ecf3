"""Runs one query of the last Python version of Dexter and tells of it in lines of JSON on standard output.

    dexter-runner.py <file or "-" for standard input>

What Dexter itself prints (colours and spinners) goes to standard error.
"""
import json
import os
import sys
import time

# By file descriptor, which also catches threads and libraries in C.
lines = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
os.dup2(2, 1)


def emit(line):
    lines.write(json.dumps(line) + "\n")


def main(arguments):
    started = time.monotonic()
    ended = {"outcome": "crash", "answer": "", "error": "The request could not be read."}
    request = {}
    try:
        with sys.stdin if arguments == ["-"] else open(arguments[0], encoding="utf-8") as source:
            request = json.load(source)
        sys.path.insert(0, os.path.join(os.environ.get("DEXTER_HOME", "."), "src"))
        from dexter.agent import Agent

        emit({"type": "ready", "protocol": 1, "agent": "dexter-python"})
        chosen = {"model": request.get("model") or os.environ.get("DEXTER_MODEL")}
        chosen["max_steps"] = request.get("maxIterations") or int(os.environ.get("DEXTER_MAX_ITERATIONS", 20))
        chosen["max_steps_per_task"] = int(os.environ.get("DEXTER_MAX_STEPS_PER_TASK", 5))
        agent = Agent(**{name: value for name, value in chosen.items() if value is not None})
        answer = agent.run(request["query"])
        ended = {"outcome": "ok" if answer else "empty", "answer": answer or ""}
    except Exception as error:
        ended = {"outcome": "crash", "answer": "", "error": f"{type(error).__name__}: {error}"}
    emit({"type": "result", "id": request.get("id"), **ended, "totalMs": int((time.monotonic() - started) * 1000)})
    return 0 if ended["outcome"] == "ok" else 1


sys.exit(main(sys.argv[1:]))
