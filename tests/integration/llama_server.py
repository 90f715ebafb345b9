"""A real OpenAI-compatible server (llama.cpp, in process) on a free loopback port, for the endpoint tests.

``python llama_server.py MODEL.gguf ALIAS`` prints its address on one line and serves until its standard input closes.
"""

from __future__ import annotations

import sys


def main(gguf: str, alias: str) -> None:
    import xllamacpp as x

    params = x.CommonParams()
    params.model.path = gguf
    params.model_alias = {alias}
    params.n_ctx = 8192
    params.n_parallel = 4
    params.port = 0
    params.verbosity = 1
    params.hostnames = ["127.0.0.1"]
    # Its threads wait by spinning, which on a busy machine slows everybody down, the server most of all.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    server = x.Server(params)
    print(f"address {server.listening_address}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
