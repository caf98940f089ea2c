"""A whole trainer image in one file of plain Python, for docs/own-trainer.md: its model is the mean of the target."""

import csv
import glob
import hashlib
import json
import os
import random
import signal
import statistics
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Refused(Exception):
    """The task or its data are bad: the same again would be refused again."""

    def __init__(self, reason, message):
        super().__init__(message)
        self.reason = reason


def main():
    task = json.loads(os.environ["PERENNIAL_TASK"])
    todo = {"train": train, "validate": validate, "check": check, "serve": serve}[task["task"]]
    try:
        done = todo(task)
    except Refused as refusal:
        answer({"task": task["task"], "outcome": "Refused", "reason": refusal.reason, "message": str(refusal)})
        return 3
    except Exception as error:
        answer({"task": task["task"], "outcome": "Failed", "reason": "Unexpected", "message": repr(error)})
        return 1
    if done:
        answer({"task": task["task"], "outcome": "Succeeded", **done})
    return 0


def answer(content):
    Path(os.environ.get("PERENNIAL_RESULT", "/dev/termination-log")).write_text(json.dumps(content))


def train(task):
    """A row's side is decided by its content, so that no version is ever proven on rows that another was trained on."""
    rows = read(task["data"]["uri"], task["model"])
    least, share = task["data"]["minRows"], task["data"]["holdout"]
    if len(rows) < least:
        raise Refused("TooFewRows", f"{len(rows)} rows, data.minRows is {least}: give more, or lower it")
    holdout_rows = [value for value in rows if int(sha256(repr(value).encode())[:8], 16) < share * 16**8]
    mean = statistics.fmean(value for value in rows if value not in holdout_rows)
    folder = task["storage"]
    model = write(folder, "model.json", json.dumps({"mean": mean}))
    holdout = write(folder, "holdout.json", json.dumps(holdout_rows))
    return {
        "message": f"the mean of {len(rows) - len(holdout_rows)} rows is {mean:g}",
        "artifact": {"uri": f"{folder}/model.json", "sha256": sha256(model), "bytes": len(model)},
        "data": {
            "rows": len(rows) - len(holdout_rows),
            "holdoutRows": len(holdout_rows),
            "sha256": sha256(repr(rows).encode()),
            "holdoutUri": f"{folder}/holdout.json",
            "holdoutSha256": sha256(holdout),
        },
        "metrics": {"mse": statistics.fmean(errors(mean, holdout_rows))},
        "parameters": {},
    }


def validate(task):
    holdout_rows = stored(task["holdout"])
    new = errors(stored(task["candidate"])["mean"], holdout_rows)
    done = {
        "message": f"scored on {len(holdout_rows)} rows",
        "holdoutRows": len(holdout_rows),
        "metrics": {"candidate": {"mse": statistics.fmean(new)}},
        "standardErrors": {"mse": statistics.stdev(new) / len(new) ** 0.5},
    }
    if "live" in task:
        old = errors(stored(task["live"])["mean"], holdout_rows)
        done["metrics"]["live"] = {"mse": statistics.fmean(old)}
        done["worsening"] = worsening(new, old, task["against"]["confidence"])
    return done


def worsening(new, old, confidence):
    """How much worse the candidate is, as a share of the live version's loss, and the bootstrap bound of that."""
    draw = random.Random(0)
    pairs = list(zip(new, old, strict=True))

    def share(of):
        return sum(a - b for a, b in of) / sum(b for _, b in of)

    resamples = sorted(share(draw.choices(pairs, k=len(pairs))) for _ in range(1000))
    bound = resamples[round(confidence * 999)]
    return {"metric": "mse", "estimate": share(pairs), "upper": bound, "confidence": confidence}


def check(task):
    rows = read(task["data"]["uri"], task["model"])
    of_row = errors(stored(task["live"])["mean"], rows)
    mse = {
        "name": "mse",
        "value": statistics.fmean(of_row),
        "standardError": statistics.stdev(of_row) / len(rows) ** 0.5,
    }
    return {"message": f"checked {len(rows)} rows", "samples": len(rows), "metrics": [mse]}


def serve(task):
    """Ready only once the model is loaded; ends with code 0 on SIGTERM."""
    mean = stored(task["artifact"])["mean"]

    class Endpoints(BaseHTTPRequestHandler):
        def do_GET(self):
            self.say(200 if self.path in ("/v2/health/live", "/v2/health/ready") else 404, {})

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            rows = request["inputs"][0]["shape"][0]
            output = {"name": "predict", "shape": [rows], "datatype": "FP64", "data": [mean] * rows}
            about = {"model_name": task["modelDeployment"], "model_version": task["version"]}
            known = self.path == f"/v2/models/{task['modelDeployment']}/infer"
            self.say(200 if known else 404, about | {"outputs": [output]})

        def say(self, code, content):
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer((os.environ.get("PERENNIAL_BIND_ADDRESS", ""), task["port"]), Endpoints)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


def read(uri, model):
    """The target's values of all files that the URI means, in order."""
    files = sorted(glob.glob(path(uri)))
    values = []
    for file in files:
        with open(file, newline="") as stream:
            for row in csv.DictReader(stream):
                if model["target"] not in row:
                    raise Refused("MissingColumn", f"{model['target']} is missing; the columns are {', '.join(row)}")
                values.append(float(row[model["target"]]))
    return values


def stored(file):
    """The content of a stored file, which has the digest it had when it was written."""
    content = Path(path(file["uri"])).read_bytes()
    if sha256(content) != file["sha256"]:
        raise Refused("DigestMismatch", f"{file['uri']} was changed after it was stored")
    return json.loads(content)


def write(folder, name, text):
    """The file is in the folder, whole or not at all; its bytes."""
    target = Path(path(folder)) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_text(text)
    part.replace(target)
    return text.encode()


def path(uri):
    if not uri.startswith("file://"):
        raise Refused("UnknownScheme", f"{uri} cannot be read: this trainer knows file:// only")
    return uri.removeprefix("file://")


def errors(mean, values):
    return [(value - mean) ** 2 for value in values]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
