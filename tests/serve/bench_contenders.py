"""The other contenders of `bench_serve`, as servers: `python bench_contenders.py bare|floor FOLDER PORT`.

`bare` is what one writes first: Starlette, a data frame, the pipeline. `floor` is the model server's own HTTP, and the
estimator on a matrix that is ready in the request's order: what no server of this model can be faster than by much.
"""

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson


def bare(folder: Path, port: int) -> None:
    import joblib
    import pandas as pd
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    pipeline = joblib.load(folder / "model.joblib")

    async def infer(request: Request) -> JSONResponse:
        inputs = (await request.json())["inputs"]
        frame = pd.DataFrame({each["name"]: each["data"] for each in inputs})
        return JSONResponse({"outputs": [{"name": "predict", "data": pipeline.predict(frame).tolist()}]})

    routes = [Route("/v2/models/bike-demand/infer", infer, methods=["POST"])]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning")


def floor(folder: Path, port: int) -> None:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from perennial_trainer.serve.app import make_server, open_listener, run
    from perennial_trainer.serve.lifecycle import State
    from perennial_trainer.serve.metrics import Metrics

    estimator: Any = pickle.loads((folder / "estimator.pickle").read_bytes())
    state, metrics = State(), Metrics("bike-demand", "floor")

    async def infer(request: Request) -> Response:
        inputs = orjson.loads(await request.body())["inputs"]
        numbers = [each["data"] for each in inputs if each["datatype"] == "FP64"]
        matrix = np.array(numbers, dtype=np.float64).T
        outputs = [{"name": "predict", "data": estimator(matrix)}]
        return Response(orjson.dumps({"outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY))

    routes = [Route("/v2/models/bike-demand/infer", infer, methods=["POST"])]
    server = make_server(Starlette(routes=routes), state, metrics)
    run(server.serve([open_listener("127.0.0.1", port)]))


if __name__ == "__main__":
    {"bare": bare, "floor": floor}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
