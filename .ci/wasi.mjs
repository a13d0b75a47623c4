// node .ci/wasi.mjs PROGRAM ARGUMENTS: runs a program for wasm32-wasip1.
import { readFile } from "node:fs/promises";
import { argv, exit } from "node:process";
import { WASI } from "node:wasi";

const wasi = new WASI({ version: "preview1", args: argv.slice(2), returnOnExit: true });
const program = await WebAssembly.compile(await readFile(argv[2]));
const imports = { env: {}, ...wasi.getImportObject() };
// The functions for threads that a wasi-libc of before 2023 lacks. Those of later ones answer likewise: there are no
// threads, ENOSYS.
for (const { module, name } of WebAssembly.Module.imports(program)) {
  if (module === "env") imports.env[name] = () => (name === "pthread_create" ? 52 : 0);
}
exit(wasi.start(await WebAssembly.instantiate(program, imports)));
