"""Runs a program for wasm32-wasip1: wasi.py PROGRAM ARGUMENTS, with PyPI's wasmtime."""

import sys

from wasmtime import Engine, ExitTrap, Func, Linker, Module, Store, WasiConfig

# Answer of pthread_create where there are no threads.
ENOSYS = 52

engine = Engine()
program = Module.from_file(engine, sys.argv[1])
store, linker = Store(engine), Linker(engine)
wasi = WasiConfig()
wasi.argv = sys.argv[1:]
wasi.inherit_stdin()
wasi.inherit_stdout()
wasi.inherit_stderr()
store.set_wasi(wasi)
linker.define_wasi()
# The functions for threads that a wasi-libc of before 2023 lacks. Those of later ones answer likewise.
for entry in program.imports:
    if entry.module == "env":
        answer = ENOSYS if entry.name == "pthread_create" else 0
        linker.define(store, "env", entry.name, Func(store, entry.type, lambda *_, answer=answer: answer))
try:
    linker.instantiate(store, program).exports(store)["_start"](store)
except ExitTrap as end:
    sys.exit(end.code)
