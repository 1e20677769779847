// build.mjs WIT OUTPUT: bundles src/component.js and makes a component of it. The same sources give the same bytes.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { componentize } from '@bytecodealliance/componentize-js';
import { componentWit } from '@bytecodealliance/jco';
import binaryen from 'binaryen';
import { build } from 'esbuild';

const [wit, output] = process.argv.slice(2).map((path) => resolve(path));

// The engine's memory is saved after it has read the bundle, with every path, time and random number it was given. So
// all of them are fixed; two builds at a time would be in each other's way.
const WORK = '/tmp/totesys-star-language';
const NOW = Date.UTC(2026, 0, 1);
process.env.TMPDIR = WORK;
Math.random = () => 0.5;
Date.now = () => NOW;

rmSync(WORK, { recursive: true, force: true });
mkdirSync(WORK);
try {
  const options = { bundle: true, format: 'esm', platform: 'neutral', mainFields: ['module', 'main'] };
  const [bundle, engine] = [`${WORK}/star.js`, `${WORK}/engine.wasm`];
  await build({
    ...options,
    entryPoints: ['src/component.js'],
    external: ['totesys:*'],
    target: 'es2022',
    outfile: bundle,
  });
  const url = new URL('../lib/starlingmonkey_embedding.wasm', import.meta.resolve('@bytecodealliance/componentize-js'));
  writeFileSync(engine, withoutChance(readFileSync(url)));

  const { component } = await componentize({
    sourcePath: bundle,
    witPath: wit,
    worldName: 'star',
    disableFeatures: ['stdio', 'random', 'clocks', 'http', 'fetch-event'],
    engine,
  });
  const imports = (await componentWit(component)).match(/^ *import .*$/gm) ?? [];
  const foreign = imports.filter((line) => line.trim() !== 'import totesys:star/log@0.2.0;');
  if (foreign.length > 0) throw new Error(`the component imports more than the log:\n${foreign.join('\n')}`);
  writeFileSync(output, component);
  console.log(`${output}: ${component.length} bytes; imports: ${imports.map((line) => line.trim()).join(' ') || 'none'}`);
} finally {
  rmSync(WORK, { recursive: true, force: true });
}

/** The engine with constants for the time and for random numbers. */
function withoutChance(bytes) {
  const { i32 } = binaryen;
  const module = binaryen.readBinary(bytes);
  module.setFeatures(binaryen.Features.All);
  const local = (index) => module.local.get(index, i32);
  const bodies = {
    random_get: module.memory.fill(local(0), module.i32.const(0x5a), local(1)),
    clock_time_get: module.i64.store(0, 8, local(2), module.i64.const(BigInt(NOW) * 1_000_000n)),
  };
  for (let index = 0; index < module.getNumFunctions(); index++) {
    const found = binaryen.getFunctionInfo(module.getFunctionByIndex(index));
    if (found.module !== 'wasi_snapshot_preview1' || !(found.base in bodies)) continue;
    const body = module.block(null, [bodies[found.base], module.i32.const(0)], i32);
    delete bodies[found.base];
    module.removeFunction(found.name);
    module.addFunction(found.name, found.params, found.results, [], body);
    // The functions have moved.
    index = -1;
  }
  if (Object.keys(bodies).length > 0) throw new Error(`the engine does not import ${Object.keys(bodies)}`);
  return module.emitBinary();
}
